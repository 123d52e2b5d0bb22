"""`Halves`: vectors in float16 in a file, read where they are asked for.

They are not mapped into memory: a mapped page counts as used from its first reading on,
and in time all would.
"""

import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skylike.service.index.exact import Floats, Positions

_TYPE = np.dtype("<f2")
_CHUNK = 65_536  # vectors
_NEIGHBORS = 64  # positions apart, of which one reading is quicker than two


class Halves:
    """Vectors in a file that never changes; safe from any thread.

    Parameters
    ----------
    path
        The file: one vector after the other.
    dimension
        Their length.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self._width = dimension * _TYPE.itemsize
        self._dimension = dimension
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)
        self._count = os.fstat(self._file).st_size // self._width

    def __len__(self) -> int:
        return self._count

    def at(self, positions: Positions) -> Floats:
        """Vectors at some positions, (…, dimension) float32."""
        wanted, inverse = np.unique(positions, return_inverse=True)
        ends = np.flatnonzero(np.diff(wanted) > _NEIGHBORS) + 1
        read = [
            self._between(int(run[0]), int(run[-1]) + 1)[run - run[0]]
            for run in np.split(wanted, ends)
            if len(run)
        ]
        found = np.concatenate([np.empty((0, self._dimension), _TYPE), *read])
        return found.astype(np.float32)[inverse].reshape(*positions.shape, -1)

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """All vectors in order, in parts with the position of the first."""
        for start in range(0, len(self), _CHUNK):
            some = self._between(start, min(start + _CHUNK, len(self)))
            yield start, some.astype(np.float32)

    def _between(self, first: int, beyond: int) -> NDArray[np.float16]:
        found = np.empty((beyond - first, self._dimension), _TYPE)
        view, at = found.data.cast("B"), first * self._width
        while len(view):
            count = os.preadv(self._file, [view], at)
            if not count:
                raise OSError("the file of float16 vectors ends too early")
            view, at = view[count:], at + count
        return found
