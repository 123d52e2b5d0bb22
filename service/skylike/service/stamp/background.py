"""Level and noise of the sky around an object."""

import numpy as np
from numpy.typing import NDArray

# Standard deviation of a normal distribution over its median absolute deviation.
_SIGMA_PER_MAD = 1.4826022185056018
_CLIP_SIGMA = 3.0
_ROUNDS = 3
_ROUNDING = 4 * float(np.finfo(np.float32).eps)


def measure(channel: NDArray[np.float64]) -> tuple[float, float, bool]:
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
    pixels = channel[np.isfinite(channel)]
    if np.ptp(pixels) <= _ROUNDING * float(np.abs(pixels).max()):
        return float(pixels[0]), 0.0, False
    border = _border(channel)
    if border.size:
        level, sigma = _clipped(border)
        if sigma > _rounding(border):
            return level, sigma, True
    else:
        level = float(np.median(pixels))
    sigma = _SIGMA_PER_MAD * float(np.median(np.abs(pixels - level)))
    if sigma <= _rounding(pixels):
        sigma = float(np.sqrt(np.mean((pixels - level) ** 2)))
    return level, sigma, False


def _rounding(values: NDArray[np.float64]) -> float:
    """What float32 rounding makes of typical values; one hot pixel is not typical."""
    return _ROUNDING * float(np.median(np.abs(values)))


def _border(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    width = max(1, channel.shape[0] // 8)
    inner = channel[width:-width]
    border = np.concatenate(
        [
            channel[:width].ravel(),
            channel[-width:].ravel(),
            inner[:, :width].ravel(),
            inner[:, -width:].ravel(),
        ]
    )
    return np.asarray(border[np.isfinite(border)])


def _clipped(values: NDArray[np.float64]) -> tuple[float, float]:
    """Median and noise after clipping at 3 sigma, three times."""
    for _ in range(_ROUNDS):
        level = float(np.median(values))
        deviation = np.abs(values - level)
        sigma = _SIGMA_PER_MAD * float(np.median(deviation))
        values = values[deviation <= _CLIP_SIGMA * sigma]
    return level, sigma
