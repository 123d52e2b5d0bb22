"""Where every object of an archive stands, as a fit of the archive saw it.

How odd each is, and how typical of its cluster: facts that change with the next fit
only, so that a list of them stays what it is while it is read.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skylike.service.clusters import Membership


@dataclass(frozen=True, eq=False)
class Ranks:
    """Facts about n objects, and their orders. Never changes; safe from any thread.

    Attributes
    ----------
    version
        Number of the fit.
    rows : (n,) int64, ascending
        Their catalog rows.
    scores : (n,) float64
        Anomaly score of each among the others.
    controlled : (n,) float64
        Share of those observed alike that score lower, 0 to 100; NaN where it is not
        known how an object was observed.
    membership
        The cluster of each.
    labels : (k,) int32
        Of all clusters.
    """

    version: int
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    controlled: NDArray[np.float64]
    membership: Membership
    labels: NDArray[np.int32]

    @functools.cached_property
    def by_oddness(self) -> NDArray[np.int64]:
        """Positions of all, the highest score first; equal scores by row."""
        return np.argsort(-self.scores, kind="stable")

    @functools.cached_property
    def by_commonness(self) -> NDArray[np.int64]:
        """Positions of all, the lowest score first; equal scores by row."""
        return np.argsort(self.scores, kind="stable")

    @functools.cached_property
    def by_controlled_oddness(self) -> NDArray[np.int64]:
        """Positions of those whose observation is known, the oddest given it first.

        Those that are the oddest of their cells are equally odd by that: by score then.
        """
        order = np.lexsort((-self.scores, -self.controlled))  # NaN comes last
        return order[: np.count_nonzero(np.isfinite(self.controlled))]

    def by_typicality(self, label: int) -> NDArray[np.int64]:
        """Positions of a cluster's members, nearest to its centre first; ties by row.

        Those of `NOWHERE` are in no cluster, and come nearest to any first.
        """
        order, labels = self._by_cluster
        first, end = np.searchsorted(labels, [label, label + 1])
        return order[first:end]

    @functools.cached_property
    def _by_cluster(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Positions cluster by cluster, and the label of each."""
        labels, _, similarities = self.membership
        order = np.lexsort((-similarities, labels))
        return order, labels[order]

    @functools.cached_property
    def percentiles(self) -> NDArray[np.float64]:
        """Per object the share of all that score lower, 0 to 100."""
        ascending = self.scores[self.by_oddness[::-1]]
        below = np.searchsorted(ascending, self.scores, side="left")
        return 100.0 * below / len(self.scores)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything but the version, for storage."""
        return {
            "rows": self.rows,
            "scores": self.scores,
            "controlled": self.controlled,
            "cluster_labels": self.labels,
            **self.membership._asdict(),
        }

    @classmethod
    def from_arrays(
        cls, version: int, arrays: Mapping[str, NDArray[Any]]
    ) -> Self | None:
        """The ranks of `to_arrays`; None of those of an older skylike, which kept less."""
        if not {"controlled", "cluster_labels"} <= arrays.keys():
            return None
        return cls(
            version,
            arrays["rows"],
            arrays["scores"],
            arrays["controlled"],
            Membership(*(arrays[name] for name in Membership._fields)),
            arrays["cluster_labels"],
        )
