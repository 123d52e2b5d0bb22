"""`Cores`: clusters as crowds of any shape, found by HDBSCAN.

HDBSCAN (Campello, Moulavi & Sander 2013, PAKDD, LNCS 7819, 160) says which objects of a
sample lie in which crowd, and nothing of new ones. Those are judged by the densities of
the crowds where they lie, told by the distance to the nearest core object in units of that
object's own distance to its neighbours (Loftsgaarden & Quesenberry 1965, Ann. Math. Stat.
36, 1049): what is near in a sparse crowd would be far in a dense one.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import caller
from skylike.service.clusters.space import Placed, Points, Space

_NEIGHBORS = 10  # whose distance tells the density
_LEAST_SHARE = 0.005  # of the sample that makes a crowd
_LEAST = 10  # and objects, at least
_MOST_CORES = 1000  # that are kept: what a new object is compared with
_WITHIN = 0.99  # share of a crowd that lies within its reach
_NEAR = 1e-12
_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Cores:
    """Core objects of crowds, in the axes of a space.

    Attributes
    ----------
    space
        Where they are.
    points : (m, p) float64
        Crowd by crowd.
    scales : (m,) float64
        Distance of each to its tenth neighbour in the sample.
    counts : (k,) int64
        How many of them are in each crowd.
    reaches : (k,) float64
        How far from its cores a crowd reaches, in their scales.
    most_rest
        Squared distance from the axes that objects of the sample have; what is further
        off is that much further from all cores.
    """

    space: Space
    points: Points
    scales: NDArray[np.float64]
    counts: NDArray[np.int64]
    reaches: NDArray[np.float64]
    most_rest: float

    CLEARLY: ClassVar = 0.05
    """By how much the mean of `explained` of what is clearly better is higher."""

    def shares(self, placed: Placed) -> NDArray[np.float64]:
        """The share of each crowd, and of none, in each object: (n, k + 1).

        That of none is above one half where all crowds together are less dense than at
        their ends.
        """
        near = self._nearest(placed) / np.square(self.reaches)
        logs = np.zeros((len(near), len(self.reaches) + 1))
        # Densities, in units of that at the end of each crowd.
        logs[:, :-1] = -0.5 * self.points.shape[1] * np.log(np.maximum(near, _NEAR))
        logs -= logs.max(axis=1, keepdims=True)
        found: NDArray[np.float64] = np.exp(logs)
        found /= found.sum(axis=1, keepdims=True)
        return found

    def taken(self, order: NDArray[np.int64]) -> Self:
        """The same with its crowds in another order."""
        ends = np.cumsum(self.counts)
        places = np.concatenate(
            [np.arange(ends[i] - self.counts[i], ends[i]) for i in order]
        )
        return replace(
            self,
            points=self.points[places],
            scales=self.scales[places],
            counts=self.counts[order],
            reaches=self.reaches[order],
        )

    def explained(self, placed: Placed) -> NDArray[np.float64]:
        """1 for each object that is in a crowd, else 0: (n,)."""
        inside: NDArray[np.float64] = (self.shares(placed)[:, -1] <= 0.5).astype(float)
        return inside

    def _nearest(self, placed: Placed) -> NDArray[np.float64]:
        """Squared distance to each crowd's nearest core, in its scale: (n, k)."""
        points, rests = placed
        precisions, twice, own, starts = self._form
        beside = np.maximum(rests - self.most_rest, 0.0)
        squares = (np.vecdot(points, points) + beside)[:, None] * precisions
        squares -= points @ twice
        squares += own
        found: NDArray[np.float64] = np.minimum.reduceat(squares, starts, axis=1)
        return np.maximum(found, 0.0)

    @functools.cached_property
    def _form(self) -> tuple[Points, Points, Points, NDArray[np.int64]]:
        """Per core 1 / scale^2, twice and the square of itself by it; where crowds begin."""
        precisions = 1 / np.square(self.scales)
        return (
            precisions,
            (2 * precisions[:, None] * self.points).T.copy(),
            np.square(self.points).sum(axis=1) * precisions,
            np.cumsum(self.counts) - self.counts,
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, for storage."""
        return self.space.to_arrays() | {
            "cores": self.points,
            "scales": self.scales,
            "counts": self.counts,
            "reaches": self.reaches,
            "most_rest": np.array(self.most_rest),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The crowds of `to_arrays`."""
        return cls(
            Space.from_arrays(arrays),
            arrays["cores"],
            arrays["scales"],
            arrays["counts"],
            arrays["reaches"],
            float(arrays["most_rest"]),
        )


def fit_cores(space: Space, placed: Placed, seed: int) -> Cores:
    """The crowds among n >= 20 objects of a sample, one at least."""
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415

    points, rests = placed
    caller.check()
    with threadpool_limits(1):
        labels = _crowds(points)
        count = min(_NEIGHBORS, len(points) - 1)
        distances, _ = NearestNeighbors(n_neighbors=count).fit(points).kneighbors()
    caller.check()
    # Many equal objects lie at no distance from each other.
    scales = np.maximum(distances[:, -1], np.sqrt(space.noise))
    members = np.flatnonzero(labels >= 0)
    kept = members
    if len(kept) > _MOST_CORES:
        kept = np.random.default_rng(seed).permutation(members)[:_MOST_CORES]
        # Of each crowd some, however small it is.
        kept = np.union1d(kept, np.concatenate(_densest(labels, scales)))
    kept = kept[np.argsort(labels[kept], kind="stable")]
    number = int(labels.max()) + 1
    found = Cores(
        space,
        points[kept],
        scales[kept],
        np.bincount(labels[kept], minlength=number),
        np.ones(number),
        float(np.quantile(rests, _WITHIN)),
    )
    return replace(found, reaches=_reaches(found, points, labels, members, kept))


def _crowds(points: Points) -> NDArray[np.int64]:
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415

    least = max(_LEAST, round(_LEAST_SHARE * len(points)))
    labels = np.full(len(points), -1)
    for single in (False, True):  # one crowd of all is found only where it is allowed
        if labels.max(initial=-1) < 0:
            labels = (
                HDBSCAN(
                    min_cluster_size=least,
                    min_samples=min(_NEIGHBORS, len(points) - 1),
                    allow_single_cluster=single,
                    copy=True,
                )
                .fit(points)
                .labels_
            )
    return labels.astype(np.int64)


def _densest(
    labels: NDArray[np.int64], scales: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    found = []
    for label in range(int(labels.max()) + 1):
        members = np.flatnonzero(labels == label)
        found.append(members[np.argsort(scales[members], kind="stable")[:_LEAST]])
    return found


def _reaches(
    found: Cores,
    points: Points,
    labels: NDArray[np.int64],
    members: NDArray[np.int64],
    kept: NDArray[np.int64],
) -> NDArray[np.float64]:
    """How far from the cores of its own, itself left out, nearly every member lies."""
    place = np.full(len(points), -1)
    place[kept] = np.arange(len(kept))
    far = np.empty(len(members))
    starts = np.cumsum(found.counts) - found.counts
    for start in range(0, len(members), _CHUNK):
        caller.check()
        some = members[start : start + _CHUNK]
        for label in np.unique(labels[some]):
            mine = np.flatnonzero(labels[some] == label)
            own = slice(starts[label], starts[label] + found.counts[label])
            apart = points[some[mine], None] - found.points[own]
            squares = np.square(apart).sum(axis=2) / np.square(found.scales[own])
            itself = place[some[mine]] - starts[label]
            known = np.flatnonzero(place[some[mine]] >= 0)
            squares[known, itself[known]] = np.inf
            far[start + mine] = squares.min(axis=1)
    return np.array(
        [
            max(
                np.sqrt(np.quantile(far[labels[members] == label], _WITHIN)),
                np.sqrt(_NEAR),
            )
            for label in range(len(found.counts))
        ]
    )
