"""Fit clusters, anomaly scores and layouts to a view of a collection."""

from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from skylike.service import anomaly, caller, clusters
from skylike.service.anomaly import AnomalyFit, Surrounding
from skylike.service.catalog import Catalog, Fits
from skylike.service.clusters import ClusterFit, Kinds, Membership, Settings
from skylike.service.collection.calibrated import archived
from skylike.service.collection.laying import Arrays, laid_out
from skylike.service.collection.naming import Heritage, renamed_meanwhile
from skylike.service.collection.numbers import Numbers
from skylike.service.collection.portraits import PORTRAITS, Portraits, portrayed
from skylike.service.collection.ranking import RANKS
from skylike.service.collection.stages import Stages
from skylike.service.collection.view import View, gather
from skylike.service.errors import BadRequest, DamagedData, NotReady
from skylike.service.index import Source, k_nearest
from skylike.service.progress import Progress, Watched
from skylike.service.ranks import Ranks

CLUSTERS = "clusters"
"""What the clusters of a fit are called among what is kept of it."""

ANOMALY = "anomaly"
"""The same of its anomaly scores, of which only the newest are ever asked for."""

_CHUNK = 4096  # objects searched for at a time
_OF_OBJECTS = "of_objects."

_log = structlog.get_logger()

KEPT_AT_A_TIME = 1 << 16
"""The neighbours of how many objects are a stage."""


KEPT = 5
"""How many fits can be listed, the newest among them."""


class Fit(NamedTuple):
    """What a fit finds out, without its version."""

    clusters: ClusterFit
    portraits: Portraits
    anomaly: AnomalyFit
    ranks: Ranks
    layouts: dict[str, Arrays]
    stages: Stages

    def kept(self, fits: Fits, view: View) -> View:
        """Store all of it; the view that answers by it."""
        # Somebody may have given a name meanwhile.
        names = view.clusters.name_of if view.clusters else {}
        clusters = renamed_meanwhile(self.clusters, names)
        version, fit_version = fits.save(
            {
                CLUSTERS: clusters.to_arrays(),
                PORTRAITS: self.portraits.to_arrays(),
                ANOMALY: self.anomaly.to_arrays(),
                RANKS: self.ranks.to_arrays(),
                **self.layouts,
            },
            brief={RANKS: 2, CLUSTERS: KEPT, PORTRAITS: KEPT, ANOMALY: 1}
            | dict.fromkeys(self.layouts, 1),
        )
        return replace(
            view,
            version=version,
            clusters=replace(clusters, version=fit_version),
            anomaly=replace(self.anomaly, version=fit_version),
        )


def fit(
    view: View,
    catalog: Catalog,
    directory: Path,
    calibration: NDArray[np.float32] | None,
    settings: Settings,
    heritage: Heritage | None,
    layouts: Sequence[str],
    shown: Watched,
) -> Fit:
    """Fit all.

    Parameters
    ----------
    view
        What to fit.
    catalog
        Where the thumbnails are.
    directory
        Of the collection, where stages are kept until the fit is stored.
    calibration : (m, dimension) float32, unit norm
        m may be 0. By default those of the view's fit that were not added since.
    settings
        How to find clusters. Same view, same settings, same fits.
    heritage
        Whose labels and names the clusters get, if not those of the view's fit.
    layouts
        Which to make beside the principal components.
    shown
        Where to show how far it is.

    Raises
    ------
    Cancelled
        If the caller has asked to stop; see `caller`.
    NotReady
        ``too_few_objects`` if fewer than two are searchable; or as `clusters.fit`.
    BadRequest
        ``calibration_in_archive`` if a calibration vector is in the view.
    """
    sources = [source for _, source in view.sources()]
    rows, vectors = gather(sources)
    if len(rows) < 2:
        raise NotReady(
            "Clusters and anomaly scores need two searchable objects or more; the "
            f"collection has {len(rows)}.",
            reason="too_few_objects",
        )
    k = anomaly.num_neighbors(len(rows))
    given = _last_calibration(view, catalog) if calibration is None else calibration
    given = vectors[:0] if given is None else given
    new = ~archived(sources, catalog, given)
    # As many are looked for as around a query, which may be archived: the search is as wide.
    near, cosines = (found[:, :k] for found in k_nearest(sources, given[new], k + 1))
    if calibration is not None and not new.all():
        raise BadRequest(
            f"{int((~new).sum())} of {len(new)} calibration vectors are in the "
            "collection, so p-values would not hold. Calibrate with objects that are "
            "not indexed.",
            reason="calibration_in_archive",
        )
    earlier = _earlier(view, catalog.fits)
    made = _made(view, settings, earlier)
    stages = Stages(directory, {"rows": rows, "vectors": vectors, **made})
    kinds = _kinds(stages, view, earlier, rows, vectors, settings, shown)
    if heritage is not None:
        kinds = heritage.given_to(kinds, view.ids(rows))
    anomaly_fit, scores, controlled = anomaly.fit(
        rows,
        vectors,
        _surrounding(stages, sources, rows, vectors, shown),
        calibration=given[new],
        near_calibration=Surrounding.of(near, cosines),
        columns=Numbers(view, rows),
        seed=settings.seed,
    )
    ranks = Ranks(0, rows, scores, controlled, kinds.membership, kinds.fit.labels)
    laid = laid_out(rows, vectors, layouts, settings.seed, stages, shown)
    caller.check()
    portraits = portrayed(view, catalog, ranks)
    return Fit(kinds.fit, portraits, anomaly_fit, ranks, laid, stages)


