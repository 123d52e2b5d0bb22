"""How sure a figure is: bootstrap over the objects that asked.

Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (percentiles).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_SAMPLES = 1000
_LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the range that holds it in 95 of 100 repetitions."""

    value: float
    low: float
    high: float


def intervals(
    statistics: Callable[[Floats], dict[str, float]], count: int, seed: int = 0
) -> dict[str, Interval]:
    """The intervals of weighted statistics.

    Parameters
    ----------
    statistics
        From how often each of `count` objects counts to the figures by name. Ratios of
        figures by the same weights are paired comparisons.
    count
        How many objects there are.
    seed
        Of the samples: the same for everything that is compared.
    """
    values = statistics(np.ones(count))
    drawn = [statistics(weights) for weights in samples(count, seed)]
    tail = 50 * (1 - _LEVEL)
    found = {}
    for name, value in values.items():
        low, high = np.nanpercentile([s[name] for s in drawn], [tail, 100 - tail])
        found[name] = Interval(value, float(low), float(high))
    return found


def samples(count: int, seed: int = 0) -> Iterator[Floats]:
    """How often each object is drawn, in each of 1,000 samples with replacement."""
    random = np.random.default_rng(seed)
    for _ in range(NUM_SAMPLES):
        drawn = random.integers(count, size=count)
        yield np.bincount(drawn, minlength=count).astype(np.float64)
