"""What kinds there are: a Gaussian mixture over the vectors of a collection.

Diagonal covariances, fitted by expectation maximisation (McLachlan & Peel 2000,
Finite Mixture Models); the number of components is the one with the lowest
Bayesian information criterion (Schwarz 1978, Annals of Statistics 6, 461). It is
fitted in all dimensions: the vectors are whitened, so no few directions lead.
"""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import caller

NUM_EXEMPLARS = 5

_GRID = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
_MEMBERS = 10  # objects per component, at least, on average
_SAMPLE = 10_000  # objects that are fitted; the others are only assigned
_STEPS, _MOST_STEPS = 5, 200  # of a fit: between two looks at the caller, and in all
_CHUNK = 1 << 13  # objects assigned at a time
_FLOOR = 0.1  # least variance, in units of the mean variance


class Membership(NamedTuple):
    """The cluster of each of n objects.

    Attributes
    ----------
    labels : (n,) int32
        The most probable one.
    probabilities : (n,) float64
        Its probability.
    similarities : (n,) float64
        Cosine to its centre; 0 if that is the origin.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    similarities: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClusterFit:
    """Clusters by falling size: cluster 0 is the largest.

    Attributes
    ----------
    version
        Number of the fit, growing with every refit of the collection.
    weights : (k,) float64
    means : (k, dimension) float64
    variances : (k, dimension) float64
    sizes
        How many objects are most probably of each cluster.
    exemplar_ids
        Per cluster the ids of its members nearest to its centre, nearest first.
    names
        Per cluster its name.
    """

    version: int
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    sizes: tuple[int, ...]
    exemplar_ids: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """The share of each cluster in each vector.

        Parameters
        ----------
        vectors : (n, dimension) float32, unit norm

        Returns
        -------
        probabilities : (n, k) float64
            Each row sums to 1.
        """
        points = vectors.astype(np.float64)
        squares, products, constants = self._form
        log_shares = points**2 @ squares + points @ products + constants
        log_shares -= log_shares.max(axis=1, keepdims=True)
        shares = np.exp(log_shares)
        probabilities: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
        return probabilities

    def members(self, vectors: NDArray[np.float32]) -> Membership:
        """Where each of any number of objects belongs: (n, dimension), as above."""
        lengths = np.linalg.norm(self.means, axis=1)
        centres = self.means / np.where(lengths > 0, lengths, 1.0)[:, None]
        found = Membership(
            np.empty(len(vectors), np.int32),
            np.empty(len(vectors)),
            np.empty(len(vectors)),
        )
        for start in range(0, len(vectors), _CHUNK):
            caller.check()
            part = slice(start, start + _CHUNK)
            shares = self.probabilities(vectors[part])
            labels = shares.argmax(axis=1)
            found.labels[part] = labels
            found.probabilities[part] = shares.max(axis=1)
            found.similarities[part] = np.vecdot(
                vectors[part].astype(np.float64), centres[labels]
            )
        return found

    @functools.cached_property
    def _form(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """What squares, values and 1 are multiplied by to give log shares.

        The factor (2 pi)^(dimension / 2) is common to all and cancels.
        """
        precisions = 1 / self.variances
        constants = (
            np.log(self.weights)
            - 0.5 * np.log(self.variances).sum(axis=1)
            - 0.5 * (self.means**2 * precisions).sum(axis=1)
        )
        return -0.5 * precisions.T, (self.means * precisions).T, constants

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything but the version, for storage."""
        flat_ids = [id for ids in self.exemplar_ids for id in ids]
        return {
            "weights": self.weights,
            "means": self.means,
            "variances": self.variances,
            "sizes": np.array(self.sizes, np.int64),
            "exemplar_ids": np.array(flat_ids, np.str_),
            "num_exemplars": np.array([len(ids) for ids in self.exemplar_ids]),
            "names": np.array(self.names, np.str_),
        }

    @classmethod
    def from_arrays(cls, version: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The fit of `to_arrays`."""
        ends = np.cumsum(arrays["num_exemplars"])[:-1]
        return cls(
            version=version,
            weights=arrays["weights"],
            means=arrays["means"],
            variances=arrays["variances"],
            sizes=tuple(arrays["sizes"].tolist()),
            exemplar_ids=tuple(
                tuple(ids.tolist()) for ids in np.split(arrays["exemplar_ids"], ends)
            ),
            names=tuple(arrays["names"].tolist()),
        )


def fit(
    vectors: NDArray[np.float32], id_of: Callable[[int], str], seed: int = 0
) -> ClusterFit:
    """Find the clusters of an archive.

    Parameters
    ----------
    vectors : (n, dimension) float32, unit norm
        n >= 2, in an order that is the same whenever the objects are.
    id_of
        The id of one, by its position.
    seed
        Same vectors, same seed, same fit.

    Returns
    -------
    fit
        With version 0: the collection gives it its number. Vectors that are all
        equal, and fewer than 20, are one cluster.
    """
    sample = vectors
    if len(vectors) > _SAMPLE:
        chosen = np.random.default_rng(seed).permutation(len(vectors))[:_SAMPLE]
        sample = vectors[np.sort(chosen)]
    mixture = _fit_mixture(sample.astype(np.float64), seed)
    found = ClusterFit(
        version=0,
        weights=mixture.weights_,
        means=mixture.means_,
        variances=mixture.covariances_,
        sizes=(),
        exemplar_ids=(),
        names=(),
    )
    return _describe(found, vectors, id_of)


def _fit_mixture(points: NDArray[np.float64], seed: int) -> Any:
    """The mixture with the lowest BIC; of equals the one with fewer components."""
    # Only fitting needs scikit-learn, whose import takes longer than a query does.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415

    num_kinds = len(np.unique(points, axis=0))
    most = max(1, min(len(points) // _MEMBERS, num_kinds - 1))
    # Without a floor a component on a few equal objects would shrink to a spike.
    floor = max(_FLOOR * float(points.var(axis=0).mean()), 1e-9)
    best, lowest, worse = None, np.inf, 0
    for num_components in (number for number in _GRID if number <= most):
        mixture = GaussianMixture(
            num_components,
            covariance_type="diag",
            reg_covar=floor,
            max_iter=_STEPS,
            warm_start=True,  # each `fit` goes on where the last one ended
            random_state=seed,
        )
        # One BLAS thread: on busy cores several wait for each other, many times over.
        with threadpool_limits(1), warnings.catch_warnings():
            # One that is still moving after all steps is judged by its BIC as well.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for _ in range(_MOST_STEPS // _STEPS):
                caller.check()
                if mixture.fit(points).converged_:
                    break
        criterion = mixture.bic(points)
        if criterion < lowest:
            best, lowest, worse = mixture, criterion, 0
        else:
            worse += 1
        if worse == 2:
            break
    return best


def _describe(
    found: ClusterFit, vectors: NDArray[np.float32], id_of: Callable[[int], str]
) -> ClusterFit:
    """Order the clusters by size and give each its size, exemplars and name."""
    labels, _, similarities = found.members(vectors)
    sizes = np.bincount(labels, minlength=len(found.weights))
    order = np.argsort(-sizes, kind="stable")
    exemplars = []
    for label in order:
        members = np.flatnonzero(labels == label)
        nearest = members[np.argsort(-similarities[members], kind="stable")]
        exemplars.append(tuple(map(id_of, nearest[:NUM_EXEMPLARS].tolist())))
    return dataclasses.replace(
        found,
        weights=found.weights[order],
        means=found.means[order],
        variances=found.variances[order],
        sizes=tuple(sizes[order].tolist()),
        exemplar_ids=tuple(exemplars),
        names=tuple(f"cluster {number}" for number in range(len(order))),
    )
