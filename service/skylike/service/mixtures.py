"""Gaussian mixtures by scikit-learn, fitted as long as who asked waits for them."""

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import caller

Shape = Literal["full", "diag"]

_STEPS = 5  # between two looks at the caller


def fit_mixture(
    points: NDArray[np.float64],
    number: int,
    shape: Shape,
    floor: float,
    seed: int,
    *,
    most_steps: int = 200,
    **begun: NDArray[np.float64],
) -> Any:
    """Fit scikit-learn's mixture of so many components.

    Parameters
    ----------
    points : (n, p) float64
        n >= number.
    number
        Of components.
    shape
        Of their covariances.
    floor
        Added to every variance: without it a component on a few equal objects would
        shrink to a spike.
    seed
        Same points, same seed, same mixture.
    most_steps
        Of expectation maximisation. A mixture that still moves after them is as good as
        its likelihood.
    **begun
        Where to begin, as scikit-learn takes it; by default where k-means ends.
    """
    # Only fitting needs scikit-learn, whose import takes longer than a query does.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415

    mixture = GaussianMixture(
        number,
        covariance_type=shape,
        reg_covar=floor,
        max_iter=_STEPS,
        warm_start=True,  # each `fit` goes on where the last one ended
        random_state=seed,
        **begun,
    )
    # One BLAS thread: on busy cores several wait for each other, many times over.
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer distinct points than components do no harm.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(most_steps // _STEPS):
            caller.check()
            if mixture.fit(points).converged_:
                break
    return mixture
