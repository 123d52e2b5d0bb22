"""What a quantity or a class of an object is likely to be, learned from those that tell.

Quantities by a Gaussian process, classes by multinomial logistic regression (Hastie,
Tibshirani & Friedman 2009, The Elements of Statistical Learning, section 4.4): what they
were compared with is in docs/kinds-and-oddities.md.

The examples are cut into five parts, no place on the sky into two. Each part is predicted
from the four others, which also choose what the model has to choose: that is the quality
that is told, and what an example itself is answered with. The model of all but the first
part answers everything else, and how wrong it was on that part, which it never saw, bounds
how wrong it is: for an object of one more place of the same kind the interval, or set of
classes, holds the truth with at least the probability that was asked for (split conformal
prediction: Lei et al. 2018, JASA 113, 1094, with residuals over the expected deviation as
in their section 5.2; sets of classes as Sadinle, Lei & Wasserman 2019, JASA 114, 223).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import caller
from skylike.service.teaching import gaussian
from skylike.service.teaching.examples import (
    NUM_FOLDS,
    Division,
    Examples,
    Floats,
    Numbers,
    Vectors,
)
from skylike.service.teaching.gaussian import GaussianProcess

LARGEST = 1e100
"""Squares of larger values, or of their differences, are no numbers any more."""

_SUPPORT = 512
_TUNED = 1000  # examples that length and noise are chosen by
_STRENGTH = 10.0  # inverse of the penalty on weights
_STEPS = 100  # of the regression
_BINS = 10  # of probability, when its calibration is judged


class Interval(NamedTuple):
    """A number, and between which others the truth is; None where nobody can say."""

    value: float
    low: float | None
    high: float | None


class Shares(NamedTuple):
    """The probability of each class, and which are in the set; None where nobody can say."""

    probabilities: Floats
    is_possible: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class Quantity:
    """What was learned of a quantity.

    Attributes
    ----------
    examples
        What it was learned from.
    means, deviations : (n,) float64
        Each example as the others predict it.
    """

    examples: Examples
    means: Floats
    deviations: Floats
    _values: Floats
    _division: Division
    _process: GaussianProcess
    _offset: float

    @property
    def num_calibration(self) -> int:
        """How many places the interval rests on."""
        return self._division.num_calibration

    def __call__(self, vector: Vectors, confidence: float) -> Interval:
        """What a new object is likely to have: (dimension,) float32."""
        [mean], [deviation] = self._process(vector[None])
        return self._around(
            mean + self._offset, np.hypot(deviation, self._process.noise), confidence
        )

    def of_example(self, number: int, confidence: float) -> Interval:
        """What an example is likely to have, by the others."""
        return self._around(self.means[number], self.deviations[number], confidence)

    def quality(self, confidence: float) -> Mapping[str, float]:
        """How well examples are predicted by others."""
        errors = self._values - self.means
        told = {"median_absolute_error": float(np.median(np.abs(errors)))}
        spread = float(np.var(self._values))
        if spread > 0:
            told["r_squared"] = 1.0 - float(np.mean(errors**2)) / spread
        return told | self._division.coverage(self._misfits, confidence)

    def _around(self, mean: float, deviation: float, confidence: float) -> Interval:
        most = self._division.bound(self._misfits, confidence)
        if most is None:
            return Interval(float(mean), None, None)
        half = most * deviation
        return Interval(float(mean), float(mean - half), float(mean + half))

    @property
    def _misfits(self) -> Floats:
        return np.abs(self._values - self.means) / self.deviations


@dataclass(frozen=True, eq=False)
class Classes:
    """What was learned of classes.

    Attributes
    ----------
    examples
        What it was learned from.
    probabilities : (n, c) float64
        Of each example's classes, as the others predict them.
    """

    examples: Examples
    probabilities: Floats
    _numbers: Numbers
    _division: Division
    _weights: Floats
    _biases: Floats

    @property
    def num_calibration(self) -> int:
        """How many places the set of classes rests on."""
        return self._division.num_calibration

    def __call__(self, vector: Vectors, confidence: float) -> Shares:
        """What a new object is likely to be: (dimension,) float32."""
        [found] = _softmax(vector[None], self._weights, self._biases)
        return self._with_set(found, confidence)

    def of_example(self, number: int, confidence: float) -> Shares:
        """What an example is likely to be, by the others."""
        return self._with_set(self.probabilities[number], confidence)

    def quality(self, confidence: float) -> Mapping[str, float]:
        """How well examples are predicted by others."""
        likeliest = self.probabilities.argmax(axis=1)
        right = likeliest == self._numbers
        counts = np.bincount(self._numbers)
        of_class = np.bincount(self._numbers, weights=right)[counts > 0]
        steps = np.minimum(self.probabilities.max(axis=1) * _BINS, _BINS - 1).astype(
            int
        )
        surplus = np.bincount(steps, weights=self.probabilities.max(axis=1) - right)
        told = {
            "balanced_accuracy": float(np.mean(of_class / counts[counts > 0])),
            "log_loss": float(-np.mean(np.log(np.maximum(1 - self._misfits, 1e-12)))),
            "calibration_error": float(np.abs(surplus).sum() / len(right)),
        }
        return told | self._division.coverage(self._misfits, confidence)

    def _with_set(self, probabilities: Floats, confidence: float) -> Shares:
        most = self._division.bound(self._misfits, confidence)
        possible = None if most is None else 1 - probabilities <= most
        return Shares(probabilities, possible)

    @property
    def _misfits(self) -> Floats:
        true = np.take_along_axis(self.probabilities, self._numbers[:, None], axis=1)
        misfits: Floats = 1 - true[:, 0]
        return misfits


def fit_quantity(examples: Examples, values: Floats, seed: int = 0) -> Quantity:
    """Learn a quantity: values (n,) float64 within ±`LARGEST`, of `MIN_EXAMPLES` places."""
    division = Division.of(examples, seed)
    means, deviations = np.empty(len(values)), np.empty(len(values))
    learned = []
    with threadpool_limits(1):
        for part in range(NUM_FOLDS):
            there, left = division.parts != part, division.parts == part
            process, offset = _process(examples.vectors[there], values[there], seed)
            found, spread = process(examples.vectors[left])
            means[left] = found + offset
            deviations[left] = np.hypot(spread, process.noise)
            learned.append((process, offset))
    return Quantity(examples, means, deviations, values, division, *learned[0])


def _process(
    vectors: Vectors, values: Floats, seed: int
) -> tuple[GaussianProcess, float]:
    """A process of values about an offset; both, and all it is made by, are theirs."""
    offset = float(np.median(values))
    about = values - offset
    amplitude = float(np.sqrt(np.mean(about**2))) or 1.0
    few = np.random.default_rng(seed).permutation(len(values))[:_TUNED]
    caller.check()
    tuned = gaussian.fit(vectors[few], about[few], amplitude=amplitude)
    caller.check()
    process = gaussian.fit(
        vectors, about, amplitude=amplitude, num_support=_SUPPORT, like=tuned
    )
    return process, offset


def fit_classes(
    examples: Examples, numbers: Numbers, num_classes: int, seed: int = 0
) -> Classes:
    """Learn classes: the number of each example's (n,), of `MIN_EXAMPLES` places.

    There are two classes or more.
    """
    division = Division.of(examples, seed)
    probabilities = np.empty((len(numbers), num_classes))
    found = []
    for part in range(NUM_FOLDS):
        caller.check()
        there, left = division.parts != part, division.parts == part
        model = _regression(examples.vectors[there], numbers[there], num_classes)
        probabilities[left] = _softmax(examples.vectors[left], *model)
        found.append(model)
    return Classes(examples, probabilities, numbers, division, *found[0])


def _regression(
    vectors: Vectors, numbers: Numbers, num_classes: int
) -> tuple[Floats, Floats]:
    """Weights (dimension, c) and biases (c,); of a class without examples never likely."""
    # Only fitting needs scikit-learn, whose import takes longer than a query does.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    weights = np.zeros((vectors.shape[1], num_classes))
    biases = np.full(num_classes, -np.inf)
    present = np.unique(numbers)
    if len(present) == 1:
        biases[present] = 0.0
        return weights, biases
    with threadpool_limits(1), warnings.catch_warnings():
        # What has not settled after all steps is judged by its quality as well.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=_STRENGTH, max_iter=_STEPS)
        model.fit(vectors.astype(np.float64), numbers)
    if len(present) == 2:  # it has weights for the second one only
        weights[:, present[1]] = model.coef_[0]
        biases[present] = 0.0, model.intercept_[0]
    else:
        weights[:, present], biases[present] = model.coef_.T, model.intercept_
    return weights, biases


def _softmax(vectors: Vectors, weights: Floats, biases: Floats) -> Floats:
    scores = vectors @ weights + biases
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: Floats = scores / scores.sum(axis=1, keepdims=True)
    return probabilities
