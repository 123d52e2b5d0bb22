"""Fit clusters, anomaly scores and layouts to a view of a collection."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service import anomaly, caller, clusters
from skylike.service.anomaly import AnomalyFit, Surrounding
from skylike.service.catalog import Catalog, Fits
from skylike.service.clusters import ClusterFit, Settings
from skylike.service.collection.laying import Arrays, laid_out
from skylike.service.collection.numbers import Numbers
from skylike.service.collection.portraits import PORTRAITS, Portraits, portrayed
from skylike.service.collection.ranking import RANKS
from skylike.service.collection.view import View, gather
from skylike.service.errors import BadRequest, NotReady
from skylike.service.index import nearest
from skylike.service.progress import Progress, Watched
from skylike.service.ranks import Ranks

CLUSTERS = "clusters"
"""What the clusters of a fit are called among what is kept of it."""

_SAME = 1e-6  # cosine distance below which two vectors show the same object
_CHUNK = 4096  # objects searched for at a time


KEPT = 5
"""How many fits can be listed, the newest among them."""


class Fit(NamedTuple):
    """What a fit finds out, without its version."""

    clusters: ClusterFit
    portraits: Portraits
    anomaly: AnomalyFit
    ranks: Ranks
    layouts: dict[str, Arrays]

    def kept(self, fits: Fits, view: View) -> View:
        """Store all of it; the view that answers by it."""
        # Somebody may have given a name meanwhile.
        names = view.clusters.name_of if view.clusters else {}
        clusters = self.clusters.named(names)
        parts = self._replace(clusters=clusters)._asdict()
        layouts = parts.pop("layouts")
        version, fit_version = fits.save(
            {kind: part.to_arrays() for kind, part in parts.items()} | layouts,
            brief={RANKS: 2, CLUSTERS: KEPT, PORTRAITS: KEPT}
            | dict.fromkeys(layouts, 1),
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
    calibration: NDArray[np.float32] | None,
    settings: Settings,
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
    calibration : (m, dimension) float32, unit norm
        m may be 0. By default those of the view's fit that were not added since.
    settings
        How to find clusters. Same view, same settings, same fits.
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
    given = calibration
    if given is None:
        given = view.anomaly.calibration if view.anomaly else vectors[:0]
    near, cosines = nearest(sources, given, k).first(k)
    new = 1 - cosines[:, 0] >= _SAME
    if calibration is not None and not new.all():
        raise BadRequest(
            f"{int((~new).sum())} of {len(new)} calibration vectors are in the "
            "collection, so p-values would not hold. Calibrate with objects that are "
            "not indexed.",
            reason="calibration_in_archive",
        )
    laid = laid_out(rows, vectors, layouts, settings.seed, shown)
    kinds = clusters.fit(
        vectors,
        rows,
        lambda place: view.ids(rows[[place]])[0],
        settings,
        view.clusters,
        shown,
    )
    surroundings = []
    with Progress("fitting", len(rows), "object", shown) as progress:
        for start in range(0, len(rows), _CHUNK):
            caller.check()
            part = slice(start, start + _CHUNK)
            found = nearest(sources, vectors[part], k, exclude=rows[part]).first(k)
            surroundings.append(Surrounding.of(*found))
            progress.advance(len(found[0]))
    anomaly_fit, scores, controlled = anomaly.fit(
        rows,
        vectors,
        Surrounding.joined(surroundings),
        calibration=given[new],
        near_calibration=Surrounding.of(near[new], cosines[new]),
        columns=Numbers(view, rows),
        seed=settings.seed,
    )
    ranks = Ranks(0, rows, scores, controlled, kinds.membership, kinds.fit.labels)
    caller.check()
    portraits = portrayed(view, catalog, ranks)
    return Fit(kinds.fit, portraits, anomaly_fit, ranks, laid)
