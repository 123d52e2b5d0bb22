"""The protocol: who learns from what, who is asked, and what is counted.

Judged objects are new to the method (inductive): it learns from other files, or from
the other folds of the archive, and every object asks those of its own fold. The same
for a method that learned from the judged objects themselves (transductive) can stand
beside it.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skylike.service.errors import BadInput
from skylike.trainer.judge.anomaly import held_out
from skylike.trainer.judge.audit import audit
from skylike.trainer.judge.bootstrap import Interval, intervals
from skylike.trainer.judge.descriptors import Stamps
from skylike.trainer.judge.methods import Choice, Describe, Features, Method
from skylike.trainer.judge.neighbors import (
    NEIGHBORS,
    Kinds,
    Scores,
    hubness,
    nearest,
    score,
)
from skylike.trainer.judge.perturb import self_recall
from skylike.trainer.judge.probe import classical_ways, linear_probe, parameters
from skylike.trainer.judge.structure import structure
from skylike.trainer.whitening import PrincipalAxes, principal_axes

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is judged.

    Attributes
    ----------
    stamps : (n, channel, size, size) float32, in sigma
    kinds : (n,) str
    parameters
        Physical quantities by name, (n,) float64 each, NaN where unknown.
    covariates
        Quantities of the observation, likewise.
    others : (m, channel, size, size) float32, or None
        What methods learn from; None for the other folds of the stamps.
    """

    stamps: Stamps
    kinds: Kinds
    parameters: Mapping[str, Floats]
    covariates: Mapping[str, Floats]
    others: Stamps | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """How often, and with what dealt out how."""

    num_folds: int = 2
    num_seeds: int = 3
    is_transductive_too: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What one method is worth.

    Attributes
    ----------
    name
    dimension
        Of its vectors; for a baseline, the best.
    scores
        Of its neighbours, one number per object, means over the seeds.
    by_seed
        P@10 of each seed.
    figures
        Everything else, by group and name.
    """

    name: str
    dimension: int
    scores: Scores
    by_seed: tuple[float, ...]
    figures: dict[str, Any]

    def intervals(self) -> dict[str, Interval]:
        """The figures of the neighbours, with their intervals."""
        return intervals(self.scores.weighted, len(self.scores.kind_N))

    def over(self, other: "Result") -> dict[str, Interval]:
        """Ratios of these figures to another method's, paired by object."""

        def ratios(weights: Floats) -> dict[str, float]:
            own, theirs = self.scores.weighted(weights), other.scores.weighted(weights)
            return {
                name: own[name] / theirs[name] if theirs[name] else np.nan
                for name in own
            }

        return intervals(ratios, len(self.scores.kind_N))


def judge(method: Method, subject: Subject, protocol: Protocol) -> Result:
    """Judge one method.

    Raises
    ------
    BadInput
        ``too_few`` if a fold has fewer than 11 objects or 2 kinds.
    """
    _require_enough(subject, protocol)
    trials = [
        (seed, trial)
        for seed in range(protocol.num_seeds if _varies(method, subject) else 1)
        for trial in _trials(method, subject, protocol, seed)
    ]
    by_choice = {
        choice: _asked(trials, subject, choice) for choice in method.choices or (None,)
    }
    best = max(by_choice, key=lambda c: by_choice[c][0].precision.mean())
    scores, by_seed = by_choice[best]
    figures = _mean(
        [
            _examined(method, trial, subject, best, is_first=i == 0)
            for i, (seed, trial) in enumerate(trials)
            if seed == 0
        ]
    )
    if protocol.is_transductive_too:
        [trial] = _trials(method, subject, protocol, 0, sees_all=True)
        found = score(nearest(trial.vectors(best)), subject.kinds)
        figures["transductive"] = found.weighted(np.ones(len(subject.kinds)))
    length = trials[0][1].features.shape[1]
    dimension = min(best.dimension, length) if best else length
    return Result(method.name, dimension, scores, by_seed, figures)


def _varies(method: Method, subject: Subject) -> bool:
    """Whether another seed can give another figure: its folds, or its weights."""
    return subject.others is None or method.is_seeded


def _require_enough(subject: Subject, protocol: Protocol) -> None:
    for seed in range(protocol.num_seeds):
        for fold in _folds(subject, protocol, seed):
            kinds = set(subject.kinds[fold])
            if len(fold) <= NEIGHBORS or len(kinds) < 2:
                raise BadInput(
                    f"a fold of {len(fold)} of the {len(subject.kinds)} objects has "
                    f"{len(kinds)} kinds, which is too few to judge by: "
                    f"{NEIGHBORS + 1} objects and two kinds are needed in each",
                    reason="too_few",
                )


