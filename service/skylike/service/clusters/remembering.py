"""Clusters that are found again, after a fit that had them not, are called as before.

Whoever tries another method, or another number, finds other clusters; with the old way
come back the old ones. They get back the labels and names that people know them by.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skylike.service.clusters.fitted import NOWHERE, ClusterFit, Membership
from skylike.service.clusters.matching import matched


def remembered(
    fit: ClusterFit,
    membership: Membership,
    before: ClusterFit,
    earlier: Sequence[ClusterFit],
    sample: NDArray[np.float32],
    of_sample: NDArray[np.int64],
) -> tuple[ClusterFit, Membership]:
    """Give clusters that are new since the last fit the labels that they had earlier.

    Parameters
    ----------
    fit, membership
        The clusters, and the cluster of each object, by labels that follow the last fit.
    before
        The last fit.
    earlier
        Those before it, the newest first. A label means what it last meant: of a fit those
        count that no later one has.
    sample : (n, dimension) float32, unit norm
        Some of the objects, by which clusters are matched.
    of_sample : (n,) int64
        Their positions among all.
    """
    given: dict[int, int] = {}  # the old label by the position of the cluster
    names = dict(enumerate(fit.names))
    known = set(before.labels.tolist())
    labels = membership.labels[of_sample]
    for one in earlier:
        free = np.flatnonzero(fit.labels >= before.next_label)
        free = free[~np.isin(free, list(given))]
        gone = one.labels[~np.isin(one.labels, list(known))]
        known.update(one.labels.tolist())
        if not len(free) or not len(gone):
            continue
        places = np.where(
            np.isin(labels, fit.labels[free]), _places(fit.labels, labels), NOWHERE
        )
        lived = matched(one.members(sample).labels, places, gone, len(fit.labels))
        for place, label in lived.items():
            name = one.name_of[label]
            is_taken = name in names.values()
            names[place] = f"cluster {label}" if is_taken else name
        given |= lived
    if not given:
        return fit, membership
    new, next_label = fit.labels.copy(), before.next_label
    for place in np.flatnonzero(fit.labels >= before.next_label).tolist():
        if place in given:
            new[place] = given[place]
        else:
            new[place], names[place] = next_label, f"cluster {next_label}"
            next_label += 1
    told = replace(fit, labels=new, names=tuple(names.values()), next_label=next_label)
    places = _places(fit.labels, membership.labels)
    of_objects = np.where(membership.labels == NOWHERE, NOWHERE, new[places])
    return told, membership._replace(labels=of_objects.astype(np.int32))


def _places(labels: NDArray[np.int32], some: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where some labels stand among all; anything for those that are not there."""
    order = np.argsort(labels)
    found: NDArray[np.int64] = order[
        np.searchsorted(labels, some, sorter=order) % len(order)
    ]
    return found
