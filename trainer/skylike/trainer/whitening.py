"""Whitening: every direction of the features counts alike.

Fitted without labels on a reference sample, then frozen into the model.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Centre, rotate onto principal axes, scale towards unit variance.

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


@dataclass(frozen=True, slots=True, eq=False)
class PrincipalAxes:
    """Where a reference sample spreads.

    Attributes
    ----------
    mean_F : (F,) float64
    variance_F : (F,) float64
        Along the axes, falling.
    axes_FF : (F, F) float64
        One axis a column.
    """

    mean_F: Tensor
    variance_F: Tensor
    axes_FF: Tensor

    def whitening(self, dimension: int, shrinkage: float) -> Whitening:
        """Keep so many axes, at most F; those the sample lacks become 0.

        Variances are lifted by a share of their mean over the kept axes, so that axes
        that hold little but noise are not blown up.
        """
        variance = self.variance_F[:dimension].clamp(min=0)
        lifted = variance + shrinkage * variance.mean().clamp(min=1e-300)
        # A direction the sample lacks would carry only noise of new objects.
        known = variance > _ROUNDING * variance.max()
        matrix = self.axes_FF[:, :dimension] / lifted.sqrt() * known
        return Whitening(self.mean_F.float(), matrix.float())


def principal_axes(features_NF: Tensor) -> PrincipalAxes:
    """The principal axes of a reference sample: (N, F) float32."""
    features = features_NF.double()
    mean = features.mean(dim=0)
    centred = features - mean
    covariance = centred.T @ centred / max(1, len(features) - 1)
    variance, axes = torch.linalg.eigh(covariance)
    variance, axes = variance.flip(0), axes.flip(1)
    # The sign of an eigenvector is arbitrary: fix it, so that runs agree.
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    return PrincipalAxes(mean, variance, axes * torch.where(largest < 0, -1.0, 1.0))


def fit(features_NF: Tensor, dimension: int, shrinkage: float) -> Whitening:
    """Fit PCA whitening (Kessy, Lewin & Strimmer 2018, Am. Stat. 72, 309).

    Parameters
    ----------
    features_NF : (N, F) float32
        Reference sample.
    dimension
        D, the number of axes to keep; at most F.
    shrinkage
        How far variances are lifted, as a share of their mean.
    """
    return principal_axes(features_NF).whitening(dimension, shrinkage)
