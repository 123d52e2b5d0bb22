"""How odd something is: its distance from what is most alike in the archive.

The mean cosine distance d to the 20 nearest objects (Ramaswamy et al. 2000, SIGMOD;
on learned embeddings Bergman et al. 2020, arXiv:2002.10445) finds what lies far
from everything, and misses what lies just outside a crowd. Its ratio d / c to the
mean distance c that those neighbours have to their own 5 nearest (the idea of the
local outlier factor: Breunig et al. 2000, SIGMOD) finds that, and misses the rest.
The score is their geometric mean in which the ratio counts twice, d / c^(2/3).

Its conformal p-value (Bates et al. 2023, Annals of Statistics 51, 149;
arXiv:2104.08279) compares it with calibration objects: ordinary ones that are
neither in the archive nor in the model's training data. For a new ordinary
object the chance of p <= a is then at most a; nothing is claimed below
1 / (n + 1) for n calibration objects.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skylike.service import caller

NUM_NEIGHBORS = 20
_NUM_CROWD = 5
_CROWD_POWER = 2 / 3


class Neighborhood(Protocol):
    """The nearest of one object: their rows, and the cosines to them."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """(m,) catalog rows, nearest first."""

    @property
    def scores(self) -> NDArray[np.float64]:
        """(m,) cosines."""


@dataclass(frozen=True, eq=False)
class AnomalyFit:
    """What scores are usual in an archive.

    Attributes
    ----------
    version
        Number of the fit, growing with every refit of the collection.
    k
        How many neighbours a score is made of.
    rows : (n,) int64, ascending
        Catalog rows of the archive's objects.
    spacing : (n,) float64
        Mean distance of each to its own 5 nearest, in the order of `rows`.
    archive_scores : (n,) float64, ascending
        Scores of the archive's objects, each without itself.
    calibration : (m, dimension) float32
        Vectors of the calibration objects, for the next fit; m may be 0.
    calibration_scores : (m,) float64, ascending
        Scores of the calibration objects.
    """

    version: int
    k: int
    rows: NDArray[np.int64]
    spacing: NDArray[np.float64]
    archive_scores: NDArray[np.float64]
    calibration: NDArray[np.float32]
    calibration_scores: NDArray[np.float64]

    def covers(self, row: int) -> bool:
        """Whether an object was in the collection at the fit, by its row."""
        return row <= self._last_row

    @functools.cached_property
    def _last_row(self) -> int:
        return int(self.rows[-1])

    def percentile(self, score: float) -> float:
        """Share of the archive that scores lower than `score`, 0 to 100.

        Objects with the same score do not count as lower.
        """
        below = np.searchsorted(self.archive_scores, score, side="left")
        return 100.0 * float(below) / len(self.archive_scores)

    def p_value(self, score: float) -> float | None:
        """The conformal p-value of `score`: small means odd.

        It holds for objects that are neither in the archive nor among those the
        model was trained on. None where the fit has no calibration objects.
        """
        num_calibration = len(self.calibration_scores)
        if num_calibration == 0:
            return None
        below = np.searchsorted(self.calibration_scores, score, side="left")
        return float(1 + num_calibration - below) / (num_calibration + 1)

    def score(self, cosines: ArrayLike, rows: Sequence[int]) -> float:
        """The score of an object: 0 for a copy, growing without bound.

        Parameters
        ----------
        cosines : (m,)
            To its nearest objects, at most k.
        rows
            The catalog rows of those.
        """
        return combined(mean_distance(cosines), self._crowd(rows))

    def _crowd(self, rows: Sequence[int]) -> float:
        """Mean spacing of objects; those added after the fit do not count."""
        places = np.searchsorted(self.rows, rows)
        places = np.minimum(places, len(self.rows) - 1)
        known = self.rows[places] == rows
        return float(
            np.mean(self.spacing[places[known] if known.any() else slice(None)])
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything but the version, for storage."""
        return {
            "k": np.array(self.k),
            "rows": self.rows,
            "spacing": self.spacing,
            "archive_scores": self.archive_scores,
            "calibration": self.calibration,
            "calibration_scores": self.calibration_scores,
        }

    @classmethod
    def from_arrays(cls, version: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The fit of `to_arrays`."""
        return cls(
            version=version,
            k=int(arrays["k"]),
            rows=arrays["rows"],
            spacing=arrays["spacing"],
            archive_scores=arrays["archive_scores"],
            calibration=arrays["calibration"],
            calibration_scores=arrays["calibration_scores"],
        )


def num_neighbors(num_archive: int) -> int:
    """How many neighbours to use in an archive of so many objects (2 or more)."""
    return min(NUM_NEIGHBORS, num_archive - 1)


def mean_distance(cosines: ArrayLike) -> float:
    """The mean of 1 - cosine; never negative."""
    return max(0.0, float(1.0 - np.mean(np.asarray(cosines, np.float64))))


def combined(distance: float, crowd: float) -> float:
    """The score: distance / crowd^(2/3), finite also among copies, where the crowd is 0."""
    if distance == 0:
        return 0.0
    return float(distance / max(crowd, 1e-6 * distance) ** _CROWD_POWER)


def fit(
    k: int,
    rows: NDArray[np.int64],
    near_archive: Sequence[Neighborhood],
    calibration: NDArray[np.float32],
    near_calibration: Sequence[Neighborhood],
) -> AnomalyFit:
    """Keep the scores of an archive and of calibration objects.

    Parameters
    ----------
    k
        How many neighbours the scores are made of.
    rows : (n,) int64
        Catalog rows of the archive's objects; n >= 2.
    near_archive
        The k nearest of each, without itself.
    calibration : (m, dimension) float32
        Vectors of the calibration objects; m may be 0.
    near_calibration
        The k nearest of each of these.

    Returns
    -------
    fit
        With version 0: the collection gives it its number.
    """
    order = np.argsort(rows)
    crowd = min(k, _NUM_CROWD)
    spacing = np.array(
        [mean_distance(near.scores[:crowd]) for near in caller.each(near_archive)]
    )
    empty = np.empty(0)
    blank = AnomalyFit(0, k, rows[order], spacing[order], empty, calibration, empty)

    def scores(found: Sequence[Neighborhood]) -> NDArray[np.float64]:
        return np.sort(
            [
                blank.score(near.scores[:k], near.rows[:k].tolist())
                for near in caller.each(found)
            ]
        )

    return replace(
        blank,
        archive_scores=scores(near_archive),
        calibration_scores=scores(near_calibration),
    )
