"""How many clusters there are: by the Bayesian information criterion, and by stability.

The number is the one at which a mixture with full covariances has the lowest criterion
(Schwarz 1978, Ann. Stat. 6, 461), unless one of its neighbours among those that were tried
is clearly more stable.
"""

import numpy as np
from numpy.typing import NDArray

from skylike.service.clusters.space import Points
from skylike.service.clusters.stability import agreements, gain
from skylike.service.mixtures import fit_mixture
from skylike.service.progress import Progress

TRIED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 19, 23, 27, 32, 38, 45, 54, 64)

_MEMBERS = 10  # objects per cluster, at least, on average
_WORSE = 3  # numbers in a row that are worse end the search


def most(points: Points) -> int:
    """How many clusters points may be divided into: at least 1."""
    distinct = len(np.unique(points, axis=0))
    return max(1, min(len(points) // _MEMBERS, distinct - 1))


def choose(points: Points, floor: float, seed: int, progress: Progress) -> int:
    """Choose the number for some points (n, p); parameters as of `fit_mixture`."""
    highest = most(points)
    tried = [number for number in TRIED if number <= highest]
    criteria: list[float] = []
    for number in tried:
        mixture = fit_mixture(points, number, "full", floor, seed)
        criteria.append(float(mixture.bic(points)))
        progress.advance(1)
        best = int(np.argmin(criteria))
        if len(criteria) - best > _WORSE:
            break
    chosen = tried[best]
    # Everything in one cluster is as stable as can be, and says nothing.
    rivals = [number for number in tried[max(best - 1, 0) : best + 2] if number > 1]
    if chosen == 1 or rivals == [chosen]:
        return chosen
    found = {number: _stability(points, number, floor, seed) for number in rivals}
    gains = {
        number: gain(found[number] - found[chosen])
        for number in rivals
        if number != chosen
    }
    better = max(gains, key=gains.__getitem__)
    return better if gains[better] > 0 else chosen


def _stability(
    points: Points, number: int, floor: float, seed: int
) -> NDArray[np.float64]:
    def labelled(part: NDArray[np.int64]) -> NDArray[np.int64]:
        mixture = fit_mixture(points[part], number, "full", floor, seed)
        labels: NDArray[np.int64] = mixture.predict(points)
        return labels

    return agreements(len(points), seed, labelled)
