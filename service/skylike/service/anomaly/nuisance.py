"""What should not matter: an object's score among those that were observed alike.

Depth and beam belong to the observation, not to the object. The archive is divided into
cells of objects alike in these numbers (medians along one after the other, as a k-d tree
divides: Bentley 1975, Communications of the ACM 18, 509), and the percentile of a score
among the objects of its cell is what it says given how the object was observed. How much
that takes away is told by Spearman's rank correlation before and after.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

NUISANCES: Mapping[str, tuple[str, ...]] = {
    "signal_to_noise": ("signal_to_noise", "snr", "SNR"),
    "valid_fraction": ("valid_fraction",),
    "beam": ("stamp_resolution_pixels", "beam_major_arcsec", "seeing_arcsec"),
}
"""What they are called, by their meaning: the first name that most objects have."""

NAMES = frozenset(name for several in NUISANCES.values() for name in several)
"""All of these."""

_LEAST = 200  # objects of a cell
_KNOWN = 0.5  # share of objects that have to know a nuisance


class Correlation(NamedTuple):
    """Spearman's rank correlation of scores with a nuisance, before and after.

    Attributes
    ----------
    name
        The attribute.
    score
        With the score.
    controlled
        With the percentile among objects observed alike.
    num_objects
        Of how many objects.
    """

    name: str
    score: float
    controlled: float
    num_objects: int


@dataclass(frozen=True, eq=False)
class Control:
    """Cells of an archive, as a tree, and the scores in each.

    Attributes
    ----------
    correlations
        What each nuisance did to the score, and does to the percentile.
    dimensions : (nodes,) int32
        Along which nuisance a node divides; -1 of a cell.
    thresholds : (nodes,) float64
        Where: up to there to the left.
    lefts : (nodes,) int32
        The left node below, before the right one; the cell's number of a cell.
    ends : (cells + 1,) int64
        Where the scores of each cell begin and end.
    scores : (n,) float64
        Ascending within each cell.
    """

    correlations: tuple[Correlation, ...]
    dimensions: NDArray[np.int32]
    thresholds: NDArray[np.float64]
    lefts: NDArray[np.int32]
    ends: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that are controlled for."""
        return tuple(one.name for one in self.correlations)

    def percentile(self, score: float, known: Mapping[str, Any]) -> float | None:
        """Share of the objects observed alike that score lower, 0 to 100.

        Alike in what the object tells of how it was observed: of a new cutout less is
        known than of what a survey has measured. None where it tells nothing of it, or
        there is nothing to control for.
        """
        values = [_number(known.get(name)) for name in self.names]
        if all(value is None for value in values):
            return None
        below = count = 0
        nodes = [0]
        while nodes:
            node = nodes.pop()
            dimension, left = self.dimensions[node], int(self.lefts[node])
            if dimension < 0:
                alike = self.scores[self.ends[left] : self.ends[left + 1]]
                below += int(np.searchsorted(alike, score, side="left"))
                count += len(alike)
            elif (value := values[dimension]) is None:
                nodes += [left, left + 1]
            else:
                nodes.append(left + (value > self.thresholds[node]))
        return 100.0 * below / count

    def percentiles(
        self, scores: NDArray[np.float64], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The same of n together: (n,), of which each knows some of (nuisances, n)."""
        below, count = np.zeros(len(scores)), np.zeros(len(scores))
        waiting = [(0, np.arange(len(scores)))]
        while waiting:
            node, members = waiting.pop()
            dimension, left = self.dimensions[node], int(self.lefts[node])
            if not len(members):
                continue
            if dimension < 0:
                alike = self.scores[self.ends[left] : self.ends[left + 1]]
                below[members] += np.searchsorted(alike, scores[members], side="left")
                count[members] += len(alike)
                continue
            own = values[dimension, members]
            # Who does not tell goes both ways.
            waiting.append((left, members[~(own > self.thresholds[node])]))
            waiting.append((left + 1, members[~(own <= self.thresholds[node])]))
        return 100.0 * below / count

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, for storage."""
        return {
            "names": np.array(self.names, np.str_),
            "correlations": np.array(
                [one[1:] for one in self.correlations], np.float64
            ).reshape(-1, 3),
            "dimensions": self.dimensions,
            "thresholds": self.thresholds,
            "lefts": self.lefts,
            "ends": self.ends,
            "scores": self.scores,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The control of `to_arrays`."""
        whole = dict(arrays)
        names = whole.pop("names").tolist()
        figures = whole.pop("correlations").tolist()
        return cls(
            tuple(
                Correlation(name, score, controlled, int(count))
                for name, (score, controlled, count) in zip(names, figures, strict=True)
            ),
            **whole,
        )


def control(
    scores: NDArray[np.float64], columns: Mapping[str, NDArray[np.float64]]
) -> tuple[Control, NDArray[np.float64]]:
    """Divide an archive by how its objects were observed.

    Parameters
    ----------
    scores : (n,) float64
        Of its objects.
    columns
        Numbers about them, (n,) float64 each, by attribute; NaN where unknown.

    Returns
    -------
    control
        With as many of `NUISANCES` as at least half of the objects know, of those that
        vary.
    percentiles : (n,) float64
        Per object the share of those observed alike that score lower, 0 to 100; NaN of
        one that tells nothing of how it was observed, or where there is no nuisance.
    """
    names = _chosen(columns)
    percentiles = np.full(len(scores), np.nan)
    values = np.array([columns[name] for name in names]).reshape(
        len(names), len(scores)
    )
    known = (
        np.flatnonzero(np.isfinite(values).all(axis=0)) if names else np.empty(0, int)
    )
    if not len(known):
        blank = np.empty(0)
        ends = np.zeros(2, np.int64)
        return Control((), *_leaf(), ends, blank), percentiles
    dimensions, thresholds, lefts, cells = _divided(values[:, known])
    members = [known[cell] for cell in cells]
    for cell in members:
        ascending = np.sort(scores[cell])
        below = np.searchsorted(ascending, scores[cell], side="left")
        percentiles[cell] = 100.0 * below / len(cell)
    correlations = tuple(
        Correlation(
            name,
            spearman(scores[known], columns[name][known]),
            spearman(percentiles[known], columns[name][known]),
            len(known),
        )
        for name in names
    )
    made = Control(
        correlations,
        dimensions,
        thresholds,
        lefts,
        np.cumsum([0, *map(len, members)]),
        np.concatenate([np.sort(scores[cell]) for cell in members]),
    )
    part = np.flatnonzero(np.isnan(percentiles) & np.isfinite(values).any(axis=0))
    percentiles[part] = made.percentiles(scores[part], values[:, part])
    return made, percentiles


def _number(value: object) -> float | None:
    """A number that is known; NaN is none."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Rank correlation of two lines of numbers, equal ones sharing the mean of their ranks.

    0 where one of them is constant.
    """
    one, other = (_ranks(numbers) for numbers in (first, second))
    one, other = one - one.mean(), other - other.mean()
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale else 0.0


def _ranks(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    _, where, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[where]
    return ranks


def _chosen(columns: Mapping[str, NDArray[np.float64]]) -> list[str]:
    found = []
    for several in NUISANCES.values():
        for name in several:
            if name not in columns:
                continue
            known = columns[name][np.isfinite(columns[name])]
            if len(known) >= max(1, _KNOWN * len(columns[name])) and np.ptp(known) > 0:
                found.append(name)
                break
    return found


def _leaf() -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]:
    return np.array([-1], np.int32), np.zeros(1), np.zeros(1, np.int32)


def _divided(
    values: NDArray[np.float64],
) -> tuple[
    NDArray[np.int32],
    NDArray[np.float64],
    NDArray[np.int32],
    list[NDArray[np.int64]],
]:
    """The tree of cells, and the objects of each: values are (nuisances, n)."""
    dimensions, thresholds, lefts = [-1], [0.0], [0]
    cells: list[NDArray[np.int64]] = []
    waiting: list[tuple[int, int, NDArray[np.int64]]] = [
        (0, 0, np.arange(values.shape[1]))
    ]
    while waiting:
        node, depth, members = waiting.pop()
        cut = _cut(values[:, members], depth)
        if cut is None:
            lefts[node] = len(cells)
            cells.append(members)
            continue
        dimension, threshold = cut
        is_left = values[dimension, members] <= threshold
        dimensions[node], thresholds[node] = dimension, threshold
        lefts[node] = len(lefts)
        for some in (members[is_left], members[~is_left]):
            waiting.append((len(lefts), depth + 1, some))
            dimensions.append(-1)
            thresholds.append(0.0)
            lefts.append(0)
    return (
        np.array(dimensions, np.int32),
        np.array(thresholds),
        np.array(lefts, np.int32),
        cells,
    )


def _cut(values: NDArray[np.float64], depth: int) -> tuple[int, float] | None:
    """The nuisance whose turn it is, and its median; another one if it cannot divide."""
    num_nuisances, count = values.shape
    for turn in range(num_nuisances):
        dimension = (depth + turn) % num_nuisances
        # The lower median is a value that is there: of many equal ones none moves.
        threshold = float(
            np.partition(values[dimension], (count - 1) // 2)[(count - 1) // 2]
        )
        num_left = int((values[dimension] <= threshold).sum())
        if min(num_left, count - num_left) >= _LEAST:
            return dimension, threshold
    return None
