"""How unlikely something is: a Gaussian mixture of an archive, as density alone.

Diagonal covariances, fitted by expectation maximisation (McLachlan & Peel 2000, Finite
Mixture Models) to a sample. It is not the one that clusters are told by: that one seeks
kinds, and may be of another method.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.mixtures import fit_mixture

_COMPONENTS = 32
_MEMBERS = 25  # objects per component, at least, on average
_MOST_STEPS = 60  # of a fit
_FLOOR = 0.1  # least variance, in units of the mean variance
_CHUNK = 1 << 13  # objects asked about at a time


@dataclass(frozen=True, eq=False)
class Mixture:
    """A density on the sphere's surroundings.

    Attributes
    ----------
    weights : (k,) float64
    means : (k, dimension) float64
    variances : (k, dimension) float64
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]

    @classmethod
    def fitted(cls, vectors: NDArray[np.float32], seed: int) -> Self:
        """That of an archive: (n, dimension), n >= 2. Same seed, same mixture."""
        points = vectors.astype(np.float64)
        num_kinds = len(np.unique(points, axis=0))
        most = max(1, min(len(points) // _MEMBERS, num_kinds - 1))
        # Without a floor a component on a few equal objects would shrink to a spike.
        floor = max(_FLOOR * float(points.var(axis=0).mean()), 1e-9)
        mixture = fit_mixture(
            points,
            min(_COMPONENTS, most),
            "diag",
            floor,
            seed,
            most_steps=_MOST_STEPS,
        )
        return cls(mixture.weights_, mixture.means_, mixture.covariances_)

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """How odd each is: minus the natural logarithm of its density, (n,).

        Parameters
        ----------
        vectors : (n, dimension) float32
        """
        squares, products, constants = self._form
        found = np.empty(len(vectors))
        for start in range(0, len(vectors), _CHUNK):
            caller.check()
            points = vectors[start : start + _CHUNK].astype(np.float64)
            shares = points**2 @ squares + points @ products + constants
            largest = shares.max(axis=1)
            sums = np.exp(shares - largest[:, None]).sum(axis=1)
            found[start : start + _CHUNK] = -(largest + np.log(sums))
        return found

    @functools.cached_property
    def _form(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """What squares, values and 1 are multiplied by to give log densities."""
        precisions = 1 / self.variances
        constants = (
            np.log(self.weights)
            - 0.5 * np.log(2 * np.pi * self.variances).sum(axis=1)
            - 0.5 * (self.means**2 * precisions).sum(axis=1)
        )
        return -0.5 * precisions.T, (self.means * precisions).T, constants

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, for storage."""
        return {
            "weights": self.weights,
            "means": self.means,
            "variances": self.variances,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The mixture of `to_arrays`."""
        return cls(**arrays)
