"""`Allowed`: which vectors of an index a search may find."""

import functools

import numpy as np
from numpy.typing import NDArray

_WORD = 64  # bits that are looked at together
_SPARSE = 1 / 256  # share of the vectors below which most words are empty


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
    def bits(self) -> NDArray[np.uint8]:
        """The mask as FAISS takes it, the first vector in the lowest bit.

        With zeros at the end, to whole words.
        """
        packed = np.packbits(self.mask, bitorder="little")
        bits = np.zeros(-(-len(self.mask) // _WORD) * (_WORD // 8), np.uint8)
        bits[: len(packed)] = packed
        return bits

    @functools.cached_property
    def count(self) -> int:
        """How many may be found."""
        return int(np.count_nonzero(self.mask))

    @functools.cached_property
    def positions(self) -> NDArray[np.int64]:
        """Which, ascending, (count,) int64."""
        if self.count > _SPARSE * len(self.mask):
            return np.flatnonzero(self.mask)
        # Looking for few among a million bytes takes longer than comparing them.
        words = np.flatnonzero(self.bits.view(np.uint64) != 0)
        some = self.bits.reshape(-1, _WORD // 8)[words]
        found = np.flatnonzero(np.unpackbits(some, bitorder="little").view(np.bool_))
        return words[found // _WORD] * _WORD + found % _WORD
