"""From what a search and the fits say to answers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly import AnomalyFit, Surrounding
from skylike.service.clusters import ClusterFit
from skylike.service.collection import SAME_COSINE, Found, Scored
from skylike.service.engine.resolve import Resolved
from skylike.service.engine.separation import separations_deg
from skylike.service.engine.types import (
    AnomalyAnswer,
    ClusterAnswer,
    ClusterShare,
    Hit,
    NearestCluster,
)

_POSSIBLE = 1e-6  # probability of a cluster that is worth telling


def hits(scored: Sequence[Scored], found: Resolved) -> tuple[Hit, ...]:
    """Rank what a search found, and add how far away on the sky each is."""
    away = separations_deg(found.position, (one.object.position for one in scored))
    return tuple(
        Hit(rank, one.score, one.object, far)
        for rank, (one, far) in enumerate(zip(scored, away, strict=True), start=1)
    )


def cluster_answers(fit: ClusterFit, found: Sequence[Resolved]) -> list[ClusterAnswer]:
    """Share each query out among the clusters."""
    vectors = np.array([one.vector for one in found])
    return [_cluster_answer(fit, shares) for shares in fit.probabilities(vectors)]


def _cluster_answer(
    fit: ClusterFit, probabilities: NDArray[np.float64]
) -> ClusterAnswer:
    *inside, outside = probabilities.tolist()
    possible = [place for place, share in enumerate(inside) if share >= _POSSIBLE]
    order = sorted(possible, key=inside.__getitem__, reverse=True)
    if not order:
        order = [inside.index(max(inside))]
    best = order[0]
    return ClusterAnswer(
        fit_version=fit.version,
        shares=tuple(
            ClusterShare(int(fit.labels[place]), fit.names[place], inside[place])
            for place in order
        ),
        exemplar_ids=tuple(fit.exemplar_ids[best]),
        size=int(fit.sizes[best]),
        outside=outside,
    )


def anomaly_answers(
    fit: AnomalyFit,
    near: Sequence[Sequence[Found]],
    queries: Sequence[Resolved],
    *,
    with_parts: bool = False,
) -> list[AnomalyAnswer]:
    """Judge each by those `fit.k` nearest that were there at the fit.

    Objects added since do not count, as they do not for the calibration, unless too few
    others are left: then there is no p-value. A query that is an
    archived object, by id or by its vector, is compared with the others only, as the
    archive's own scores were; a conformal p-value would not be valid for it, nor for one
    that was there at the fit and has gone.
    """
    compared = [
        _compared(fit, one, query) for one, query in zip(near, queries, strict=True)
    ]
    judged = fit.judged(
        np.stack([query.vector for query in queries]) if with_parts else None,
        [
            Surrounding.of(
                [[found.row for found in one.nearest]],
                [[found.score for found in one.nearest]],
            )
            for one in compared
        ],
    )
    return [
        AnomalyAnswer(
            fit_version=fit.version,
            score=found.score,
            percentile=found.percentile,
            p_value=fit.p_value(found.score) if one.is_exchangeable else None,
            num_calibration=len(fit.calibration_scores),
            neighbors=tuple((near.id, near.score) for near in one.nearest),
            controlled_percentile=fit.control.percentile(found.score, query.attributes),
            parts=found.parts,
        )
        for found, one, query in zip(judged, compared, queries, strict=True)
    ]


class _Compared(NamedTuple):
    """What a query is judged by; whether as the calibration objects were."""

    nearest: Sequence[Found]
    is_exchangeable: bool


def _compared(fit: AnomalyFit, near: Sequence[Found], query: Resolved) -> _Compared:
    archived = bool(query.ids)
    if not archived and near and near[0].score > SAME_COSINE:
        archived, near = True, near[1:]
    last_row = fit.last_row
    fitted = [one for one in near if one.row <= last_row]
    is_comparable = len(fitted) >= fit.k
    nearest = (fitted if is_comparable else near)[: fit.k]
    return _Compared(
        nearest, is_comparable and not archived and not fit.had(query.vector)
    )


def nearest_cluster(fit: ClusterFit | None, query: Resolved) -> NearestCluster | None:
    """The cluster that a query is, or nearly is; None while there are none."""
    if fit is None:
        return None
    [answer] = cluster_answers(fit, [query])
    _, _, similarities = fit.members(query.vector[None])
    return NearestCluster(answer.shares[0], float(similarities[0]))