def _folds(subject: Subject, protocol: Protocol, seed: int) -> list[Numbers]:
    """Who is judged together."""
    everything = np.arange(len(subject.kinds))
    if subject.others is not None:
        return [everything]
    dealt = np.random.default_rng(seed).permutation(everything)
    return [np.sort(dealt[i :: protocol.num_folds]) for i in range(protocol.num_folds)]


@dataclass(frozen=True, eq=False)
class _Trial:
    """A method that has learned, and the objects it has not seen."""

    judged: Numbers
    features: Features
    learned_from: Features
    describe: Describe

    def vectors(self, choice: Choice | None) -> Features:
        """Unit vectors of the judged objects: (j, D)."""
        return self.embedder(choice)(self.features)

    def embedder(self, choice: Choice | None) -> Callable[[Features], Features]:
        """From features to unit vectors."""
        if choice is None:
            return lambda features: features
        fitted = self._axes.whitening(*choice)
        return lambda features: fitted.unit(torch.from_numpy(features)).numpy()

    @functools.cached_property
    def _axes(self) -> PrincipalAxes:
        return principal_axes(torch.from_numpy(self.learned_from))


def _trials(
    method: Method,
    subject: Subject,
    protocol: Protocol,
    seed: int,
    *,
    sees_all: bool = False,
) -> Iterator[_Trial]:
    everything = np.arange(len(subject.kinds))
    folds = [everything] if sees_all else _folds(subject, protocol, seed)
    describe: Describe | None = None
    features = of_others = np.empty((0, 0), np.float32)
    for judged in folds:
        seen = everything if sees_all else np.setdiff1d(everything, judged)
        from_others = subject.others is not None and not sees_all
        if describe is None or method.is_learned:
            known = subject.others if from_others else subject.stamps[seen]
            assert known is not None
            describe = method.learn(known, seed)
            features = describe(subject.stamps)
            of_others = describe(known) if from_others else of_others
        yield _Trial(
            judged,
            features[judged],
            of_others if from_others else features[seen],
            describe,
        )


def _asked(
    trials: Sequence[tuple[int, _Trial]], subject: Subject, choice: Choice | None
) -> tuple[Scores, tuple[float, ...]]:
    """Scores of every object, averaged over the seeds, and P@10 of each seed."""
    count = len(subject.kinds)
    sums = {name: np.zeros(count) for name in Scores.NUMBERS}
    seeds = sorted({seed for seed, _ in trials})
    by_seed = dict.fromkeys(seeds, 0.0)
    for seed, trial in trials:
        kinds = subject.kinds[trial.judged]
        found = score(nearest(trial.vectors(choice)), kinds)
        for name, total in sums.items():
            total[trial.judged] += getattr(found, name)
        by_seed[seed] += float(found.precision.sum()) / count
    means = {name: total / len(seeds) for name, total in sums.items()}
    numbers = np.unique(subject.kinds, return_inverse=True)[1]
    return Scores(**means, kind_N=numbers), tuple(by_seed.values())


def _examined(
    method: Method,
    trial: _Trial,
    subject: Subject,
    choice: Choice | None,
    *,
    is_first: bool,
) -> dict[str, Any]:
    """Everything about the vectors of one trial beside the neighbours' scores."""
    kinds = subject.kinds[trial.judged]
    vectors = trial.vectors(choice)
    to_vectors = trial.embedder(choice)
    found: dict[str, Any] = {
        "hubness": hubness(nearest(vectors)),
        "linear_probe": linear_probe(vectors, kinds),
        "structure": structure(vectors, kinds),
        "parameters": parameters(
            vectors,
            kinds,
            {name: column[trial.judged] for name, column in subject.parameters.items()},
        ),
        "audit": audit(
            vectors,
            kinds,
            {name: column[trial.judged] for name, column in subject.covariates.items()},
        ),
        "anomaly": held_out(vectors, kinds),
    }
    if method.is_classical:
        found["classical_ways"] = classical_ways(trial.features, kinds)
    if is_first:
        found["self_recall"] = self_recall(
            lambda stamps: to_vectors(trial.describe(stamps)),
            subject.stamps[trial.judged],
            vectors,
        )
    return found


def _mean(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each number over the parts that have it."""
    names = dict.fromkeys(name for part in parts for name in part)
    found: dict[str, Any] = {}
    for name in names:
        values = [part[name] for part in parts if name in part]
        nested = isinstance(values[0], dict)
        found[name] = _mean(values) if nested else float(np.mean(values))
    return found
