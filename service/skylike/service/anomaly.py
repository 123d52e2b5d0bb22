"""How odd something is: its distance from what is most alike in the archive.

The score is the mean cosine distance to the k nearest objects (Ramaswamy et al.
2000, SIGMOD; on learned embeddings Bergman et al. 2020, arXiv:2002.10445). Its
conformal p-value (Bates et al. 2023, Annals of Statistics 51, 149;
arXiv:2104.08279) compares it with calibration objects: ordinary ones that are
neither in the archive nor in the model's training data. For a new ordinary
object the chance of p <= a is then at most a; nothing is claimed below
1 / (n + 1) for n calibration objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_NEIGHBORS = 10


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyFit:
    """What scores are usual in an archive.

    Attributes
    ----------
    version
        Number of the fit, growing with every refit of the collection.
    k
        How many neighbours a score is made of.
    archive_scores : (n,) float64, ascending
        Scores of the archive's objects, each without itself.
    calibration_scores : (m,) float64, ascending
        Scores of the calibration objects; empty where there were none.
    """

    version: int
    k: int
    archive_scores: NDArray[np.float64]
    calibration_scores: NDArray[np.float64]

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

    def score(self, cosines: ArrayLike) -> float:
        """The score of an object from its cosines to its `k` nearest, 0 to 2."""
        return mean_distance(cosines)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything but the version, for storage."""
        return {
            "k": np.array(self.k),
            "archive_scores": self.archive_scores,
            "calibration_scores": self.calibration_scores,
        }

    @classmethod
    def from_arrays(cls, version: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The fit of `to_arrays`."""
        return cls(
            version=version,
            k=int(arrays["k"]),
            archive_scores=arrays["archive_scores"],
            calibration_scores=arrays["calibration_scores"],
        )


def num_neighbors(num_archive: int) -> int:
    """How many neighbours to use in an archive of so many objects (2 or more)."""
    return min(NUM_NEIGHBORS, num_archive - 1)


def mean_distance(cosines: ArrayLike) -> float:
    """The mean of 1 - cosine; never negative."""
    return max(0.0, float(1.0 - np.mean(np.asarray(cosines, np.float64))))


def fit(
    k: int,
    archive_scores: NDArray[np.float64],
    calibration_scores: NDArray[np.float64],
) -> AnomalyFit:
    """Keep the scores of an archive and of calibration objects.

    Parameters
    ----------
    k
        How many neighbours the scores are made of.
    archive_scores : (n,) float64
        Each object's, without itself; n >= 1.
    calibration_scores : (m,) float64
        m may be 0.

    Returns
    -------
    fit
        With version 0: the collection gives it its number.
    """
    return AnomalyFit(0, k, np.sort(archive_scores), np.sort(calibration_scores))
