"""Level and noise of the sky around an object."""

import functools

import numpy as np
from numpy.typing import NDArray

# Standard deviation of a normal distribution over its median absolute deviation.
_SIGMA_PER_MAD = 1.4826022185056018
_CLIP_SIGMA = 3.0
_ROUNDS = 3
_ROUNDING = 4 * float(np.finfo(np.float32).eps)


def measure(
    channel: NDArray[np.float64], low: float, high: float
) -> tuple[float, float, bool]:
    """Background and noise of one channel.

    The background is the sigma-clipped median of the stamp's border, an eighth
    of the side wide; sigma is 1.4826 times the median absolute deviation about
    it. Where the border has no spread (thresholded maps, noise-free models) the
    spread of all pixels serves instead. No absolute tolerance: fluxes span many
    decades.

    Parameters
    ----------
    channel : (size, size) float64
        NaN where there is no data; at least one pixel has data.
    low, high
        Its lowest and highest value.

    Returns
    -------
    background, sigma
        In the channel's unit; sigma is 0 only if all pixels are equal to within
        float32 rounding.
    from_border
        Whether the border told sigma.

    References
    ----------
    Sigma clipping: Stetson 1987, PASP 99, 191. MAD as scale: Huber 1981, Robust
    Statistics, section 5.1.
    """
    if high - low <= _ROUNDING * max(abs(low), abs(high)):
        return low, 0.0, False
    border = _finite(channel.ravel()[_border(channel.shape[0])])
    if border.size:
        level, sigma = _clipped(border)
        if sigma > _ROUNDING * abs(level):
            return level, sigma, True
    pixels = _finite(channel)
    if not border.size:
        level = float(np.median(pixels))
    sigma = _SIGMA_PER_MAD * float(np.median(np.abs(pixels - level)))
    if sigma <= _ROUNDING * float(np.median(np.abs(pixels))):
        sigma = float(np.sqrt(np.mean((pixels - level) ** 2)))
    return level, sigma, False


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = np.isfinite(values)
    return values.ravel() if finite.all() else values[finite]


@functools.lru_cache(maxsize=16)
def _border(side: int) -> NDArray[np.intp]:
    """Places of the border's pixels in a flattened square."""
    width = max(1, side // 8)
    is_border = np.ones((side, side), bool)
    is_border[width:-width, width:-width] = False
    return np.flatnonzero(is_border)


def _clipped(values: NDArray[np.float64]) -> tuple[float, float]:
    """Median and noise after clipping at 3 sigma, three times."""
    values = np.sort(values)
    for _ in range(_ROUNDS):
        half = len(values) // 2
        level = float(values[(len(values) - 1) // 2] + values[half]) / 2
        deviation = _nearest(values, level, half + 1)
        if len(values) % 2 == 0:
            deviation = (deviation + _nearest(values, level, half)) / 2
        sigma = _SIGMA_PER_MAD * deviation
        low, high = level - _CLIP_SIGMA * sigma, level + _CLIP_SIGMA * sigma
        start, stop = values.searchsorted(low), values.searchsorted(high, "right")
        if stop - start == len(values):
            break
        values = values[start:stop]
    return level, sigma


def _nearest(values: NDArray[np.float64], level: float, count: int) -> float:
    """How far from a level the nearest `count` of sorted values reach.

    They stand together, so that of all neighbourhoods of so many values theirs has the
    smallest reach: this takes a third of the time of sorting the deviations.
    """
    below = level - values[: len(values) - count + 1]
    above = values[count - 1 :] - level
    return float(np.maximum(below, above).min())
