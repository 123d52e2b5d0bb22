"""`AnomalyFit`: what scores are usual in an archive."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly.forest import Forest
from skylike.service.anomaly.known import Known
from skylike.service.anomaly.mixture import Mixture
from skylike.service.anomaly.neighbors import Crowd, Nearness, Surrounding
from skylike.service.anomaly.nuisance import NAMES, Control, control
from skylike.service.anomaly.usual import Spread, Usual

PARTS = (
    "mean_distance",
    "kth_distance",
    "density_ratio",
    "isolation_forest",
    "mixture",
)
"""What oddness is told by beside the score, each with its percentile."""

_FORMAT = 2  # of stored fits; raised when what is kept, or what it means, changes
_READABLE = (1, _FORMAT)  # without gaps, and with them
_SAMPLE = 10_000  # objects that forest and mixture are fitted to


class Part(NamedTuple):
    """One way to tell oddness: its score, and the share of the archive below, percent."""

    name: str
    score: float
    percentile: float


class Judgement(NamedTuple):
    """How odd an object is."""

    score: float
    percentile: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class AnomalyFit:
    """What scores are usual in an archive. Never changes; safe from any thread.

    Attributes
    ----------
    version
        Number of the fit, growing with every refit of the collection.
    crowd
        How crowded the archive is around each object.
    forest, mixture
        Second opinions.
    archive_scores : (n,) float64, ascending
        Scores of the archive's objects, each without itself.
    archive_parts : (5, n) float32, each line ascending
        The same of each of `PARTS`.
    control
        The scores among objects observed alike.
    usual
        What numbers are usual in attributes.
    calibration : (m, dimension) float32
        Vectors of the calibration objects, for the next fit; m may be 0.
    calibration_scores : (m,) float64, ascending
        Scores of the calibration objects.
    known
        The archive's vectors.
    is_sure
        Whether a search finds every object that was in the archive, since none has gone
        and all are compared.
    """

    version: int
    crowd: Crowd
    forest: Forest
    mixture: Mixture
    archive_scores: NDArray[np.float64]
    archive_parts: NDArray[np.float32]
    control: Control
    usual: Usual
    calibration: NDArray[np.float32]
    calibration_scores: NDArray[np.float64]
    known: Known
    is_sure: bool = False

    @property
    def k(self) -> int:
        """How many neighbours a score is made of."""
        return self.crowd.k

    @property
    def last_row(self) -> int:
        """The newest object that was in the collection at the fit."""
        return self.crowd.last_row

    def covers(self, row: int) -> bool:
        """Whether an object was in the collection at the fit, by its row."""
        return row <= self.crowd.last_row

    def recalibrated(self, near: Surrounding, *, is_sure: bool) -> Self:
        """The fit with its calibration objects judged again.

        Whatever has gone from the archive, and however it is searched: as long as they
        are judged as new objects are, p-values hold.

        Parameters
        ----------
        near
            The k nearest of each, as they are found now.
        is_sure
            As the attribute.
        """
        scores = np.sort(self.crowd.scores(near))
        return replace(self, calibration_scores=scores, is_sure=is_sure)

    def had(self, vector: NDArray[np.float32]) -> bool:
        """Whether an object that no search may find was in the archive: its vector."""
        return not self.is_sure and self.known.holds(vector)

    def percentile(self, score: float) -> float:
        """Share of the archive that scores lower than `score`, 0 to 100.

        Objects with the same score do not count as lower.
        """
        return float(_percentiles(self.archive_scores, np.array([score]))[0])

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

    def judged(
        self,
        vectors: NDArray[np.float32] | None,
        near: Sequence[Surrounding],
    ) -> list[Judgement]:
        """How odd each of n objects is; together they take less time.

        Parameters
        ----------
        vectors : (n, dimension) float32, unit norm
            None to tell the score alone: the other ways take longer.
        near
            For each the nearest, at most k: (1, k). Without any its score is 0.
        """
        if not near:
            return []
        if vectors is None:
            found = _by_count(near, self.crowd.scores)
            parts: Sequence[tuple[Part, ...]] = [()] * len(found)
        else:
            nearness = Nearness(*_by_count(near, self.crowd.nearness))
            found = nearness.score
            values = _parts(nearness, self.forest, self.mixture, vectors)
            shares = [
                _percentiles(usual, own).tolist()
                for usual, own in zip(self.archive_parts, values, strict=True)
            ]
            columns = zip(values.T.tolist(), zip(*shares, strict=True), strict=True)
            parts = [tuple(map(Part, PARTS, *of_parts)) for of_parts in columns]
        percentiles = _percentiles(self.archive_scores, found).tolist()
        return list(map(Judgement, found.tolist(), percentiles, parts))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything but the version, for storage."""
        whole: dict[str, NDArray[Any]] = {
            "format": np.array(_FORMAT),
            "archive_scores": self.archive_scores,
            "archive_parts": self.archive_parts,
            "calibration": self.calibration,
            "calibration_scores": self.calibration_scores,
        }
        for name in _INNER:
            inner = getattr(self, name).to_arrays()
            whole |= {f"{name}.{key}": array for key, array in inner.items()}
        return whole

    @classmethod
    def from_arrays(
        cls, version: int, arrays: Mapping[str, NDArray[Any]]
    ) -> Self | None:
        """The fit of `to_arrays`; None of one in another format.

        What is called ``calibration`` is so in every format: the next fit needs it.
        """
        if arrays.get("format") not in _READABLE:
            return None
        inner: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in _INNER}
        whole = {}
        for name, array in arrays.items():
            part, _, key = name.partition(".")
            if key:
                inner[part][key] = array
            else:
                whole[name] = array
        return cls(
            version=version,
            crowd=Crowd.from_arrays(inner["crowd"]),
            forest=Forest.from_arrays(inner["forest"]),
            mixture=Mixture.from_arrays(inner["mixture"]),
            archive_scores=whole["archive_scores"],
            archive_parts=whole["archive_parts"],
            control=Control.from_arrays(inner["control"]),
            usual=Usual.from_arrays(inner["usual"]),
            calibration=whole["calibration"],
            calibration_scores=whole["calibration_scores"],
            known=Known.from_arrays(inner["known"]),
        )


