"""How far something is from what is most alike, and how crowded it is there.

The mean distance to the nearest (Ramaswamy et al. 2000, SIGMOD; on learned embeddings
Bergman et al. 2020, arXiv:2002.10445) finds what lies far from everything, and misses
what lies just outside a crowd. The local outlier factor (Breunig et al. 2000, SIGMOD)
compares it with the distances of those nearest to their own, finds that, and misses some
of the rest. The score is in between, and looks at two scales.

Distances are cosine distances, 1 - cosine. With d_k(o) the distance of an object o of
the archive to its k-th nearest, the reachability distance of x from o is
max(d(x, o), d_k(o)), so that chance among copies counts for little; r(x) is its mean
over the k nearest o of x; g(o) is the mean distance of o to its 5 nearest, 0.4 r(o) or
more, so that copies of one source are no kind; and the score is r(x) / mean(g(o))^(2/3).
A few objects of a rare kind are close to each other and far from all else: g knows the
first and r the second, so that they do not hide each other.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_NEIGHBORS = 20
_CROWD_POWER = 2 / 3
_NUM_CLOSE = 5  # neighbours that tell how close an object's company is
_LEAST_GAP = 0.4  # in units of an object's spacing; of copies it would be 0
_SAME = 1e-6  # cosine distance below which float32 tells no difference
_CLOSEST = 1e-6  # spacing of copies, in units of who looks at them
_CHUNK = 1 << 16  # objects scored at a time


class Surrounding(NamedTuple):
    """The nearest of n objects.

    Attributes
    ----------
    rows : (n, k) int64
        Their catalog rows, nearest first.
    distances : (n, k) float64
        How far they are; 0 where it is less than rounding.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]

    @classmethod
    def of(cls, rows: ArrayLike, cosines: ArrayLike) -> Self:
        """That of the nearest, nearest first, and the cosines to them: (n, k)."""
        distances = 1.0 - np.asarray(cosines, np.float64)
        return cls(
            np.asarray(rows, np.int64), np.where(distances < _SAME, 0.0, distances)
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """That of several parts, one or more, together."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


class Nearness(NamedTuple):
    """What the nearest say of each of n objects: (n,) float64.

    Attributes
    ----------
    score
        How odd: 0 among copies, growing without bound.
    mean_distance, kth_distance
        To the nearest, and to the last of them.
    density_ratio
        The local outlier factor: about 1 inside a crowd.
    """

    score: NDArray[np.float64]
    mean_distance: NDArray[np.float64]
    kth_distance: NDArray[np.float64]
    density_ratio: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Crowd:
    """How crowded an archive is around each of its n objects.

    Attributes
    ----------
    k
        How many neighbours a score is made of.
    rows : (n,) int64, ascending
        Catalog rows of the objects.
    edges : (n,) float64
        Distance of each to its k-th nearest.
    spacing : (n,) float64
        Mean reachability distance of each from its nearest.
    gaps : (n,) float64
        Mean distance of each to its five nearest, not far below `spacing`. None of a fit
        that was stored without: its scores have the mean inverse of `spacing` for that
        of these, as all that it is compared with.
    """

    k: int
    rows: NDArray[np.int64]
    edges: NDArray[np.float64]
    spacing: NDArray[np.float64]
    gaps: NDArray[np.float64] | None

    @classmethod
    def of(cls, rows: NDArray[np.int64], near: Surrounding) -> Self:
        """That of an archive, by the k nearest of each object, without itself."""
        edges = near.distances[:, -1].copy()  # the rest of it is not kept alive
        spacing = np.empty(len(rows))
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            places = np.searchsorted(rows, near.rows[part])
            reached = np.maximum(near.distances[part], edges[places])
            spacing[part] = reached.mean(axis=1)
        close = near.distances[:, :_NUM_CLOSE].mean(axis=1)
        gaps = np.maximum(close, _LEAST_GAP * spacing)
        return cls(near.rows.shape[1], rows, edges, spacing, gaps)

    @functools.cached_property
    def last_row(self) -> int:
        """Where the objects end: what is newer lies beyond."""
        return int(self.rows[-1])

    @functools.cached_property
    def _usual(self) -> float:
        """Spacing of the whole archive."""
        return float(self.spacing.mean())

    @functools.cached_property
    def _usual_gap(self) -> float:
        """Gap of the whole archive."""
        return 0.0 if self.gaps is None else float(self.gaps.mean())

    def nearness(self, near: Surrounding) -> Nearness:
        """What their nearest objects, at most k, say of n objects.

        All is 0 where there is nothing to compare with.
        """
        count, num_near = near.rows.shape
        if not num_near:
            return Nearness(*np.zeros((4, count)))
        if count <= _CHUNK:
            return self._nearness(near)
        parts = [
            self._nearness(Surrounding(near.rows[part], near.distances[part]))
            for part in (slice(i, i + _CHUNK) for i in range(0, count, _CHUNK))
        ]
        return Nearness(*(np.concatenate(one) for one in zip(*parts, strict=True)))

    def scores(self, near: Surrounding) -> NDArray[np.float64]:
        """The score of `nearness` alone, which takes half of the time: (n,)."""
        count, num_near = near.rows.shape
        return self._reach(near).score if num_near else np.zeros(count)

    def _nearness(self, near: Surrounding) -> Nearness:
        reach = self._reach(near)
        return Nearness(
            score=reach.score,
            mean_distance=near.distances.sum(axis=1) / near.rows.shape[1],
            kth_distance=near.distances[:, -1],
            density_ratio=reach.mean * self._density(reach),
        )

    def _reach(self, near: Surrounding) -> "_Reach":
        """How far the nearest are, and the score by how crowded it is among them.

        Those added after the fit do not tell how crowded it is, if others do.

        One by one this is a few microseconds of numpy's own, and each call counts:
        sums, since means are three times as slow, and nothing twice.
        """
        rows, distances = near
        places = self._places(rows)
        known = self.rows[places] == rows
        edges = self.edges[places]
        if is_known := bool(known.all()):
            alone = None
        else:
            edges[~known] = 0.0
            alone = ~known.any(axis=1)
        mean = np.maximum(distances, edges).sum(axis=1) / rows.shape[1]
        # Finite also among copies, whose own spacing is 0.
        least = np.where(mean > 0, _CLOSEST * mean, 1.0)
        reach = _Reach(mean, mean, least, places, None if is_known else known)
        if self.gaps is None:
            return reach._replace(score=mean * self._density(reach) ** _CROWD_POWER)
        gap = _mean(self.gaps[places], reach.known)
        if alone is not None:
            gap[alone] = self._usual_gap
        return reach._replace(score=mean * np.maximum(gap, least) ** -_CROWD_POWER)

    def _density(self, reach: "_Reach") -> NDArray[np.float64]:
        """How dense the nearest lie: the mean inverse of their spacing."""
        spacing = self.spacing[reach.places]
        density = _mean(1 / np.maximum(spacing, reach.least[:, None]), reach.known)
        if reach.known is not None:
            alone = ~reach.known.any(axis=1)
            density[alone] = 1 / np.maximum(self._usual, reach.least[alone])
        return density

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows are, or some place where those of the fit have none like them."""
        # Where none are missing between, which is usual, nothing has to be sought.
        places = rows - self._first if self._is_whole else self.rows.searchsorted(rows)
        np.minimum(places, len(self.rows) - 1, out=places)
        return np.maximum(places, 0, out=places)

    @functools.cached_property
    def _first(self) -> int:
        return int(self.rows[0])

    @functools.cached_property
    def _is_whole(self) -> bool:
        return self.last_row - self._first == len(self.rows) - 1

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, for storage."""
        return {
            "k": np.array(self.k),
            "rows": self.rows,
            "edges": self.edges,
            "spacing": self.spacing,
        } | ({} if self.gaps is None else {"gaps": self.gaps})

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The crowd of `to_arrays`."""
        return cls(
            int(arrays["k"]),
            arrays["rows"],
            arrays["edges"],
            arrays["spacing"],
            arrays.get("gaps"),
        )


class _Reach(NamedTuple):
    """What the nearest of n objects say of them.

    Attributes
    ----------
    score : (n,) float64
    mean : (n,) float64
        Mean reachability distance.
    least : (n,) float64
        The spacing below which neighbours count as copies.
    places : (n, k) int64
        Where the nearest are in the fit.
    known : (n, k) bool
        Which of them are there; None if all.
    """

    score: NDArray[np.float64]
    mean: NDArray[np.float64]
    least: NDArray[np.float64]
    places: NDArray[np.int64]
    known: NDArray[np.bool_] | None


def _mean(
    values: NDArray[np.float64], known: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """That of each line, of what is known: (n,) of (n, k), 0 where nothing is."""
    if known is None:
        mean: NDArray[np.float64] = values.sum(axis=1) / values.shape[1]
        return mean
    counts = np.maximum(known.sum(axis=1), 1)
    some: NDArray[np.float64] = np.where(known, values, 0.0).sum(axis=1) / counts
    return some


def num_neighbors(num_archive: int) -> int:
    """How many neighbours to use in an archive of so many objects (2 or more)."""
    return min(NUM_NEIGHBORS, num_archive - 1)
