"""Watches whether the representation collapses to a point.

The loss cannot tell: a collapsed network predicts itself perfectly.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from skylike.service.errors import BadSettings

# Features behind a ReLU share an orthant: healthy and untrained networks lie
# between 0.08 and 0.4, a collapsed one below 0.01.
_ALARM = 0.03


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
