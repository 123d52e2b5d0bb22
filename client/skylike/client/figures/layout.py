"""Where objects lie on a plane: principal components, and t-SNE by scikit-learn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.client.errors import BadInput
from skylike.client.figures.door import load

METRICS = ("cosine", "euclidean")


@dataclass(frozen=True, slots=True, eq=False)
class Principal:
    """Axes along which vectors differ most.

    Attributes
    ----------
    mean
        (dimension,) of the vectors.
    axes
        (number, dimension), unit norm, by falling variance. Of each the entry that is
        largest without its sign is positive: so the same vectors give the same axes.
    explained
        (number,) share of the variance along each.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    explained: NDArray[np.float64]

    def project(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Where vectors (n, dimension) lie: (n, number)."""
        return np.asarray((vectors - self.mean) @ self.axes.T)


def principal(vectors: NDArray[np.floating], number: int) -> Principal:
    """Principal components of (n, dimension) vectors, exactly, by singular values."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    _, values, axes = np.linalg.svd(vectors - mean, full_matrices=False)
    if len(axes) < number:
        raise BadInput(
            f"{len(vectors)} vectors of {vectors.shape[1]} dimensions have no {number} "
            "principal components",
            reason="too_few",
        )
    axes = axes[:number]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.where(axes[np.arange(number), largest] < 0, -1, 1)[:, None]
    variance = values**2
    whole = variance.sum() or 1.0
    return Principal(mean, axes, variance[:number] / whole)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where objects lie, and how that was found.

    Attributes
    ----------
    places
        (n, 2) float64.
    perplexity
        The one that was taken: at most a third of the number of other objects.
    divergence
        Kullback-Leibler divergence at the end; lower is better.
    """

    places: NDArray[np.float64]
    perplexity: float
    divergence: float


def tsne(
    vectors: NDArray[np.floating], *, perplexity: float, seed: int, metric: str
) -> Layout:
    """t-SNE (van der Maaten & Hinton 2008, JMLR 9, 2579), begun from principal components.

    The learning rate grows with n (Belkina et al. 2019, Nature Communications 10, 5415), the
    start is what Kobak & Berens 2019 (Nature Communications 10, 5416) advise.

    Parameters
    ----------
    vectors
        (n, dimension).
    perplexity
        How many neighbours count, roughly.
    seed
        Of what is random.
    metric
        ``cosine`` or ``euclidean``.
    """
    perplexity = min(perplexity, (len(vectors) - 1) / 3)
    places, divergence = load("scientific").tsne(vectors, perplexity, seed, metric)
    return Layout(places, perplexity, divergence)
