"""`Density`: how many objects lie in each cell of a map."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_CELLS = 256  # along the longer side


class Density(NamedTuple):
    """Counts on a grid of square cells.

    Attributes
    ----------
    counts : (ny, nx) uint32
        The row of the lowest y first.
    x_range, y_range
        What the grid covers.
    """

    counts: NDArray[np.uint32]
    x_range: tuple[float, float]
    y_range: tuple[float, float]


def density(places: NDArray[np.float32]) -> Density:
    """Count all of some places, (n, 2); there is one or more."""
    low, high = places.min(axis=0).astype(float), places.max(axis=0).astype(float)
    side = float((high - low).max()) / _CELLS or 1.0
    nx, ny = np.maximum(np.ceil((high - low) / side - 1e-9), 1).astype(int).tolist()
    at = ((places - low.astype(np.float32)) / np.float32(side)).astype(np.int32)
    cells = np.minimum(at[:, 1], ny - 1) * nx + np.minimum(at[:, 0], nx - 1)
    counts = np.bincount(cells, minlength=nx * ny).reshape(ny, nx).astype(np.uint32)
    x, y = low.tolist()
    return Density(counts, (x, x + nx * side), (y, y + ny * side))
