"""The shape of the cloud of vectors: whether kinds stand apart, and how it is spread."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    silhouette_score,
)

from skylike.trainer.judge.neighbors import Kinds

_MOST_PAIRS = 2000  # objects among which all pairs are looked at
_TINY = 1e-7


def structure(
    vectors_ND: NDArray[np.float32], kinds: Kinds, seed: int = 0
) -> dict[str, float]:
    """Figures of the cloud as a whole.

    Parameters
    ----------
    vectors_ND : (n, D) float32, unit norm
    kinds : (n,) str
        At least two of them.
    seed
        Of the clustering and of the objects looked at.

    Returns
    -------
    dict
        ``silhouette``: mean of (b - a) / max(a, b), mean cosine distances to the own
        and the nearest other kind (Rousseeuw 1987, J. Comput. Appl. Math. 20, 53).
        ``ari``, ``nmi``: agreement of k-means, with as many clusters as there are
        kinds, with the kinds (Hubert & Arabie 1985, J. Classif. 2, 193; Vinh et al.
        2010, JMLR 11, 2837). ``rankme``: exp of the entropy of the singular values
        (Garrido et al. 2022, arXiv:2210.02885); compare within one method.
        ``uniformity``: log of the mean of exp(-2 d²) over pairs (Wang & Isola 2020,
        arXiv:2005.10242); lower is more uniform.
    """
    number = len(set(kinds))
    clusters = KMeans(number, n_init=10, random_state=seed).fit_predict(vectors_ND)
    chosen = np.random.default_rng(seed).permutation(len(vectors_ND))[:_MOST_PAIRS]
    part = vectors_ND[chosen]
    return {
        "silhouette": float(silhouette_score(part, kinds[chosen], metric="cosine")),
        "ari": float(adjusted_rand_score(kinds, clusters)),
        "nmi": float(normalized_mutual_info_score(kinds, clusters)),
        "rankme": _rankme(vectors_ND),
        "uniformity": _uniformity(part),
    }


def _rankme(vectors_ND: NDArray[np.float32]) -> float:
    values = np.linalg.svd(vectors_ND, compute_uv=False).astype(np.float64)
    share = values / values.sum() + _TINY
    return float(np.exp(-np.sum(share * np.log(share))))


def _uniformity(vectors_ND: NDArray[np.float32]) -> float:
    cosine = vectors_ND @ vectors_ND.T
    upper = cosine[np.triu_indices(len(cosine), 1)].astype(np.float64)
    return float(np.log(np.mean(np.exp(-2 * (2 - 2 * upper)))))
