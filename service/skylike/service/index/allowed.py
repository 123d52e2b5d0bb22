"""`Allowed`: which vectors of an index a search may find."""

import functools

import numpy as np
from numpy.typing import NDArray


class Allowed:
    """A choice among n vectors. Never changes; safe from any thread.

    Parameters
    ----------
    mask : (n,) bool
        Which may be found.
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self.mask = mask

    @functools.cached_property
    def count(self) -> int:
        """How many may be found."""
        return int(np.count_nonzero(self.mask))

    @functools.cached_property
    def positions(self) -> NDArray[np.int64]:
        """Which, ascending, (count,) int64."""
        return np.flatnonzero(self.mask)

    @functools.cached_property
    def bits(self) -> NDArray[np.uint8]:
        """The mask as FAISS takes it, the first vector in the lowest bit."""
        return np.packbits(self.mask, bitorder="little")
