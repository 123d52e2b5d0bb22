"""Bootstrap your own latent (Grill et al. 2020, arXiv:2006.07733).

An online network predicts what a slowly moving copy of itself says of another
view of the same image. No labels, no negatives.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from skylike.trainer.config import NetworkSettings
from skylike.trainer.network import Encoder, head


class Byol(nn.Module):
    """Online encoder, prediction head, and the target that follows them.

    Parameters
    ----------
    channels
        Channels of the stamps.
    settings
        Sizes of the networks.
    """

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.online = Encoder(channels, settings)
        self.prediction = head(
            settings.projection, settings.hidden, settings.projection
        )
        self.target = copy.deepcopy(self.online).requires_grad_(requires_grad=False)

    def forward(self, first_NCSS: Tensor, second_NCSS: Tensor) -> Tensor:
        """Loss of two views of the same images.

        Both directions are summed, as in the paper: 0 for perfect prediction, 4
        for unrelated outputs, at most 8.
        """
        views = torch.cat([first_NCSS, second_NCSS])
        with torch.no_grad():
            wanted = self.target(views).chunk(2)[::-1]
        predicted = self.prediction(self.online(views)).chunk(2)
        return distance(predicted[0], wanted[0]) + distance(predicted[1], wanted[1])

    @torch.no_grad()
    def follow(self, tau: float) -> None:
        """Move the target: tau of itself, the rest of the online encoder."""
        for target, online in zip(
            self.target.parameters(), self.online.parameters(), strict=True
        ):
            target.lerp_(online, 1 - tau)


def distance(predicted_NP: Tensor, wanted_NP: Tensor) -> Tensor:
    """Mean of 2 - 2 cos over the batch: 0 for equal directions, 4 for opposite.

    A vector of zeros has no direction: its distance is 2.
    """
    cosine = functional.cosine_similarity(
        predicted_NP.float(), wanted_NP.float(), dim=1
    )
    return (2 - 2 * cosine).mean()


def tau_at(step: int, steps: int, tau: float) -> float:
    """The target's inertia: from `tau` at step 0 along a cosine to 1 at the end."""
    return 1 - (1 - tau) * (math.cos(math.pi * step / steps) + 1) / 2
