"""How many clusters there are: by the Bayesian information criterion, and by stability.

The number is the one at which a mixture with full covariances has the lowest criterion
(Schwarz 1978, Ann. Stat. 6, 461), unless one of its neighbours among those that were tried
is clearly more stable: two halves of the sample, each fitted by itself, give each object
the same cluster more often (von Luxburg 2010, Found. Trends Mach. Learn. 2, 235; Hubert &
Arabie 1985, J. Classif. 2, 193).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service.clusters.gaussians import fit_mixture
from skylike.service.clusters.space import Points
from skylike.service.progress import Progress

TRIED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 19, 23, 27, 32, 38, 45, 54, 64)

_MEMBERS = 10  # objects per cluster, at least, on average
_WORSE = 3  # numbers in a row that are worse end the search
_HALVES = 5  # pairs of them
_CLEAR = 2.0  # standard errors by which another number has to be more stable


class Number(NamedTuple):
    """How many there are, and how stable they are: mean agreement of halves, at most 1."""

    number: int
    stability: float


def most(points: Points) -> int:
    """How many clusters points may be divided into: at least 1."""
    distinct = len(np.unique(points, axis=0))
    return max(1, min(len(points) // _MEMBERS, distinct - 1))


def choose(points: Points, floor: float, seed: int, progress: Progress) -> Number:
    """Choose the number for some points (n, p); parameters as of `fit_mixture`."""
    tried = [number for number in TRIED if number <= most(points)]
    criteria: list[float] = []
    for number in tried:
        mixture = fit_mixture(points, number, "full", floor, seed)
        criteria.append(float(mixture.bic(points)))
        progress.advance(1)
        best = int(np.argmin(criteria))
        if len(criteria) - best > _WORSE:
            break
    # Everything in one cluster is as stable as can be, and says nothing.
    near = [place for place in (best - 1, best, best + 1) if 0 <= place < len(criteria)]
    rivals = {
        tried[place]: agreements(points, tried[place], floor, seed)
        for place in near
        if tried[place] > 1
    }
    chosen = tried[best]
    if chosen == 1:
        return Number(1, 1.0)
    gains = {
        number: _gain(found - rivals[chosen])
        for number, found in rivals.items()
        if number != chosen
    }
    better = max(gains, key=gains.__getitem__, default=chosen)
    if gains and gains[better] > 0:
        chosen = better
    return Number(chosen, float(rivals[chosen].mean()))


def agreements(
    points: Points, number: int, floor: float, seed: int
) -> NDArray[np.float64]:
    """Adjusted Rand index between mixtures of two halves, over all points: (5,)."""
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415

    return np.array(
        [
            adjusted_rand_score(
                *(
                    fit_mixture(half, number, "full", floor, seed).predict(points)
                    for half in halves
                )
            )
            for halves in _halves(points, seed)
        ]
    )


def _halves(points: Points, seed: int) -> Iterator[tuple[Points, Points]]:
    random = np.random.default_rng(seed)
    for _ in range(_HALVES):
        order = random.permutation(len(points))
        middle = len(points) // 2
        yield points[order[:middle]], points[order[middle:]]


def _gain(differences: NDArray[np.float64]) -> float:
    """How much more stable, beyond what chance explains."""
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return float(differences.mean() - _CLEAR * error)
