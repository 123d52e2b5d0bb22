"""How stable clusters are: what is found in two halves of a sample agrees or does not.

By the adjusted Rand index (Hubert & Arabie 1985, J. Classif. 2, 193) of what the two say of
all of it (von Luxburg 2010, Found. Trends Mach. Learn. 2, 235).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

NUM_HALVINGS = 5

Labels = NDArray[np.integer]


def agreements(
    count: int, seed: int, labelled: Callable[[NDArray[np.int64]], Labels]
) -> NDArray[np.float64]:
    """The index for each of five ways to halve a sample.

    Parameters
    ----------
    count
        Of objects.
    seed
        Of the ways.
    labelled
        The cluster of each object, by a fit to those at some places only.
    """
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415

    random = np.random.default_rng(seed)
    found = np.empty(NUM_HALVINGS)
    for i in range(NUM_HALVINGS):
        order = random.permutation(count)
        one, other = order[: count // 2], order[count // 2 :]
        found[i] = adjusted_rand_score(labelled(one), labelled(other))
    return found


def gain(differences: NDArray[np.float64]) -> float:
    """How much more stable one is than another, beyond what chance explains: 2 errors.

    Halvings of one sample overlap: their variance is that of Nadeau & Bengio (2003, Mach.
    Learn. 52, 239) for as many objects left out as used.
    """
    error = differences.std(ddof=1) * np.sqrt(1 / len(differences) + 1)
    return float(differences.mean() - 2 * error)
