"""`Pca`: the two directions in which the vectors of an archive differ most."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller

Vectors = NDArray[np.float32]

NUM_AXES = 2
_ROUNDED = 1e-12  # variance that float32 makes of equal numbers


class Pca(NamedTuple):
    """Principal components: of all vectors, and the same for the same vectors.

    Attributes
    ----------
    mean : (dimension,) float64
    axes : (2, dimension) float64
        Of unit length, by falling variance; the number of each that is the largest in
        size is above 0. Zeros where there is no such direction.
    shares : (2,) float64
        Of the variance.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, parts: Iterable[Vectors]) -> Self:
        """Fit vectors that come in parts, each (m, dimension); one vector or more.

        Nothing grows with their number.
        """
        origin: NDArray[np.float64] = np.empty(0)
        count, total, products = 0, np.empty(0), np.empty(0)
        for part in parts:
            caller.check()
            if not count:
                # Sums of what is small lose nothing.
                origin = part.mean(axis=0, dtype=np.float64)
                total, products = np.zeros(len(origin)), np.zeros((len(origin),) * 2)
            away = part - origin
            count += len(part)
            total += away.sum(axis=0)
            products += away.T @ away
        offset = total / count
        covariance = products / count - np.outer(offset, offset)
        variances, directions = np.linalg.eigh(covariance)
        variances = np.maximum(variances[::-1], 0.0)
        num = min(NUM_AXES, len(origin))
        axes, shares = np.zeros((NUM_AXES, len(origin))), np.zeros(NUM_AXES)
        if variances.sum() > _ROUNDED:
            axes[:num] = directions[:, ::-1].T[:num]
            shares[:num] = variances[:num] / variances.sum()
        # The direction of an axis is arbitrary: the same everywhere, for the same fit.
        largest = np.abs(axes).argmax(axis=1)
        axes *= np.where(axes[np.arange(NUM_AXES), largest] < 0, -1.0, 1.0)[:, None]
        return cls(origin + offset, axes, shares)

    def place(self, vectors: Vectors) -> NDArray[np.float32]:
        """Where vectors lie: (n, dimension) to (n, 2)."""
        axes = self.axes.astype(np.float32)
        found: NDArray[np.float32] = vectors @ axes.T
        return found - (axes @ self.mean.astype(np.float32))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, for storage."""
        return self._asdict()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The components of `to_arrays`."""
        return cls(arrays["mean"], arrays["axes"], arrays["shares"])
