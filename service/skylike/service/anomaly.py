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
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_NEIGHBORS = 20
_NUM_CROWD = 5
_CROWD_POWER = 2 / 3
_CHUNK = 1 << 16  # objects scored at a time


class Surrounding(NamedTuple):
    """What the scores of n objects are made of.

    Attributes
    ----------
    rows : (n, k) int64
        Catalog rows of the nearest of each.
    distances : (n,) float64
        Mean distance to them.
    spacing : (n,) float64
        Mean distance to the 5 nearest.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]
    spacing: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.int64], cosines: NDArray[np.float64]) -> Self:
        """That of the nearest, nearest first, and the cosines to them: (n, k)."""
        return cls(rows, mean_distance(cosines), mean_distance(cosines[:, :_NUM_CROWD]))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """That of several parts, one or more, together."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


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

        Also 0 where there is nothing to compare with.

        Parameters
        ----------
        cosines : (m,)
            To its nearest objects, at most k.
        rows
            The catalog rows of those.
        """
        if not len(rows):
            return 0.0
        distances = mean_distance(np.array([cosines]))
        return float(combined(distances, self._crowd(np.array([rows])))[0])

    def scores(self, near: Surrounding) -> NDArray[np.float64]:
        """As `score`, of n objects: (n,)."""
        found = np.empty(len(near.rows))
        for start in range(0, len(found), _CHUNK):
            part = slice(start, start + _CHUNK)
            found[part] = combined(near.distances[part], self._crowd(near.rows[part]))
        return found

    def _crowd(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean spacing of each line of objects; those added after the fit do not count.

        Where all were, that of the whole archive.
        """
        places = np.searchsorted(self.rows, rows)
        places = np.minimum(places, len(self.rows) - 1)
        known = self.rows[places] == rows
        if known.all():
            crowds: NDArray[np.float64] = self.spacing[places].mean(axis=1)
            return crowds
        counts = known.sum(axis=1)
        sums = np.where(known, self.spacing[places], 0).sum(axis=1)
        everywhere = float(self.spacing.mean())
        return np.where(counts > 0, sums / np.maximum(counts, 1), everywhere)

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


def mean_distance(cosines: ArrayLike) -> NDArray[np.float64]:
    """The mean of 1 - cosine along the last axis; never negative."""
    distances: NDArray[np.float64] = np.maximum(
        0.0, 1.0 - np.mean(np.asarray(cosines, np.float64), axis=-1)
    )
    return distances


def combined(
    distances: NDArray[np.float64], crowds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The scores: distance / crowd^(2/3), finite also among copies, where the crowd is 0."""
    away = np.where(distances > 0, distances, 1.0)
    scores: NDArray[np.float64] = (
        distances / np.maximum(crowds, 1e-6 * away) ** _CROWD_POWER
    )
    return scores


def fit(
    k: int,
    rows: NDArray[np.int64],
    archive: Surrounding,
    calibration: NDArray[np.float32],
    near_calibration: Surrounding,
) -> tuple[AnomalyFit, NDArray[np.float64]]:
    """Keep the scores of an archive and of calibration objects.

    Parameters
    ----------
    k
        How many neighbours the scores are made of.
    rows : (n,) int64, ascending
        Catalog rows of the archive's objects; n >= 2.
    archive
        The k nearest of each, without itself.
    calibration : (m, dimension) float32
        Vectors of the calibration objects; m may be 0.
    near_calibration
        The k nearest of each of these.

    Returns
    -------
    fit
        With version 0: the collection gives it its number.
    scores : (n,) float64
        Of the archive's objects, in the order of `rows`.
    """
    blank = AnomalyFit(
        0, k, rows, archive.spacing, np.empty(0), calibration, np.empty(0)
    )
    scores = blank.scores(archive)
    found = replace(
        blank,
        archive_scores=np.sort(scores),
        calibration_scores=np.sort(blank.scores(near_calibration)),
    )
    return found, scores
