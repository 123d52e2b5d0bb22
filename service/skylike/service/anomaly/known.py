"""Whether a vector was in an archive, after it has gone from there.

Coordinates are rounded down to a grid and the cells hashed to 64 bits, which is all that is
kept of a vector. Rounded to float16, or made in other company, a vector may lie just beyond
an edge of its cell: who asks looks there too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_CELL = 2.0**-6
_ORIGIN = 0.37  # of a cell: numbers that are often met, as 0 is, are far from its edges
_EDGE = 2.5e-4 / _CELL  # in cells: float16 may change a coordinate by as much
_COORDINATES = 12
_ALL = (1 << 64) - 1
_STEPS = [pow(0x9E3779B97F4A7C15, i, 1 << 64) for i in range(1, _COORDINATES + 1)]
_FACTORS = np.array(_STEPS, np.uint64)
_CHUNK = 1 << 16  # vectors hashed at a time


@dataclass(frozen=True, eq=False)
class Known:
    """Vectors that were somewhere.

    Attributes
    ----------
    keys : (n,) uint64, ascending
        One of each.
    """

    keys: NDArray[np.uint64]

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Self:
        """Those of unit norm, (n, dimension)."""
        keys = np.empty(len(vectors), np.uint64)
        for start in range(0, len(vectors), _CHUNK):
            part = slice(start, start + _CHUNK)
            keys[part] = _hashed(np.floor(_placed(vectors[part])))
        return cls(np.sort(keys))

    def holds(self, vector: NDArray[np.float32]) -> bool:
        """Whether it is one of these, (dimension,), up to rounding.

        So it says of one that is as near as a hundredth in these coordinates, too.
        """
        key, ways = 0, [0]
        for number, factor in zip(vector[:_COORDINATES].tolist(), _STEPS, strict=False):
            place = number / _CELL + _ORIGIN
            cell = math.floor(place)
            key += cell * factor
            if not _EDGE < place - cell < 1 - _EDGE:
                step = factor if place - cell > _ORIGIN else -factor
                ways += [way + step for way in ways]
        asked = np.array([(key + way) & _ALL for way in ways], np.uint64)
        places = np.minimum(self.keys.searchsorted(asked), len(self.keys) - 1)
        return bool((self.keys[places] == asked).any())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, for storage."""
        return {"keys": self.keys}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `to_arrays` gave."""
        return cls(arrays["keys"])


def _placed(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The coordinates that count, in cells."""
    return vectors[..., :_COORDINATES].astype(np.float64) / _CELL + _ORIGIN


def _hashed(cells: NDArray[np.float64]) -> NDArray[np.uint64]:
    """A key for each of n: unsigned numbers wrap around, as they should."""
    whole = cells.astype(np.int64).astype(np.uint64)
    keys: NDArray[np.uint64] = whole @ _FACTORS[: whole.shape[1]]
    return keys