def _last_calibration(view: View, catalog: Catalog) -> NDArray[np.float32] | None:
    """Calibration vectors of the last fit, also of one that cannot be used any more."""
    if view.anomaly is not None:
        return view.anomaly.calibration
    stored = catalog.fits.latest(ANOMALY)
    return None if stored is None else stored[1].get("calibration")


def _made(
    view: View, settings: Settings, earlier: Sequence[ClusterFit]
) -> dict[str, NDArray[Any]]:
    """What a fit of given objects depends on: how it is made, and what it goes on from."""
    before = view.clusters.to_arrays() if view.clusters else {}
    before.pop("names", None)  # they are given again when it is stored
    made = {"settings": np.array([*map(str, astuple(settings))])}
    made |= {f"before.{name}": array for name, array in before.items()}
    # Stored fits never change but for the names of the newest.
    return made | {f"earlier.{one.version}": one.labels for one in earlier}


def _kinds(
    stages: Stages,
    view: View,
    earlier: Sequence[ClusterFit],
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    settings: Settings,
    shown: Watched,
) -> Kinds:
    kept = stages.kept(CLUSTERS)
    found = None if kept is None else ClusterFit.from_arrays(0, kept)
    if kept is not None and found is not None:
        of_objects = (kept[f"{_OF_OBJECTS}{name}"] for name in Membership._fields)
        return Kinds(found, Membership(*of_objects))
    kinds = clusters.fit(
        vectors,
        rows,
        lambda place: view.ids(rows[[place]])[0],
        settings,
        view.clusters,
        earlier,
        shown,
    )
    members = kinds.membership._asdict()
    stages.keep(
        CLUSTERS,
        kinds.fit.to_arrays()
        | {f"{_OF_OBJECTS}{name}": array for name, array in members.items()},
    )
    return kinds


def _earlier(view: View, fits: Fits) -> list[ClusterFit]:
    """Clusters of the fits before the newest that are kept, the newest first.

    They only lend labels and names: one that is damaged is left out, and stops no fit.
    """
    found = []
    newest = view.clusters.version if view.clusters else 0
    for version in reversed(fits.versions(CLUSTERS)):
        if version >= newest:
            continue
        try:
            arrays = fits.of(CLUSTERS, version)
        except DamagedData as error:
            _log.warning("earlier_fit_damaged", version=version, why=str(error))
            continue
        one = None if arrays is None else ClusterFit.from_arrays(version, arrays)
        if one is not None:
            found.append(one)
    return found


def _surrounding(
    stages: Stages,
    sources: Sequence[Source],
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    shown: Watched,
) -> Surrounding:
    """The nearest of each object, without itself."""
    count, k = len(rows), anomaly.num_neighbors(len(rows))
    near = Surrounding(np.empty((count, k), np.int64), np.empty((count, k)))
    with Progress("fitting", count, "object", shown) as progress:
        for begin in range(0, count, KEPT_AT_A_TIME):
            end, stage = min(begin + KEPT_AT_A_TIME, count), f"neighbours-{begin}"
            kept = stages.kept(stage)
            if kept is not None:
                near.rows[begin:end] = kept["rows"]
                near.distances[begin:end] = kept["distances"]
                progress.go_on(end - begin)
                continue
            for start in range(begin, end, _CHUNK):
                caller.check()
                part = slice(start, min(start + _CHUNK, end))
                found = k_nearest(sources, vectors[part], k, exclude=rows[part])
                near.rows[part], near.distances[part] = Surrounding.of(*found)
                progress.advance(len(vectors[part]))
            whole = Surrounding(near.rows[begin:end], near.distances[begin:end])
            stages.keep(stage, whole._asdict())
    return near
