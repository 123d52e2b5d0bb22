"""How little half a turn changes an object, and about which point least.

Asymmetry (Conselice 2003, ApJS 147, 1) is the light that half a turn displaces over
all light, in a circle about the point where this is least. Sky noise displaces
light too; what it displaces elsewhere is subtracted (Lotz, Primack & Madau 2004,
AJ 128, 163, equation 10).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from skylike.service.cutouts.petrosian import CORE, WHOLE, Ellipses

_POSITION_TOLERANCE = 1e-4  # pixels
_ASYMMETRY_TOLERANCE = 1e-4
# Above any asymmetry, so that the search stays where there is light to turn.
_NO_LIGHT = 100.0


def minimize(
    image: NDArray[np.float64],
    valid: NDArray[np.float64],
    starts: Sequence[tuple[float, float]],
    petrosian_radius: float,
    sky: NDArray[np.float64] | None,
) -> tuple[tuple[float, float], float]:
    """The centre of least asymmetry, and the asymmetry about it.

    Noise makes many shallow minima; the one found is that to which the simplex of
    Nelder & Mead (1965, Computer Journal 7, 308) shrinks from a start. One more than
    a quarter of the Petrosian radius away belongs to something else, and the next
    start is tried (Rodriguez-Gomez et al. 2019, MNRAS 483, 4140).

    Parameters
    ----------
    image : (ny, nx) float64
        Background-subtracted, masked pixels 0.
    valid : (ny, nx) float64
        0 for masked pixels, else 1. A pixel counts if its counterpart does too.
    starts
        First guesses of (x, y) in pixels, inside the image.
    petrosian_radius
        Of circles about the first start, in pixels.
    sky : (n, n) float64
        Pixels without objects; None if there are none.

    Returns
    -------
    center
        (x, y) in pixels; the first start if there is no minimum near any.
    asymmetry
        0 for a symmetric object, 2 if no light falls on other light; negative where
        the sky changes more than the object. NaN if there is no minimum near any
        start, or no sky.
    """
    sky_asymmetry = 0.0 if sky is None else float(np.abs(sky - sky[::-1, ::-1]).mean())
    radius = WHOLE * petrosian_radius
    ny, nx = image.shape
    turned_image, turned_valid = _Turned(image, 0.0), _Turned(valid, 1.0)

    def asymmetry(center: NDArray[np.float64]) -> float:
        x, y = center.tolist()
        if not (0 <= x < nx and 0 <= y < ny):
            return _NO_LIGHT
        rows, columns = _touched(y, radius, ny), _touched(x, radius, nx)
        original = image[rows, columns]
        counts = valid[rows, columns] * turned_valid.nearest(x, y, rows, columns)
        change = np.abs(turned_image.linear(x, y, rows, columns) - original)
        circle = Ellipses(x - columns.start, y - rows.start)
        (excess,), (light,) = circle.sums_of_two(
            counts * (change - sky_asymmetry), counts * np.abs(original), [radius]
        )
        return float(excess / light) if light > 0 else _NO_LIGHT

    for start in starts:
        found = optimize.minimize(
            asymmetry,
            start,
            method="Nelder-Mead",
            options={"xatol": _POSITION_TOLERANCE, "fatol": _ASYMMETRY_TOLERANCE},
        )
        x, y = found.x.tolist()
        drift = np.hypot(x - start[0], y - start[1])
        if drift <= CORE * petrosian_radius and found.fun < _NO_LIGHT:
            return (x, y), np.nan if sky is None else float(found.fun)
    return starts[0], np.nan


def _touched(center: float, radius: float, size: int) -> slice:
    """The pixels that a circle touches, along one axis."""
    return slice(max(0, int(center - radius)), min(size, int(center + radius) + 2))


class _Turned:
    """An image after half a turn about any point, one window of it at a time.

    A pixel i comes from 2 c - i: the reversed image, shifted by whole pixels and a
    remainder. Slices do that many times faster than resampling.
    """

    def __init__(self, image: NDArray[np.float64], beyond: float) -> None:
        self._ny, self._nx = image.shape
        margin = (self._ny + 1, self._ny + 1), (self._nx + 1, self._nx + 1)
        self._reversed = np.pad(image[::-1, ::-1], margin, constant_values=beyond)

    def nearest(
        self, x: float, y: float, rows: slice, columns: slice
    ) -> NDArray[np.float64]:
        """Each pixel as the nearest one it comes from."""
        return self._shifted(round(2 * x), round(2 * y), rows, columns)

    def linear(
        self, x: float, y: float, rows: slice, columns: slice
    ) -> NDArray[np.float64]:
        """Each pixel interpolated linearly between the four it comes from."""
        (whole_x, part_x), (whole_y, part_y) = divmod(2 * x, 1), divmod(2 * y, 1)
        rows = slice(rows.start - 1, rows.stop)
        columns = slice(columns.start - 1, columns.stop)
        source = self._shifted(int(whole_x), int(whole_y), rows, columns)
        source = (1 - part_y) * source[1:] + part_y * source[:-1]
        return (1 - part_x) * source[:, 1:] + part_x * source[:, :-1]

    def _shifted(
        self, twice_x: int, twice_y: int, rows: slice, columns: slice
    ) -> NDArray[np.float64]:
        down, right = 2 * self._ny - twice_y, 2 * self._nx - twice_x
        return self._reversed[
            down + rows.start : down + rows.stop,
            right + columns.start : right + columns.stop,
        ]
