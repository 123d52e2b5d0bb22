"""Whitening: every direction of the features counts alike.

Fitted without labels on a reference sample, then frozen into the model.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_SHRINKAGE = 0.1
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Centre, rotate onto principal axes, scale to unit variance.

    Attributes
    ----------
    mean_F : (F,) float32
    matrix_FD : (F, D) float32
    """

    mean_F: Tensor
    matrix_FD: Tensor

    def unit(self, features_NF: Tensor) -> Tensor:
        """Whitened features, scaled to unit norm: (N, D)."""
        whitened = (features_NF - self.mean_F) @ self.matrix_FD
        return torch.nn.functional.normalize(whitened, dim=1)


def fit(features_NF: Tensor, dimension: int) -> Whitening:
    """Fit PCA whitening (Kessy, Lewin & Strimmer 2018, Am. Stat. 72, 309).

    Variances are lifted by a tenth of their mean over the kept axes, so that axes
    that hold little but noise are not blown up.

    Parameters
    ----------
    features_NF : (N, F) float32
        Reference sample.
    dimension
        D, the number of axes to keep; at most F. With fewer than D directions in
        the sample, the rest is 0.
    """
    features = features_NF.double()
    mean = features.mean(dim=0)
    centred = features - mean
    covariance = centred.T @ centred / max(1, len(features) - 1)
    variance, axes = torch.linalg.eigh(covariance)
    variance = variance.flip(0)[:dimension].clamp(min=0)
    axes = axes.flip(1)[:, :dimension]
    # The sign of an eigenvector is arbitrary: fix it, so that runs agree.
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    axes = axes * torch.where(largest < 0, -1.0, 1.0)
    lifted = variance + _SHRINKAGE * variance.mean().clamp(min=1e-300)
    # A direction the sample lacks would carry only noise of new objects.
    known = variance > _ROUNDING * variance.max()
    return Whitening(mean.float(), (axes / lifted.sqrt() * known).float())
