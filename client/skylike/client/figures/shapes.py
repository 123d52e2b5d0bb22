"""Size, spread and complexity of what a picture shows: what components are read by.

Measured on the emission of `threshold`, of FITS values where they can be read, else of
thumbnails, whose stretch makes light more even: compare those with each other only.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from skylike.client.figures.door import load
from skylike.client.figures.threshold import core

_FEWEST = 8  # pixels that can be measured
_SMALLEST_GROUP = 5
_K_SIGMA = 3.0


@dataclass(frozen=True, slots=True)
class Shape:
    """Measures of one picture; NaN where one cannot be taken.

    Attributes
    ----------
    size
        Radius of the circle with the area of the emission, over half of the picture's
        shorter side: 1 fills it.
    gini
        How unevenly the pixels of the emission share its light, 0 to 1 (Lotz, Primack & Madau
        2004, AJ 128, 163, equation 6).
    concentration
        5 log10(r80 / r20), radii about the centroid that hold these percentages of the
        light (Conselice 2003, ApJS 147, 1, section 3.2).
    complexity
        Share of the light in structure smaller than half of the half-light radius: the
        smoothness S (Conselice 2003, section 3.4; positive residuals only), less that of the
        noise.
    """

    size: float = np.nan
    gini: float = np.nan
    concentration: float = np.nan
    complexity: float = np.nan


MEASURES = tuple(one.name for one in fields(Shape))


def measure(pixels: NDArray[np.number]) -> Shape:
    """Measure a picture.

    Parameters
    ----------
    pixels
        (ny, nx), any linear unit, or levels of a thumbnail; what is not finite is no data.
    """
    background = core(pixels)
    is_known = np.isfinite(pixels)
    light = np.where(is_known, pixels, background.mean) - background.mean
    science = load("scientific")
    inside = science.groups(light > _K_SIGMA * background.sigma, _SMALLEST_GROUP)
    if inside.sum() < _FEWEST:
        return Shape()
    values = light[inside]
    y, x = np.nonzero(inside)
    whole = values.sum()
    radius = np.hypot(x - (values @ x) / whole, y - (values @ y) / whole)
    r20, r50, r80 = _holding((0.2, 0.5, 0.8), radius, values)
    size = np.sqrt(inside.sum() / np.pi) / (min(light.shape) / 2)

    side = max(3, round(r50 / 2) | 1)
    rough = np.clip(light - science.smoothed(light, side), 0, None)
    sky = ~inside & is_known
    noise = rough[sky].mean() if sky.any() else 0.0
    return Shape(
        size=float(size),
        gini=gini(values),
        concentration=float(5 * np.log10(r80 / r20)) if r20 > 0 else np.nan,
        complexity=float((rough[inside].sum() - noise * inside.sum()) / whole),
    )


def gini(values: NDArray[np.float64]) -> float:
    """Gini coefficient of n values, in the form for samples (Lotz et al. 2004, equation 6)."""
    ranked = np.sort(np.abs(values))
    n = len(ranked)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float(weights @ ranked / (ranked.mean() * n * (n - 1)))


def _holding(
    shares: tuple[float, ...], radius: NDArray[np.float64], light: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Radii that hold shares of the light."""
    order = np.argsort(radius, kind="stable")
    held = np.cumsum(light[order]) / light.sum()
    return np.interp(shares, held, radius[order])
