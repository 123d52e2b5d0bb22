"""Fit clusters and anomaly scores to a view of a collection."""

import itertools

import numpy as np
from numpy.typing import NDArray

from skylike.service import anomaly, caller, clusters
from skylike.service.anomaly import AnomalyFit
from skylike.service.clusters import ClusterFit
from skylike.service.collection.view import View, gather
from skylike.service.errors import BadRequest, NotReady
from skylike.service.index import nearest

_SAME = 1e-6  # cosine distance below which two vectors show the same object


def fit(
    view: View,
    calibration: NDArray[np.float32] | None,
    seed: int,
) -> tuple[ClusterFit, AnomalyFit]:
    """Both fits, without their version.

    Parameters
    ----------
    view
        What to fit.
    calibration : (m, dimension) float32, unit norm
        m may be 0. By default those of the view's fit that were not added since.
    seed
        Same view, same seed, same fits.

    Raises
    ------
    Cancelled
        If the caller has asked to stop; see `caller`.
    NotReady
        ``too_few_objects`` if fewer than two are searchable.
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
    near = nearest(sources, given, k)
    new = np.array([1 - found.scores[0] >= _SAME for found in near], np.bool_)
    if calibration is not None and not new.all():
        raise BadRequest(
            f"{int((~new).sum())} of {len(new)} calibration vectors are in the "
            "collection, so p-values would not hold. Calibrate with objects that are "
            "not indexed.",
            reason="calibration_in_archive",
        )
    near_calibration = list(itertools.compress(near, new))
    near_archive = nearest(sources, vectors, k, exclude=rows)
    found = (
        clusters.fit(vectors, view.ids(rows), seed),
        anomaly.fit(k, rows, near_archive, given[new], near_calibration),
    )
    caller.check()
    return found
