"""Pixels grouped by position and brightness; apart: scikit-learn is slow to import."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from skylike.service.errors import BadRequest

MAX_PIXELS = 1_000_000
# A neighbour along a side or a corner, as long as it is not much brighter or fainter.
_REACH = 1.5  # pixels
_PIXELS_PER_EFOLD = 0.25
_MIN_NEIGHBOURS = 4


def group(
    significance: NDArray[np.float32], threshold: float, min_area: int
) -> NDArray[np.int32]:
    """Label the pixels above `threshold` by DBSCAN on (x, y, asinh of significance).

    Brightness becomes a third coordinate, so that a bright object's steep edge parts
    it from a faint one that it touches: Ester et al. 1996, KDD-96, 226. The asinh
    (Lupton, Gunn & Szalay 1999, AJ 118, 1406) makes it linear in the noise and
    logarithmic above. A bridge one pixel wide joins nothing.

    Parameters
    ----------
    significance : (ny, nx) float32
        The image in units of its noise, without NaN.
    threshold
        In the same unit.
    min_area
        Pixels of the smallest object.

    Returns
    -------
    labels : (ny, nx) int32
        0 for the sky, else 1 .. n.

    Raises
    ------
    BadRequest
        ``too_many_pixels``: more than a million are above the threshold.
    """
    labels = np.zeros(significance.shape, np.int32)
    y, x = np.nonzero(significance > threshold)
    if len(y) > MAX_PIXELS:
        raise BadRequest(
            f"{len(y):,} pixels are above the threshold, and dbscan groups at most "
            f"{MAX_PIXELS:,}: raise the threshold, cut the image, or use sep",
            reason="too_many_pixels",
        )
    if not len(y):
        return labels
    brightness = _PIXELS_PER_EFOLD * np.arcsinh(significance[y, x])
    clusters = DBSCAN(
        eps=_REACH, min_samples=_MIN_NEIGHBOURS, algorithm="kd_tree"
    ).fit_predict(np.column_stack([x, y, brightness]))
    found, cluster, area = np.unique(clusters, return_inverse=True, return_counts=True)
    kept = (found >= 0) & (area >= min_area)
    labels[y, x] = np.where(kept, np.cumsum(kept), 0)[cluster]
    return labels
