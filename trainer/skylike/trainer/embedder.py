"""The network as it is served: stamps in, unit vectors out.

Features are non-negative and their largest values few and large. The square root
(power normalisation: Perronnin, Sanchez & Mensink 2010, ECCV) keeps these from
deciding who is near whom.

Beside them stands the radial profile of the stamp, with as much variance in all. What
is learned from some thousand images misses forms it never saw, such as a ring with
sharp edges; the profile does not.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from skylike.service.stamp import StampSpec
from skylike.trainer import backbone as backbones
from skylike.trainer.backbone import Backbone
from skylike.trainer.config import NetworkSettings
from skylike.trainer.network import Front
from skylike.trainer.whitening import fit

NUM_RINGS = 16

_BATCH = 16
# Where a feature is 0 the root's slope is not finite; features are of order 1.
_ROOT_OFFSET = 0.01


class Embedder(nn.Module):
    """Front, backbone, average over D4, root, radial profile, whitening, unit norm.

    Parameters
    ----------
    front, backbone
        What turns stamps into features; used in evaluation mode.
    channels
        Channels of the stamps.
    d4
        Whether features are averaged over the eight rotations and flips, which
        makes the vectors the same for all eight.
    dimension
        D.
    """

    profile_PR: Tensor
    profile_scale: Tensor
    mean_F: Tensor
    matrix_FD: Tensor

    def __init__(
        self,
        front: Front,
        backbone: Backbone,
        *,
        channels: int,
        d4: bool,
        dimension: int,
    ) -> None:
        super().__init__()
        self.front = front
        self.backbone = backbone
        self.d4 = d4
        size = front.aperture.shape[0]
        self.register_buffer("profile_PR", rings(size, NUM_RINGS).T)
        self.register_buffer("profile_scale", torch.ones(()))
        features = backbone.num_features + channels * NUM_RINGS
        self.register_buffer("mean_F", torch.zeros(features))
        self.register_buffer("matrix_FD", torch.eye(features)[:, :dimension])
        self.eval()

    @classmethod
    def build(
        cls,
        spec: StampSpec,
        network: NetworkSettings,
        weights: dict[str, Tensor] | None,
        seed: int = 0,
    ) -> "Embedder":
        """An embedder without whitening; with random weights if none are given."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = backbones.build(len(spec.channels), network)
        if weights is not None:
            backbone.load_state_dict(weights)
        front = Front(spec.size, spec.softening_sigma)
        return cls(
            front,
            backbone,
            channels=len(spec.channels),
            d4=network.d4,
            dimension=min(network.dimension, backbone.num_features),
        )

    def features(self, stamps_NCSS: Tensor) -> Tensor:
        """Roots of the network's features, and the profile, of stamps in sigma: (N, F)."""
        pixels = self.front(stamps_NCSS)
        learned = torch.sqrt(self._invariant(pixels) + _ROOT_OFFSET)
        profile = pixels.flatten(2) @ self.profile_PR
        return torch.cat([learned, self.profile_scale * profile.flatten(1)], dim=1)

    def _invariant(self, pixels: Tensor) -> Tensor:
        """The network's features, averaged over D4."""
        if not self.d4:
            plain_NF: Tensor = self.backbone(pixels)
            return plain_NF
        flipped = pixels.transpose(2, 3)
        turned = [
            image.flip(axes)
            for image in (pixels, flipped)
            for axes in ((), (2,), (3,), (2, 3))
        ]
        features = self.backbone(torch.cat(turned))
        mean_NF: Tensor = features.unflatten(0, (8, -1)).mean(dim=0)
        return mean_NF

    def forward(self, stamps_NCSS: Tensor) -> Tensor:
        """Unit vectors (N, D) of stamps in sigma with NaN."""
        whitened = (self.features(stamps_NCSS) - self.mean_F) @ self.matrix_FD
        return functional.normalize(whitened, dim=1)

    def whiten(self, reference_NCSS: Tensor) -> None:
        """Fit the whitening on a reference sample, in place."""
        features = self.in_batches(reference_NCSS, raw=True)
        scale = profile_scale(features, self.backbone.num_features)
        self.profile_scale.mul_(scale)
        features[:, self.backbone.num_features :].mul_(scale)
        fitted = fit(features, self.matrix_FD.shape[1])
        self.mean_F.copy_(fitted.mean_F)
        self.matrix_FD.copy_(fitted.matrix_FD)

    @torch.no_grad()
    def in_batches(self, stamps_NCSS: Tensor, *, raw: bool = False) -> Tensor:
        """Unit vectors of many stamps, or their raw features."""
        # What one batch fills between two layers should stay in the processor's cache.
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        embed = self.features if raw else self
        return torch.cat([embed(part) for part in torch.split(stamps_NCSS, _BATCH)])


def profile_scale(features_NF: Tensor, num_learned: int) -> float:
    """What gives the profile as much variance as the learned features have."""
    variance = features_NF.double().var(dim=0)
    of_profile = float(variance[num_learned:].sum())
    if not of_profile > 0:
        return 1.0
    return math.sqrt(float(variance[:num_learned].sum()) / of_profile)


def rings(size: int, number: int) -> Tensor:
    """Weights of the pixels in the mean over each ring around the centre: (R, P).

    Rings reach to the edge and are soft, a triangle two rings wide, so that a shift
    by a fraction of a pixel changes little. R rings, P = size² pixels.
    """
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    radius = torch.hypot(axis[:, None], axis[None]).flatten()
    centres = (torch.arange(number) + 0.5) / number
    weights = (1 - number * (radius - centres[:, None]).abs()).clamp(min=0)
    return weights / weights.sum(dim=1, keepdim=True)
