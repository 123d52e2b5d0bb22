"""Which clusters of two fits are the same: so that they keep their labels and names.

A cluster lives on as the one that has at least half of those of its members that are
still there (Spiliopoulou et al. 2006, KDD, 706), if they are at least half of that one: what
people called it by holds for most of it still. Where several might, the assignment with the
most members in all is taken (Kuhn 1955, Nav. Res. Logist. Q. 2, 83).
"""

import numpy as np
from numpy.typing import NDArray

_LIVES_ON = 0.5

Labels = NDArray[np.integer]


def matched(
    old: Labels, new: Labels, old_labels: Labels, number: int
) -> dict[int, int]:
    """Which old cluster each new one is.

    Parameters
    ----------
    old : (n,) int
        Label of each object in the old fit; negative for none.
    new : (n,) int
        Position of its cluster in the new fit; negative for none.
    old_labels : (k,) int
        All labels of the old fit.
    number
        Of new clusters.

    Returns
    -------
    dict
        The old label by the new position; those that are not there are new.
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    place = {int(label): i for i, label in enumerate(old_labels)}
    rows = np.array([place.get(int(label), -1) for label in np.unique(old)], np.int64)
    before = rows[np.unique(old, return_inverse=True)[1]] if len(old) else rows
    overlap = np.zeros((len(old_labels), number), np.int64)
    both = (before >= 0) & (new >= 0)
    np.add.at(overlap, (before[both], new[both]), 1)
    sizes = np.bincount(before[before >= 0], minlength=len(old_labels))
    new_sizes = np.bincount(new[new >= 0], minlength=number)
    either = np.maximum(sizes[:, None], new_sizes)
    overlap[overlap < _LIVES_ON * either] = 0
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    return {
        int(column): int(old_labels[row])
        for row, column in pairs
        if overlap[row, column]
    }
