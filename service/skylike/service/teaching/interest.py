"""How interesting people will find an object, learned from those they have rated.

A Gaussian process on the embeddings re-ranks what anomaly scores have ranked (Lochner &
Bassett 2021, Astronomy and Computing 36, 100481, arXiv:2010.11202; with a Gaussian process
Lochner et al. 2023, arXiv:2309.08660). The anomaly score is its mean where nothing is
rated nearby: -log10 of the share of the archive that is at least as odd, at most 5. So one
in 10 counts 1 and one in 10,000 counts 4, and ratings correct that near them.

What to look at next has the largest expected improvement (Jones, Schonlau & Welch 1998,
Journal of Global Optimization 13, 455) over a rating of 3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skylike.service.teaching import gaussian
from skylike.service.teaching.gaussian import GaussianProcess

Floats = NDArray[np.float64]

MOST = 5.0
_ASPIRED = 3.0  # a rating from which on something is worth showing
_AMPLITUDE = 2.5  # half of what ratings span
_ONE_IN = 10  # suggestions, of which one is drawn at random


@dataclass(frozen=True, eq=False)
class Interest:
    """What was learned.

    Attributes
    ----------
    process
        By how much interest differs from what was expected; None before the first rating.
    """

    process: GaussianProcess | None

    def __call__(
        self, vectors: NDArray[np.float32], expectations: Floats
    ) -> tuple[Floats, Floats]:
        """Interest and its standard deviation.

        Parameters
        ----------
        vectors : (n, dimension) float32, unit norm
        expectations : (n,) float64
            As `expected` tells them.

        Returns
        -------
        interests : (n,) float64
            0 to 5.
        deviations : (n,) float64
        """
        if self.process is None:
            return expectations, np.full(len(vectors), _AMPLITUDE)
        means, deviations = self.process(vectors)
        return np.clip(expectations + means, 0.0, MOST), deviations


def expected(percentiles: Floats) -> Floats:
    """The interest of n objects by the share of the archive that is less odd, percent."""
    at_least = np.maximum(1 - percentiles / 100, 10.0**-MOST)
    interests: Floats = np.minimum(-np.log10(at_least), MOST)
    return interests


def learn(
    vectors: NDArray[np.float32], interests: Floats, expectations: Floats
) -> Interest:
    """Learn from rated objects.

    Parameters
    ----------
    vectors : (n, dimension) float32, unit norm
        n may be 0.
    interests : (n,) float64
        0 to 5, as people say.
    expectations : (n,) float64
        As `expected` tells them.
    """
    if not len(vectors):
        return Interest(None)
    differences = interests - expectations
    return Interest(gaussian.fit(vectors, differences, amplitude=_AMPLITUDE))


def improvement(interests: Floats, deviations: Floats) -> Floats:
    """By how much each of n objects may be expected to be rated above 3."""
    spread = np.maximum(deviations, 1e-9)
    excess = (interests - _ASPIRED) / spread
    density = np.exp(-0.5 * excess**2) / np.sqrt(2 * np.pi)
    gains: Floats = spread * (excess * ndtr(excess) + density)
    return gains


def suggested(
    gains: Floats, num: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Which of n objects to look at: the best, and one in ten at random, at the end.

    Of fewer than ten it is one; a single one is random for one seed in ten.

    Parameters
    ----------
    gains : (n,) float64
        As `improvement` tells them.
    num
        How many; fewer if there are no more.
    seed
        Same gains, same seed, same answer.

    Returns
    -------
    positions : (m,) int64
        m = min(num, n).
    is_random : (m,) bool
    """
    order = np.argsort(-gains, kind="stable")
    num = min(num, len(order))
    random = np.random.default_rng(seed)
    num_random = 0
    if len(order) > num:
        is_rare = num != 1 or random.random() < 1 / _ONE_IN
        num_random = -(-num // _ONE_IN) if is_rare else 0
    best, rest = np.split(order, [num - num_random])
    drawn = random.permutation(len(rest))[:num_random]
    is_random = np.arange(num) >= len(best)
    return np.concatenate([best, rest[drawn]]), is_random
