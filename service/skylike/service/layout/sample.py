"""Samples that stay what they are while more is written."""

import numpy as np
from numpy.typing import NDArray

_SEED = np.uint64(0x9E3779B97F4A7C15)


def sampled(rows: NDArray[np.int64], count: int, seed: int = 0) -> NDArray[np.int64]:
    """Positions of a uniform sample, ascending.

    Each row has a number of its own, and those of the lowest numbers are taken: so a
    smaller sample is part of a larger one, and one row more changes at most one.

    Parameters
    ----------
    rows : (n,) int64
        Different ones.
    count
        How many; all if there are no more.
    seed
        Another one gives another sample.
    """
    if count >= len(rows):
        return np.arange(len(rows))
    shift = np.uint64(seed * int(_SEED) % 2**64)
    numbers = _mixed(rows.astype(np.uint64) + shift)
    return np.sort(np.argpartition(numbers, count)[:count])


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea & Flood 2014): another for each, and as if drawn by lot."""
    z = numbers + _SEED
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
