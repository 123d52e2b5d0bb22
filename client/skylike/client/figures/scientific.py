"""What is taken from scikit-learn and scipy: t-SNE, rank correlation, image filters."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


def tsne(
    vectors: NDArray[np.floating], perplexity: float, seed: int, metric: str
) -> tuple[NDArray[np.float64], float]:
    """Places (n, 2), and the divergence at the end; see `layout.tsne`."""
    method = TSNE(
        perplexity=perplexity,
        metric=metric,
        init="pca",
        learning_rate="auto",
        random_state=seed,
        n_jobs=1,
    )
    # Threads wait for each other so often that on a busy machine one is twenty times
    # as fast; and with one the same seed gives the same places.
    with threadpool_limits(1):
        places = method.fit_transform(np.asarray(vectors, np.float64))
    return np.asarray(places, np.float64), float(method.kl_divergence_)


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Rank correlation, and the p-value of no correlation by Student's t (n - 2)."""
    found = stats.spearmanr(x, y)
    return float(found.statistic), float(found.pvalue)


def groups(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """The pixels of groups, joined by sides or corners, that have `least` or more."""
    numbers, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return np.asarray(sizes[numbers] >= least)


def smoothed(pixels: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Means over squares of `side` pixels."""
    return np.asarray(ndimage.uniform_filter(pixels, side))
