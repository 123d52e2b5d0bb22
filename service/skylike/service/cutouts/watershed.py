"""Blends split along their valleys; apart, because photutils is slow to import."""

import numpy as np
from numpy.typing import NDArray
from photutils.segmentation import deblend_sources, detect_sources

from skylike.service.fits.warned import recorded


def split(
    smooth: NDArray[np.float32],
    cut: NDArray[np.float32],
    min_area: int,
    contrast: float,
) -> NDArray[np.int32]:
    """Label the connected pixels above `cut`, and split what has several peaks.

    Parameters
    ----------
    smooth, cut : (ny, nx) float32
        The image, without NaN, and the level above which a pixel is part of an
        object; positive, in one unit.
    min_area
        Pixels of the smallest object.
    contrast
        Part of the flux that a peak must hold to become an object of its own.

    Returns
    -------
    labels : (ny, nx) int32
        0 for the sky, else 1 .. n.
    """
    # No sources, or levels spaced otherwise than asked: answers, not alarms.
    with recorded():
        found = detect_sources(smooth, cut, min_area)
        if found is None:
            return np.zeros(smooth.shape, np.int32)
        parts = deblend_sources(
            smooth, found, min_area, contrast=contrast, progress_bar=False
        )
    return np.asarray(parts.data, np.int32)
