"""From brightness to grey: pure functions of arrays.

Every stretch goes from 0 at the lower limit to 1 at the upper one and never falls.

References
----------
asinh: Lupton, Gunn & Szalay 1999, AJ 118, 1406. Colours that keep the ratios of the
bands: Lupton et al. 2004, PASP 116, 133, equation 2. Logarithm with the constant 1000: as
DS9 has it (Joye & Mandel 2003, ASPC 295, 489). Equalisation of the histogram: Gonzalez &
Woods 2018, Digital Image Processing, section 3.3.
"""

import enum
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_SOFTENING = 0.1  # of the range: below it asinh is nearly linear
_DECADES = 1000.0
_SHARES = 0.01, 0.997
_ROUNDING = 1e-12  # equal pixels, resampled, differ by less


class Stretch(enum.Enum):
    """How brightness becomes grey."""

    ASINH = "asinh"
    LINEAR = "linear"
    SQUARE_ROOT = "square_root"
    LOGARITHM = "logarithm"
    HISTOGRAM = "histogram"


def limits(pixels: NDArray[np.floating], stretch: Stretch) -> tuple[float, float]:
    """What shall be black and what white: the 1st and 99.7th percentile of what is known.

    Of `HISTOGRAM` the lowest and highest pixel, and so where these percentiles are the
    same: of few photons, say. NaN where nothing is known.

    Parameters
    ----------
    pixels : any shape
        What is not finite is not known.
    stretch
        Which.
    """
    known = np.sort(pixels[np.isfinite(pixels)])  # quicker than np.partition
    if not known.size:
        return np.nan, np.nan
    shares = (0.0, 1.0) if stretch is Stretch.HISTOGRAM else _SHARES
    low, high = known[[round(share * (known.size - 1)) for share in shares]]
    if low == high:
        low, high = known[[0, -1]]
    return float(low), float(high)


def unit(pixels: NDArray[np.floating], low: float, high: float) -> Values:
    """Brightness in units of the limits: 0 at the lower one, 1 at the upper one.

    Parameters
    ----------
    pixels : any shape, any flux
    low, high
        The limits; what is known is 0 unless one is above the other.
    """
    if not high - low > _ROUNDING * max(abs(low), abs(high)):
        return np.where(np.isfinite(pixels), 0.0, np.nan)
    return (pixels.astype(np.float64) - low) / (high - low)


def stretched(values: Values, stretch: Stretch) -> Values:
    """Grey, 0 to 1, of what `unit` gives; 0 where nothing is known.

    Parameters
    ----------
    values : any shape
    stretch
        Which.
    """
    known = np.isfinite(values)
    clipped = np.clip(np.where(known, values, 0.0), 0.0, 1.0)
    if stretch is Stretch.HISTOGRAM:
        return np.where(known, _equalised(clipped, clipped[known]), 0.0)
    return np.where(known, _CURVES[stretch](clipped), 0.0)


def coloured(bands: Values, stretch: Stretch) -> Values:
    """Colours of three bands: their mean is stretched, and their ratios are kept.

    Parameters
    ----------
    bands : (3, ny, nx)
        Red, green and blue, as `unit` gives them.
    stretch
        Of their mean.

    Returns
    -------
    colours : (3, ny, nx), 0 to 1
        A band that is not known is dark, and so is what is known in none. What would be
        brighter than a colour can be is dimmed in all of them; above the upper limits
        all is white, where ratios would show how differently sharp the bands are.
    """
    known = np.isfinite(bands)
    light = np.clip(np.where(known, bands, 0.0), 0.0, 1.0)
    mean = light.mean(axis=0)
    grey = stretched(np.where(known.any(axis=0), mean, np.nan), stretch)
    factor = np.divide(grey, mean, out=np.zeros_like(mean), where=mean > 0)
    colours = light * factor
    return np.asarray(colours / np.maximum(colours.max(axis=0), 1.0))


def levels(pixels: NDArray[np.floating], stretch: Stretch) -> tuple[Values, Values]:
    """Levels of one channel or three, each between limits of its own.

    Parameters
    ----------
    pixels : (1 or 3, ny, nx)
    stretch
        Which.

    Returns
    -------
    levels : (1 or 3, ny, nx), 0 to 1
    ends : (1 or 3, 2)
        The limits.
    """
    ends = np.array([limits(one, stretch) for one in pixels])
    parts = np.stack([unit(one, *two) for one, two in zip(pixels, ends, strict=True)])
    shown = stretched(parts, stretch) if len(parts) == 1 else coloured(parts, stretch)
    return shown, ends


def _equalised(values: Values, known: Values) -> Values:
    """Rank among what is known: the share that is lower, half of the equal counted."""
    ordered = np.sort(known)
    if not ordered.size or ordered[0] == ordered[-1]:
        return np.zeros_like(values)
    below = np.searchsorted(ordered, values, "left")
    upto = np.searchsorted(ordered, values, "right")
    first = np.searchsorted(ordered, ordered[0], "right")
    last = ordered.size + np.searchsorted(ordered, ordered[-1], "left")
    # The lowest is 0 and the highest is 1, however many there are of them.
    rank: Values = (below + upto - first) / (last - first)
    return np.clip(rank, 0.0, 1.0, out=rank)


_CURVES: dict[Stretch, Callable[[Values], Values]] = {
    Stretch.ASINH: lambda x: np.arcsinh(x / _SOFTENING) / np.arcsinh(1 / _SOFTENING),
    Stretch.LINEAR: lambda x: x,
    Stretch.SQUARE_ROOT: np.sqrt,
    Stretch.LOGARITHM: lambda x: np.log1p(_DECADES * x) / np.log1p(_DECADES),
}