_INNER = ("crowd", "forest", "mixture", "control", "usual", "known")


class Fitted(NamedTuple):
    """What a fit finds out.

    Attributes
    ----------
    fit
        With version 0: the collection gives it its number.
    scores : (n,) float64
        Of the archive's objects, in the order of their rows.
    controlled : (n,) float64
        Per object the share of those observed alike that score lower, 0 to 100; NaN
        where it is not known how it was observed.
    """

    fit: AnomalyFit
    scores: NDArray[np.float64]
    controlled: NDArray[np.float64]


def fit(
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    near: Surrounding,
    *,
    calibration: NDArray[np.float32],
    near_calibration: Surrounding,
    columns: Mapping[str, NDArray[np.float64]],
    seed: int = 0,
) -> Fitted:
    """Keep the scores of an archive and of calibration objects.

    Parameters
    ----------
    rows : (n,) int64, ascending
        Catalog rows of the archive's objects; n >= 2.
    vectors : (n, dimension) float32, unit norm
        Theirs.
    near
        The k nearest of each, without itself.
    calibration : (m, dimension) float32
        Vectors of the calibration objects; m may be 0.
    near_calibration
        The k nearest of each of these, among the archive's objects.
    columns
        Numbers about the archive's objects, (n,) float64 each, by attribute; NaN where
        unknown. Read one at a time.
    seed
        Same archive, same seed, same fit.
    """
    crowd = Crowd.of(rows, near)
    sample = vectors
    if len(vectors) > _SAMPLE:
        chosen = np.random.default_rng(seed).permutation(len(vectors))[:_SAMPLE]
        sample = vectors[np.sort(chosen)]
    forest, mixture = Forest.grown(sample, seed), Mixture.fitted(sample, seed)
    nearness = crowd.nearness(near)
    scores = nearness.score
    controlled_by, controlled = control(
        scores, {name: columns[name] for name in NAMES if name in columns}
    )
    made = AnomalyFit(
        version=0,
        crowd=crowd,
        forest=forest,
        mixture=mixture,
        archive_scores=np.sort(scores),
        archive_parts=np.sort(_parts(nearness, forest, mixture, vectors), axis=1),
        control=controlled_by,
        usual=Usual({name: Spread.of(columns[name]) for name in columns}),
        calibration=calibration,
        calibration_scores=np.sort(crowd.scores(near_calibration)),
        known=Known.of(vectors),
    )
    return Fitted(made, scores, controlled)


def _by_count(near: Sequence[Surrounding], ask: Callable[[Surrounding], Any]) -> Any:
    """What is said of each, along the last axis; of those with as many together."""
    counts = [one.rows.shape[1] for one in near]
    if len(set(counts)) == 1:
        return ask(Surrounding.joined(near))
    told = []
    order = np.argsort(counts, kind="stable")
    for count in np.unique(counts):
        alike = [near[i] for i in order.tolist() if counts[i] == count]
        told.append(np.asarray(ask(Surrounding.joined(alike))))
    return np.concatenate(told, axis=-1)[..., np.argsort(order)]


def _parts(
    nearness: Nearness,
    forest: Forest,
    mixture: Mixture,
    vectors: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The scores of `PARTS`: (5, n)."""
    return np.array(
        [
            nearness.mean_distance,
            nearness.kth_distance,
            nearness.density_ratio,
            forest.scores(vectors),
            mixture.scores(vectors),
        ],
        np.float32,
    )


def _percentiles(
    ascending: NDArray[np.floating], scores: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Share of an archive that scores lower than each, 0 to 100."""
    below = np.searchsorted(ascending, scores, side="left")
    shares: NDArray[np.float64] = 100.0 * below / len(ascending)
    return shares
