"""What a simple model reads from the vectors: kinds and quantities.

Every figure is of objects that the model was not fitted on: five folds, dealt out by
the seed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skylike.trainer.judge.neighbors import Kinds

_NUM_FOLDS = 5
_FEWEST_KNOWN = 100
_STRENGTHS = (0.01, 0.1, 1.0)
_PENALTIES = np.logspace(-3, 4, 15)

Floats = NDArray[np.float64]


def linear_probe(
    vectors_ND: NDArray[np.float32], kinds: Kinds, seed: int = 0
) -> dict[str, float]:
    """Accuracy of logistic regression on standardised vectors.

    Parameters
    ----------
    vectors_ND : (n, D) float32
    kinds : (n,) str

    Returns
    -------
    dict
        ``accuracy`` and ``balanced_accuracy``, the mean over kinds, of those kinds
        that have at least five objects; empty with fewer than two such kinds. The
        strength of the regularisation is chosen within each training part.
    """
    model = make_pipeline(
        StandardScaler(),
        GridSearchCV(LogisticRegression(max_iter=300), {"C": list(_STRENGTHS)}, cv=3),
    )
    return classified(model, vectors_ND, kinds, seed)


def classical_ways(
    features_NF: NDArray[np.float32], kinds: Kinds, seed: int = 0
) -> dict[str, dict[str, float]]:
    """What a random forest and a support vector machine make of statistics.

    Parameters
    ----------
    features_NF : (n, F) float32
        As they were measured, not whitened.
    kinds : (n,) str

    Returns
    -------
    dict
        Of each, the figures of `classified`. The machine's C is chosen within each
        training part.
    """
    machine = GridSearchCV(SVC(), {"C": [1.0, 10.0, 100.0]}, cv=3)
    models = {
        "random forest": RandomForestClassifier(300, random_state=seed),
        "support vector machine": make_pipeline(StandardScaler(), machine),
    }
    return {
        name: classified(model, features_NF, kinds, seed)
        for name, model in models.items()
    }


def classified(
    model: Any, vectors_ND: NDArray[np.float32], kinds: Kinds, seed: int = 0
) -> dict[str, float]:
    """Accuracy and balanced accuracy of any classifier of scikit-learn."""
    names, numbers, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    if np.count_nonzero(counts >= _NUM_FOLDS) < 2:
        return {}
    kept = counts[numbers] >= _NUM_FOLDS
    vectors, known = vectors_ND[kept], names[numbers[kept]]
    folds = StratifiedKFold(_NUM_FOLDS, shuffle=True, random_state=seed)
    found = cross_val_predict(model, vectors, known, cv=folds)
    return {
        "accuracy": float(np.mean(found == known)),
        "balanced_accuracy": float(balanced_accuracy_score(known, found)),
    }


def parameters(
    vectors_ND: NDArray[np.float32], kinds: Kinds, columns: Mapping[str, Floats]
) -> dict[str, dict[str, Any]]:
    """R² of physical parameters, each among the objects that have it.

    What tells kinds apart tells something of a parameter that differs between them, and
    one line need not serve all kinds: so both are given.

    Parameters
    ----------
    vectors_ND : (n, D) float32
    kinds : (n,) str
    columns
        Parameters by name, (n,) float64 each, NaN where unknown.

    Returns
    -------
    dict
        For each parameter that 100 objects have: ``pooled``, over all of them; and if
        so many of one kind have it, ``kinds`` by name and their mean,
        ``mean_of_kinds``.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, values in columns.items():
        known = np.isfinite(values)
        if not _is_varied(values[known]):
            continue
        found[name] = {"pooled": readable(vectors_ND[known], values[known, None])}
        by_kind = {}
        for kind in np.unique(kinds):
            chosen = known & (kinds == kind)
            if _is_varied(values[chosen]):
                by_kind[str(kind)] = readable(vectors_ND[chosen], values[chosen, None])
        if by_kind:
            mean = float(np.mean(list(by_kind.values())))
            found[name] |= {"mean_of_kinds": mean, "kinds": by_kind}
    return found


def _is_varied(values: Floats) -> bool:
    return len(values) >= _FEWEST_KNOWN and bool(np.ptp(values) > 0)


def readable(vectors_ND: NDArray[np.float32], values: Floats, seed: int = 0) -> float:
    """Share of the variance of a quantity that a ridge regression predicts, R².

    Parameters
    ----------
    vectors_ND : (n, D) float32
    values : (n,) or (n, m) float64, finite
        The quantity; with m columns, the mean over them.

    Returns
    -------
    float
        1 for all of it, 0 for nothing, below 0 for worse than the mean. The penalty
        is chosen within each training part.
    """
    model = make_pipeline(StandardScaler(), RidgeCV(_PENALTIES))
    folds = KFold(_NUM_FOLDS, shuffle=True, random_state=seed)
    found = cross_val_predict(model, vectors_ND, values, cv=folds)
    return float(r2_score(values, found))
