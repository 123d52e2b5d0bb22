"""`Space`: the few directions in which the vectors of an archive differ.

Principal components, and beside them one variance for all that is left, as in
probabilistic principal component analysis (Tipping & Bishop 1999, J. R. Statist. Soc. B
61, 611): so a density over the few directions is one over all of them, and an object that
is odd in the others is seen to be.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller

Vectors = NDArray[np.float32]
Points = NDArray[np.float64]

MOST_AXES = 12
_SHARE = 0.8  # of the variance
_ROUNDED = 1e-12  # variance that float32 makes of equal numbers
_FLOOR = 0.03  # of the noise, that is added to the variances of
_MANY = 2500  # objects or more
_CHUNK = 1 << 11  # vectors at a time


class Placed(NamedTuple):
    """Where n vectors are.

    Attributes
    ----------
    points : (n, p) float64
        Along the axes.
    rests : (n,) float64
        Squared distance to the nearest place that the axes reach.
    """

    points: Points
    rests: NDArray[np.float64]

    def at(self, places: NDArray[np.int64] | slice) -> "Placed":
        """Those at some places."""
        return Placed(self.points[places], self.rests[places])

    def parts(self) -> "Iterator[Placed]":
        """All of them, some at a time; the caller is asked between."""
        for start in range(0, len(self.points), _CHUNK):
            caller.check()
            yield self.at(slice(start, start + _CHUNK))


class Space(NamedTuple):
    """Directions of largest variance.

    Attributes
    ----------
    mean : (dimension,) float64
    axes : (p, dimension) float64
        Of unit length, by falling variance.
    noise
        Variance in each of the other directions.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    noise: float

    @classmethod
    def of(cls, vectors: Vectors, most_axes: int = MOST_AXES) -> Self:
        """The directions that hold four fifths of the variance, or as many as may be."""
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors.astype(np.float64) - mean
        variances, axes = np.linalg.eigh(centred.T @ centred / len(vectors))
        variances, axes = np.maximum(variances[::-1], 0.0), axes[:, ::-1].T
        total = variances.sum()
        shares = np.cumsum(variances) / max(total, _ROUNDED)
        count = int(np.searchsorted(shares, _SHARE)) + 1
        count = max(1, min(count, most_axes, len(mean)))
        left = len(mean) - count
        noise = variances[count:].sum() / left if left else 0.0
        # The direction of an axis is arbitrary: the same everywhere, for the same fit.
        largest = np.abs(axes[:count]).argmax(axis=1)
        signs = np.sign(axes[np.arange(count), largest])
        least = max(_ROUNDED, 1e-3 * total / len(mean))
        return cls(mean, axes[:count] * signs[:, None], max(float(noise), least))

    @property
    def num_left(self) -> int:
        """How many directions there are beside the axes."""
        return len(self.mean) - len(self.axes)

    def floor(self, count: int) -> float:
        """Variance that is added along each axis, lest a cluster shrink to a spike.

        The axes have noise of their own already: of many objects this is a small part
        of it, of few, which do not tell it, all.
        """
        return min(_FLOOR * max(_MANY / count, 1.0), 1.0) * self.noise

    def place(self, vectors: Vectors) -> Placed:
        """Where vectors are: (n, dimension), of any number."""
        centred = vectors - self.mean
        points = centred @ self.axes.T
        rests = np.vecdot(centred, centred) - np.vecdot(points, points)
        return Placed(points, np.maximum(rests, 0.0))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, for storage."""
        return {"mean": self.mean, "axes": self.axes, "noise": np.array(self.noise)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The space of `to_arrays`."""
        return cls(arrays["mean"], arrays["axes"], float(arrays["noise"]))
