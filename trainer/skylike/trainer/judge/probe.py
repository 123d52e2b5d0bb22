"""What a simple model reads from the vectors: kinds and quantities.

Every figure is of objects that the model was not fitted on: five folds, dealt out by
the seed.
"""

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
