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
_PART = 2**20  # pixels that are brought to float64 at once
_MOST_WEIGHTS = 2**17  # in one matrix: a megabyte


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
        NaN where the weights of the pixels with data, which may go a little below 0
        and above 1, add up to less than half. Beside a blank a pixel is the mean of
        what is known, weighted so.
    """
    if rows.is_kept and columns.is_kept:
        y, x = int(rows.start), int(columns.start)
        return cut(pixels, y, x, rows.count, columns.count).astype(np.float64)
    _, ny, nx = pixels.shape
    result = np.full((len(pixels), rows.count, columns.count), np.nan)
    # What the weights add up to at each row and column, where nothing is blank.
    sums = (_bring(np.ones((n, 1)), grid) for n, grid in ((ny, rows), (nx, columns)))
    whole = np.outer(*sums)
    lines = np.empty((ny, columns.count))
    known = np.empty((ny, columns.count))
    step = max(1, _PART // nx)
    for channel, plane in enumerate(pixels):
        has_blank = bool(np.isnan(plane).any())
        for y in range(0, ny, step):
            part = plane[y : y + step]
            if has_blank:
                blank = np.isnan(part)
                known[y : y + step] = _bring((~blank).T.astype(np.float64), columns).T
                part = np.where(blank, 0.0, part)
            lines[y : y + step] = _bring(part.T.astype(np.float64), columns).T
        coverage = _bring(known, rows) if has_blank else whole
        is_known = coverage >= _MIN_COVERAGE
        np.divide(_bring(lines, rows), coverage, out=result[channel], where=is_known)
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


def _bring(lines: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Bring the first axis to another grid: (length, n) to (grid.count, n).

    In pieces, since weights are many for long lines, and nearly all are zero.
    """
    length = len(lines)
    found = np.empty((grid.count, lines.shape[1]))
    size = max(1, math.isqrt(math.ceil(_MOST_WEIGHTS / grid.step)))
    for at in range(0, grid.count, size):
        count = min(size, grid.count - at)
        piece = Grid(grid.start + at * grid.step, grid.step, count)
        # Two pixels more on each side have a share in the cubics.
        first = min(max(math.floor(piece.start) - 2, 0), length - 1)
        last = min(max(math.floor(piece.stop) + 3, first + 1), length)
        weights = _weights(last - first, piece.moved(first))
        np.matmul(weights, lines[first:last], out=found[at : at + count])
    return found


@functools.lru_cache(maxsize=64)
def _weights(length: int, grid: Grid) -> NDArray[np.float64]:
    """Share of each of `length` old pixels in each new one: (count, length).

    A new pixel inside the image has the sum 1.
    """
    edges = np.clip(grid.start + grid.step * np.arange(grid.count + 1), 0, length)
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
    sums = np.zeros((grid.count + 1, length))
    old = np.arange(length)
    for k, factor in enumerate(factors):
        edge = below + (k - 1)
        sums += factor[:, np.newaxis] * (old < edge[:, np.newaxis])
        # Beyond the image the outermost pixel goes on.
        sums[:, 0] -= factor * (edge < 0)
        sums[:, -1] += factor * (edge > length)
    weights = np.diff(sums, axis=0) / grid.step
    # Far pixels cancel but for rounding, which times a wild value would be a lot.
    weights[np.abs(weights) < _ROUNDING] = 0
    return weights
