"""Light inside growing apertures, and the radii read off it.

The Petrosian radius (Petrosian 1976, ApJ 209, L1) is where the surface brightness
has fallen to a fifth of its mean further in. It compares the object with itself, so
that it depends neither on the image's depth nor on the object's distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

WHOLE = 1.5
"""Radius that holds all light, in Petrosian radii."""
CORE = 0.25
"""Radius of an object's innermost part, in Petrosian radii."""

_ETA = 0.2
_NUM_STEPS = 100
_TOLERANCE = 1e-6  # pixels
# About the exact centre of a pixel, sep counts all of it however small the aperture.
_NUDGE = 1e-9  # pixels


@dataclass(frozen=True, slots=True)
class Ellipses:
    """Concentric ellipses of one shape, told apart by their semi-major axis.

    Attributes
    ----------
    x, y
        Centre in pixels; (0, 0) is the centre of the first pixel.
    axis_ratio
        Minor over major axis; 1 for circles.
    angle
        Of the major axis from x towards y in radians, -pi/2 to pi/2.
    """

    x: float
    y: float
    axis_ratio: float = 1.0
    angle: float = 0.0

    def sums(self, image: NDArray[np.float64], radii: ArrayLike) -> NDArray[np.float64]:
        """Sum of the pixels inside each ellipse, cut pixels by their exact share.

        Parameters
        ----------
        image : (ny, nx) float64
            Finite; taken as 0 beyond its edges.
        radii : (n,), pixels
            Semi-major axes, not negative.

        Returns
        -------
        sums : (n,) float64
        """
        return self._sums(image, None, radii)[0]

    def sums_of_two(
        self,
        image: NDArray[np.float64],
        positive: NDArray[np.float64],
        radii: ArrayLike,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`sums` of two images, the second without negative pixels, for one's time."""
        sums, roots = self._sums(image, positive, radii)
        return sums, roots**2

    def _sums(
        self,
        image: NDArray[np.float64],
        variance: NDArray[np.float64] | None,
        radii: ArrayLike,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The sums, and the roots of those of the variance."""
        x, options = [self.x + _NUDGE], {"var": variance, "subpix": 0}
        if self.axis_ratio == 1:  # half the time of an ellipse
            sums, roots, _ = sep.sum_circle(image, x, self.y, radii, **options)
        else:
            shape = 1, self.axis_ratio, self.angle
            sums, roots, _ = sep.sum_ellipse(image, x, self.y, *shape, radii, **options)
        return sums, roots

    def area_between(self, inner: float, outer: float) -> float:
        """Area between two of the ellipses in pixels, image or not."""
        return float(np.pi * self.axis_ratio * (outer**2 - inner**2))


def petrosian_radius(
    image: NDArray[np.float64], valid: NDArray[np.float64], ellipses: Ellipses
) -> float:
    """Where the mean flux on the ellipse is a fifth of the mean flux inside it.

    The mean flux on an ellipse is that of the ring one pixel wide about it (Lotz,
    Primack & Madau 2004, AJ 128, 163, equation 4). Of several such radii it is the
    innermost, as far as a hundred steps across the image tell them apart.

    Parameters
    ----------
    image : (ny, nx) float64
        Background-subtracted, masked pixels 0.
    valid : (ny, nx) float64
        0 for masked pixels, else 1: means are over the image's unmasked pixels.
    ellipses
        The apertures.

    Returns
    -------
    radius
        Semi-major axis in pixels. NaN if it is less than a pixel, or if the data
        end first.
    """

    def excess(radius: float) -> float:
        edges = [radius - 0.5, radius, radius + 0.5]
        flux, area = ellipses.sums_of_two(image, valid, edges)
        # Times both areas, so that a ring without data divides nothing: it gives 0.
        ring = (flux[2] - flux[0]) * area[1]
        return float(ring - _ETA * flux[1] * (area[2] - area[0]))

    inner, found = np.nan, np.nan
    outermost = float(np.hypot(*image.shape)) / ellipses.axis_ratio
    for radius in np.linspace(1.0, outermost, _NUM_STEPS).tolist():
        found = excess(radius)
        if not found > 0:
            break
        inner = radius
    if np.isnan(inner) or not found < 0:
        return np.nan
    return float(optimize.brentq(excess, inner, radius, xtol=_TOLERANCE))


def radii_holding(
    fractions: Sequence[float],
    image: NDArray[np.float64],
    ellipses: Ellipses,
    total_radius: float,
) -> list[float]:
    """The innermost radii that hold given fractions of the light.

    Parameters
    ----------
    fractions
        Of the light within `total_radius`, between 0 and 1.
    image : (ny, nx) float64
        Background-subtracted, masked pixels 0.
    ellipses
        The apertures.
    total_radius
        Semi-major axis in pixels of the aperture that holds all light.

    Returns
    -------
    radii
        Semi-major axes in pixels; NaN if `total_radius` is, or if the light within
        it is not positive.
    """
    if np.isnan(total_radius):
        return [np.nan] * len(fractions)
    grid = np.linspace(0.0, total_radius, _NUM_STEPS)
    light = ellipses.sums(image, grid)
    if not light[-1] > 0:
        return [np.nan] * len(fractions)

    def radius(fraction: float) -> float:
        target = fraction * light[-1]
        step = int(np.argmax(light > target))
        found = optimize.brentq(
            lambda r: ellipses.sums(image, r)[0] - target,
            grid[step - 1],
            grid[step],
            xtol=_TOLERANCE,
        )
        return float(found)

    return [radius(fraction) for fraction in fractions]
