"""`Gaussians`: clusters as the components of a mixture.

Fitted by expectation maximisation (McLachlan & Peel 2000, Finite Mixture Models), with
full or diagonal covariances; or by k-means, which is the mixture of round components of
one size each (Celeux & Govaert 1992, Comput. Statist. Data Anal. 14, 315). Beside them is
a background, which objects belong to that none of the components explains (Banfield &
Raftery 1993, Biometrics 49, 803): as dense as a component is at its end.
"""

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import caller
from skylike.service.clusters.space import Placed, Points, Space
from skylike.service.mixtures import Shape

OUTSIDE = 0.01
"""Share of the objects of a component that lie beyond its end."""

_FAR = 500.0  # an exponent beyond which there is nothing but the background
_UPPER = 0.9  # quantile that tells how far a component spreads
_FEW = 10  # members that tell nothing of it
_STARTS = 3  # of k-means; the best is taken


@dataclass(frozen=True, eq=False)
class Gaussians:
    """A mixture in the axes of a space.

    Attributes
    ----------
    space
        Where the components are.
    weights : (k,) float64
    means : (k, p) float64
    roots : (k, p, p) float64
        Of the precisions: their product with their transpose is the precision.
    log_backgrounds : (k,) float64
        Log density, near each component, of what is in none.
    """

    space: Space
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    roots: NDArray[np.float64]
    log_backgrounds: NDArray[np.float64]

    CLEARLY: ClassVar = 3.0
    """By how much the mean of `explained` of what is clearly better is higher."""

    def shares(self, placed: Placed) -> NDArray[np.float64]:
        """The share of each component, and of none, in each object: (n, k + 1)."""
        logs = np.empty((len(placed.points), len(self.weights) + 1))
        inside = self._log_densities(placed)
        # Ufuncs, not methods: most of the time that a single object takes is calls.
        most = np.maximum.reduce(inside, axis=1, keepdims=True)
        np.subtract(inside, most, out=logs[:, :-1])
        # The background is that of the component within which an object lies furthest.
        outside = np.minimum.reduce(self.log_backgrounds - inside, axis=1)
        np.minimum(outside, _FAR, out=logs[:, -1])
        found: NDArray[np.float64] = np.exp(logs, out=logs)
        found /= np.add.reduce(found, axis=1, keepdims=True)
        return found

    def explained(self, placed: Placed) -> NDArray[np.float64]:
        """Log of the density of all components and the background together: (n,)."""
        inside = self._log_densities(placed)
        outside = inside.max(axis=1) - (inside - self.log_backgrounds).max(axis=1)
        found: NDArray[np.float64] = np.logaddexp(
            np.logaddexp.reduce(inside, axis=1), outside
        )
        return found

    def bounded(self, placed: Placed) -> Self:
        """The same, with a background as dense as each component is at its end.

        The cube roots of the squared distances of the members of a component from its
        mean, in its covariance, are nearly normal (Wilson & Hilferty 1931, Proc. Natl.
        Acad. Sci. 17, 684). Their median and 90 % quantile, which few artefacts do not
        move, tell where the last hundredth of them would be, unless none is so far; at
        least it is where the chi-squared distribution has it.

        Parameters
        ----------
        placed
            A sample of the archive.
        """
        from scipy.special import chdtri, ndtri  # noqa: PLC0415

        peaks = self._form[2]
        labels = np.empty(len(placed.points), np.int64)
        roots = np.empty(len(labels))
        done = 0
        for part in placed.parts():
            logs = self._log_densities(part)
            some = slice(done, done + len(logs))
            labels[some] = own = logs.argmax(axis=1)
            roots[some] = np.cbrt(2 * (peaks[own] - logs[np.arange(len(logs)), own]))
            done += len(logs)
        expected = float(chdtri(len(self.space.mean), OUTSIDE))
        steps = ndtri(1 - OUTSIDE) / ndtri(_UPPER)
        reaches = np.full(len(peaks), expected)
        for label in range(len(peaks)):
            mine = roots[labels == label]
            if len(mine) >= _FEW:
                middle, upper = np.quantile(mine, (0.5, _UPPER))
                end = min(middle + steps * (upper - middle), mine.max())
                reaches[label] = max(end**3, expected)
        return replace(self, log_backgrounds=peaks - 0.5 * reaches)

    def taken(self, order: NDArray[np.int64]) -> Self:
        """The same with some of its components, or all, in another order."""
        whole = self.weights[order].sum()
        return replace(
            self,
            weights=self.weights[order] / whole,
            means=self.means[order],
            roots=self.roots[order],
            log_backgrounds=self.log_backgrounds[order] - np.log(whole),
        )

    def _log_densities(self, placed: Placed) -> NDArray[np.float64]:
        """Log of weight times density of each component: (n, k)."""
        roots, shifts, peaks = self._form
        # All components at once: one product of matrices.
        apart = placed.points @ roots
        apart -= shifts
        each = apart.reshape(-1, *self.means.shape)
        squares = np.vecdot(each, each)
        squares += (placed.rests * (0.5 / self.space.noise))[:, None]
        found: NDArray[np.float64] = peaks - squares
        return found

    @functools.cached_property
    def _form(self) -> tuple[Points, NDArray[np.float64], NDArray[np.float64]]:
        """Roots of half precisions side by side, the means by them, log peak densities."""
        count, num_axes = self.means.shape
        halves = self.roots * np.sqrt(0.5)
        roots = halves.transpose(1, 0, 2).reshape(num_axes, count * num_axes)
        shifts = np.einsum("kp,kpq->kq", self.means, halves).ravel()
        _, log_roots = np.linalg.slogdet(self.roots)
        peaks = (
            np.log(self.weights)
            + log_roots
            - 0.5 * len(self.space.mean) * np.log(2 * np.pi)
            - 0.5 * self.space.num_left * np.log(self.space.noise)
        )
        return roots, shifts, peaks

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, for storage."""
        return self.space.to_arrays() | {
            "mixing": self.weights,
            "means": self.means,
            "roots": self.roots,
            "log_background": self.log_backgrounds,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The mixture of `to_arrays`."""
        return cls(
            Space.from_arrays(arrays),
            arrays["mixing"],
            arrays["means"],
            arrays["roots"],
            # An earlier skylike had one for all.
            np.full(len(arrays["mixing"]), arrays["log_background"]),
        )


