"""Another pixel grid for an image with holes: flux stays, and so does its place.

The sum of the pixels up to an edge is interpolated between the old edges by
Catmull-Rom cubics, and what lies between two new edges is the new pixel. So no flux is
lost or made, whatever the grids; a grid that is kept keeps every pixel; coarser pixels
average, which is what a coarser detector does, and finer ones follow a parabola in
each old pixel.

References
----------
Reconstruction from cell integrals: Colella & Woodward 1984, J. Comput. Phys. 54, 174,
section 1. The cubic: Catmull & Rom 1974, Computer Aided Geometric Design, p. 317.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MIN_COVERAGE = 0.5
_ROUNDING = 1e-12  # of weights, which are of the order of 1


@dataclass(frozen=True, slots=True)
class Grid:
    """Pixels along one axis, measured in those of another grid.

    Attributes
    ----------
    start
        Where the first new pixel begins; the first old pixel reaches from 0 to 1.
    step
        Size of a new pixel.
    count
        How many new pixels.
    """

    start: float
    step: float
    count: int

    def moved(self, pixels: int) -> "Grid":
        """The same grid, measured from another old pixel on."""
        return Grid(self.start - pixels, self.step, self.count)

    @property
    def stop(self) -> float:
        """Where the last new pixel ends."""
        return self.start + self.step * self.count

    @property
    def is_kept(self) -> bool:
        """Whether the new pixels are old ones."""
        return self.step == 1 and self.start == math.floor(self.start)


def resample(
    pixels: NDArray[np.float32], rows: Grid, columns: Grid
) -> NDArray[np.float64]:
    """Bring an image to another grid, keeping surface brightness.

    The flux of a source is the sum over its pixels; it is kept if the result is
    multiplied by the area of a new pixel, ``rows.step * columns.step``.

    Parameters
    ----------
    pixels : (channel, ny, nx) float32
        NaN where there is no data.
    rows, columns
        The new grid along y and along x; it may reach beyond the image.

    Returns
    -------
    resampled : (channel, rows.count, columns.count) float64
        NaN where less than half of a pixel's area has data.
    """
    if rows.is_kept and columns.is_kept:
        y, x = int(rows.start), int(columns.start)
        return cut(pixels, y, x, rows.count, columns.count).astype(np.float64)
    across = _weights(pixels.shape[1], rows.start, rows.step, rows.count)
    along = _weights(pixels.shape[2], columns.start, columns.step, columns.count)
    blank = np.isnan(pixels)
    total = across @ np.where(blank, 0.0, pixels) @ along.T
    coverage = across @ (~blank).astype(np.float64) @ along.T
    result = np.full(total.shape, np.nan)
    np.divide(total, coverage, out=result, where=coverage >= _MIN_COVERAGE)
    return result


def cut(
    pixels: NDArray[np.float32], y: int, x: int, ny: int, nx: int
) -> NDArray[np.float32]:
    """A rectangle of an image, from its first row and column on, NaN beyond it.

    Parameters
    ----------
    pixels : (channel, height, width) float32
    y, x
        First row and column; may lie outside.
    ny, nx
        Rows and columns.

    Returns
    -------
    rectangle : (channel, ny, nx) float32
        A view where all of it lies inside.
    """
    inside = pixels[:, max(y, 0) : max(y + ny, 0), max(x, 0) : max(x + nx, 0)]
    if inside.shape[1:] == (ny, nx):
        return inside
    rectangle = np.full((len(pixels), ny, nx), np.nan, np.float32)
    top, left = max(-y, 0), max(-x, 0)
    height, width = inside.shape[1:]
    rectangle[:, top : top + height, left : left + width] = inside
    return rectangle


@functools.lru_cache(maxsize=256)
def _weights(length: int, start: float, step: float, count: int) -> NDArray[np.float64]:
    """Share of each of `length` old pixels in each new one: (count, length).

    A new pixel inside the image has the sum 1.
    """
    edges = np.clip(start + step * np.arange(count + 1), 0, length)
    below = np.minimum(np.floor(edges).astype(np.int64), length - 1)
    u = edges - below
    # Catmull-Rom between the sums up to four old edges.
    factors = np.stack(
        [
            -u / 2 + u**2 - u**3 / 2,
            1 - 2.5 * u**2 + 1.5 * u**3,
            u / 2 + 2 * u**2 - 1.5 * u**3,
            -(u**2) / 2 + u**3 / 2,
        ]
    )
    sums = np.zeros((count + 1, length))
    old = np.arange(length)
    for k, factor in enumerate(factors):
        edge = below + (k - 1)
        sums += factor[:, np.newaxis] * (old < edge[:, np.newaxis])
        # Beyond the image the outermost pixel goes on.
        sums[:, 0] -= factor * (edge < 0)
        sums[:, -1] += factor * (edge > length)
    weights = np.diff(sums, axis=0) / step
    # Far pixels cancel but for rounding, which times a wild value would be a lot.
    weights[np.abs(weights) < _ROUNDING] = 0
    return weights
