"""From what a search and the fits say to answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly import AnomalyFit
from skylike.service.clusters import ClusterFit
from skylike.service.collection import Found, Scored
from skylike.service.engine.resolve import Resolved
from skylike.service.engine.separation import separation_deg
from skylike.service.engine.types import (
    AnomalyAnswer,
    ClusterAnswer,
    ClusterShare,
    Hit,
)

# Embeddings of one stamp differ by about 1e-7 with their company in a batch.
_SAME_COSINE = 1 - 1e-6
_POSSIBLE = 1e-6  # probability of a cluster that is worth telling


def hits(scored: Sequence[Scored], found: Resolved) -> tuple[Hit, ...]:
    """Rank what a search found, and add how far away on the sky each is."""
    return tuple(
        Hit(
            rank,
            one.score,
            one.object,
            separation_deg(found.position, one.object.position),
        )
        for rank, one in enumerate(scored, start=1)
    )


def cluster_answers(fit: ClusterFit, found: Sequence[Resolved]) -> list[ClusterAnswer]:
    """Share each query out among the clusters."""
    return [
        _cluster_answer(fit, probabilities)
        for probabilities in fit.probabilities(np.stack([one.vector for one in found]))
    ]


def _cluster_answer(
    fit: ClusterFit, probabilities: NDArray[np.float64]
) -> ClusterAnswer:
    *inside, outside = probabilities.tolist()
    order = np.argsort(-probabilities[:-1], kind="stable")
    order = order[: max(1, np.count_nonzero(probabilities[:-1] >= _POSSIBLE))]
    best = int(order[0])
    return ClusterAnswer(
        fit_version=fit.version,
        shares=tuple(
            ClusterShare(int(fit.labels[place]), fit.names[place], inside[place])
            for place in order.tolist()
        ),
        exemplar_ids=tuple(fit.exemplar_ids[best]),
        size=int(fit.sizes[best]),
        outside=outside,
    )


def anomaly_answer(
    fit: AnomalyFit, near: Sequence[Found], query: Resolved
) -> AnomalyAnswer:
    """Judge by those `fit.k` nearest of `near` that were there at the fit.

    Objects added since do not count, as they did not for the calibration; where too
    many of them lie in between, they do, and there is no p-value. A query that is an
    archived object, by id or by its vector, is compared with the others only, as the
    archive's own scores were; a conformal p-value would not be valid for it.
    """
    archived = bool(query.ids)
    if not archived and near and near[0].score > _SAME_COSINE:
        archived, near = True, near[1:]
    fitted = [one for one in near if fit.covers(one.row)]
    is_comparable = len(fitted) >= fit.k
    nearest = (fitted if is_comparable else near)[: fit.k]
    score = fit.score([one.score for one in nearest], [one.row for one in nearest])
    return AnomalyAnswer(
        fit_version=fit.version,
        score=score,
        percentile=fit.percentile(score),
        p_value=fit.p_value(score) if is_comparable and not archived else None,
        num_calibration=len(fit.calibration_scores),
        neighbors=tuple((one.id, one.score) for one in nearest),
    )