def begun_at(start: Gaussians, shape: Shape) -> dict[str, Any]:
    """Where scikit-learn begins, to go on from a mixture of components of one shape."""
    precisions = start.roots @ start.roots.transpose(0, 2, 1)
    return {
        "weights_init": start.weights,
        "means_init": start.means,
        "precisions_init": precisions
        if shape == "full"
        else np.diagonal(precisions, axis1=1, axis2=2),
    }


def mixture_of(space: Space, fitted: Any) -> Gaussians:
    """What scikit-learn has fitted in a space."""
    roots = fitted.precisions_cholesky_
    if roots.ndim == 2:
        roots = roots[:, :, None] * np.eye(roots.shape[1])
    return _unbounded(space, fitted.weights_, fitted.means_, roots)


def fit_k_means(
    space: Space,
    points: Points,
    number: int,
    seed: int,
    start: Gaussians | None = None,
) -> Gaussians:
    """Round components around the centres that k-means finds."""
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    caller.check()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(
            number,
            init="k-means++" if start is None else start.means,
            n_init=_STARTS if start is None else 1,
            random_state=seed,
        ).fit(points)
    counts = np.bincount(found.labels_, minlength=number)
    squares = np.square(points - found.cluster_centers_[found.labels_]).sum(axis=1)
    sums = np.bincount(found.labels_, squares, minlength=number)
    variances = sums / np.maximum(counts, 1) / points.shape[1] + space.floor(
        len(points)
    )
    there = counts > 0
    roots = np.eye(points.shape[1]) / np.sqrt(variances[there])[:, None, None]
    weights = counts[there] / len(points)
    return _unbounded(space, weights, found.cluster_centers_[there], roots)


def _unbounded(
    space: Space,
    weights: NDArray[np.float64],
    means: Points,
    roots: NDArray[np.float64],
) -> Gaussians:
    return Gaussians(space, weights, means, roots, np.full(len(weights), -np.inf))
