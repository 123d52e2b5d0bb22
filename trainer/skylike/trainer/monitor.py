"""Watches a representation while it is learned, without labels.

Whether it collapses to a point, and whether an object is still found when it is seen
differently. The loss tells neither: a collapsed network predicts itself perfectly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skylike.service.errors import BadSettings
from skylike.trainer.whitening import fit

# Features behind a ReLU share an orthant: healthy and untrained networks lie
# between 0.08 and 0.4, a collapsed one below 0.01.
_ALARM = 0.03
_RECALL_AXES = 64
_RECALL_SHRINKAGE = 0.1


@dataclass(frozen=True, slots=True)
class Health:
    """How spread out features are.

    Attributes
    ----------
    spread
        Mean standard deviation of the dimensions of unit-norm features, over
        1/sqrt(F), its value on a uniform sphere.
    rank
        RankMe: the effective number of dimensions.
    """

    spread: float
    rank: float

    @property
    def collapsed(self) -> bool:
        """Whether the features are close to one point."""
        return self.spread < _ALARM


def examine(features_NF: Tensor) -> Health:
    """Measure the spread of features (N, F).

    RankMe is exp of the entropy of the normalised singular values (Garrido et al.
    2023, arXiv:2210.02885). The features are centred first, so that a common
    offset does not count as a dimension.

    Raises
    ------
    BadSettings
        ``not_finite`` if a feature is not a finite number.
    """
    features = features_NF.double()
    if not torch.isfinite(features).all():
        raise BadSettings(
            "the weights grew beyond all numbers: lower the learning rate",
            reason="not_finite",
        )
    unit = torch.nn.functional.normalize(features, dim=1)
    spread = unit.std(dim=0).mean() * features.shape[1] ** 0.5
    values = torch.linalg.svdvals(features - features.mean(dim=0))
    share = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    rank = torch.exp(-(share * share.clamp(min=1e-300).log()).sum())
    return Health(float(spread), float(rank))


def self_recall(features_NF: Tensor, of_views_NF: Tensor) -> float:
    """How well views find the objects they are of, among N: mean reciprocal rank.

    1 if every view is nearest to its own object. Features are whitened first, to 64 axes
    of the objects'. Within one run it rises and levels off with the precision of
    neighbours (measured: trainer/README.md); between runs with other views it says
    nothing.
    """
    whitening = fit(
        features_NF, min(_RECALL_AXES, features_NF.shape[1]), _RECALL_SHRINKAGE
    )
    cosine = whitening.unit(of_views_NF) @ whitening.unit(features_NF).T
    rank = 1 + (cosine > cosine.diagonal()[:, None]).sum(dim=1)
    return float((1 / rank).mean())


def has_levelled_off(recalls: Sequence[float], patience: int) -> bool:
    """Whether none of the last `patience` values is the largest; never if that is 0."""
    if not patience or len(recalls) <= patience:
        return False
    return max(recalls[-patience:]) <= max(recalls[:-patience])
