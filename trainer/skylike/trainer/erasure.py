"""What vectors must not tell along any line: how deep an image is.

Two exposures of one object differ in depth, not in kind. Views teach a network to look
past that, but not entirely; what is left is removed from the vectors, here. A linear
predictor does no better than a constant exactly where its target and the vectors do not
covary (Belrose et al. 2023, arXiv:2306.03819), so the direction of their covariance is
projected out (Shao, Ziser & Cohen 2023, arXiv:2203.07893). Depth and kind may go
together in an archive, and kinds must stay: so the covariance is taken within clusters.

Shapes: N stamps of C channels and S x S pixels; D dimensions.
"""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor
from torch.nn import functional

from skylike.trainer.network import fill

_VISIBLE_SIGMA = 3.0
_CLUSTERS = 30
_IN_A_CLUSTER = 20  # stamps, at least, in the mean
_ROUNDING = 1e-9


def signal_to_noise(stamps_NCSS: Tensor) -> Tensor:
    """Mean of signal over noise, weighted by the signal: (N,), at least 3.

    Parameters
    ----------
    stamps_NCSS
        In sigma; NaN where blank. Pixels above 3 sigma count.
    """
    pixels = fill(stamps_NCSS)
    visible = torch.where(pixels > _VISIBLE_SIGMA, pixels, 0.0).flatten(1).double()
    weight = visible.sum(dim=1)
    found = visible.square().sum(dim=1) / weight
    return torch.where(weight > 0, found, _VISIBLE_SIGMA)


def eraser(vectors_ND: Tensor, nuisance_N: Tensor) -> Tensor:
    """What takes a nuisance out of vectors: a projection (D, D), symmetric.

    Parameters
    ----------
    vectors_ND
        Whitened.
    nuisance_N
        A number of each that does not tell its kind.

    Returns
    -------
    Tensor
        float32. The identity where there is too little to learn from: fewer than two
        clusters of 20 vectors, or a nuisance that does not vary.
    """
    number = min(_CLUSTERS, len(vectors_ND) // _IN_A_CLUSTER)
    keep_all = torch.eye(vectors_ND.shape[1])
    if number < 2:
        return keep_all
    units = functional.normalize(vectors_ND, dim=1).numpy()
    with warnings.catch_warnings():  # fewer distinct vectors than clusters do no harm
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(number, n_init=1, random_state=0).fit_predict(units)
    vectors = _within(vectors_ND.double().numpy(), clusters)
    nuisance = _within(nuisance_N.double().numpy()[:, None], clusters)
    if np.abs(nuisance).max() <= _ROUNDING * float(nuisance_N.abs().max()):
        return keep_all
    direction = functional.normalize(
        torch.from_numpy(vectors.T @ nuisance).flatten(), dim=0
    )
    return keep_all - torch.outer(direction, direction).float()


def _within(
    values_NK: NDArray[np.float64], clusters_N: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Values less the mean of their cluster."""
    found = values_NK.copy()
    for cluster in np.unique(clusters_N):
        found[clusters_N == cluster] -= found[clusters_N == cluster].mean(axis=0)
    return found
