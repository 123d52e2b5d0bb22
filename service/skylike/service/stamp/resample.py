"""Another pixel grid for an image with holes."""

import functools

import numpy as np
from numpy.typing import NDArray

_MIN_COVERAGE = 0.5


def central_square(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The central square, NaN beyond the frame.

    Parameters
    ----------
    pixels : (channel, ny, nx) float32
    side
        Side of the square in pixels.

    Returns
    -------
    square : (channel, side, side) float32
    """
    channels, ny, nx = pixels.shape
    y, x = (ny - side) // 2, (nx - side) // 2
    if y >= 0 and x >= 0:
        return pixels[:, y : y + side, x : x + side]
    square = np.full((channels, side, side), np.nan, np.float32)
    inside = pixels[:, max(y, 0) : max(y, 0) + side, max(x, 0) : max(x, 0) + side]
    top, left = max(-y, 0), max(-x, 0)
    square[:, top : top + inside.shape[1], left : left + inside.shape[2]] = inside
    return square


def resize(pixels: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Resample a square to another number of pixels, keeping surface brightness.

    A triangle as wide as the coarser of the two grids weighs the pixels: linear
    interpolation when enlarging, anti-aliased averaging when shrinking. Blank
    pixels weigh nothing; where less than half the weight is left, the result is
    blank.

    Parameters
    ----------
    pixels : (channel, n, n) float32
        NaN where there is no data.
    side
        Pixels per side of the result.

    Returns
    -------
    resized : (channel, side, side) float64
        NaN where there is no data.
    """
    weights = _weights(pixels.shape[1], side)
    blank = np.isnan(pixels)
    if not blank.any():
        return np.asarray(weights @ pixels.astype(np.float64) @ weights.T)
    filled = np.where(blank, 0.0, pixels)
    coverage = weights @ (~blank).astype(np.float64) @ weights.T
    total = weights @ filled @ weights.T
    result = np.full(total.shape, np.nan)
    np.divide(total, coverage, out=result, where=coverage >= _MIN_COVERAGE)
    return result


@functools.lru_cache(maxsize=256)
def _weights(old: int, new: int) -> NDArray[np.float64]:
    """Weights of `old` pixels in each of `new` pixels along one axis: (new, old)."""
    step = old / new
    centres = (np.arange(new) + 0.5) * step - 0.5
    distance = np.abs(np.arange(old)[np.newaxis] - centres[:, np.newaxis])
    weights = np.clip(1 - distance / max(step, 1.0), 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
