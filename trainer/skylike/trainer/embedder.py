"""The network as it is served: stamps in, unit vectors out.

What was learned is either the backbone's features or their projections. Features are
non-negative and their largest values few and large: the square root (power
normalisation: Perronnin, Sanchez & Mensink 2010, ECCV) keeps these from deciding who is
near whom.

Beside them stand polar Fourier amplitudes of the stamp. What is learned from some
thousand images misses forms it never saw, such as a ring with sharp edges; they do not.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from skylike.service.stamp import StampSpec
from skylike.trainer.config import NetworkSettings
from skylike.trainer.erasure import eraser, signal_to_noise
from skylike.trainer.network import Encoder, Front
from skylike.trainer.polar import NUM_ORDERS, NUM_RINGS, PolarFourier
from skylike.trainer.whitening import fit

_BATCH = 16
_POLAR_SPREAD = 0.3  # of all amplitudes, in that of all that was learned
# Where a feature is 0 the root's slope is not finite; features are of order 1.
_ROOT_OFFSET = 0.01


class Embedder(nn.Module):
    """Front, encoder, average over D4, polar amplitudes, whitening less depth, unit norm.

    Parameters
    ----------
    front, encoder
        What turns stamps into features; used in evaluation mode.
    channels
        Channels of the stamps.
    settings
        Of the network: what it gives, and whether that is averaged over the eight
        rotations and flips, which makes the vectors the same for all eight.

    Attributes
    ----------
    num_learned
        How many of the features are learned; the others are polar amplitudes.
    """

    polar_scale: Tensor
    mean_F: Tensor
    matrix_FD: Tensor

    def __init__(
        self, front: Front, encoder: Encoder, channels: int, settings: NetworkSettings
    ) -> None:
        super().__init__()
        self.front = front
        self.backbone = encoder.backbone.plain()
        self.projection = (
            encoder.projection if settings.output == "projection" else None
        )
        self.is_averaged = settings.d4 and not encoder.backbone.is_invariant
        self.num_learned = (
            settings.projection if self.projection else self.backbone.num_features
        )
        size = front.aperture.shape[0]
        self.polar = PolarFourier(size)
        self.register_buffer("polar_scale", torch.ones(()))
        features = self.num_learned + channels * NUM_RINGS * NUM_ORDERS
        dimension = min(settings.dimension, self.num_learned)
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
            encoder = Encoder(len(spec.channels), network)
        if weights is not None:
            encoder.load_state_dict(weights)
        front = Front(spec.size, spec.softening_sigma)
        return cls(front, encoder, len(spec.channels), network)

    def features(self, stamps_NCSS: Tensor) -> Tensor:
        """What was learned, and the amplitudes, of stamps in sigma: (N, F)."""
        pixels = self.front(stamps_NCSS)
        polar = self.polar_scale * self.polar(pixels)
        return torch.cat([self._learned(pixels), polar], dim=1)

    def _learned(self, pixels: Tensor) -> Tensor:
        """Projections, or roots of features, averaged over D4 before the root."""
        if not self.is_averaged:
            found = self._encoded(pixels)
        else:
            flipped = pixels.transpose(2, 3)
            turned = [
                image.flip(axes)
                for image in (pixels, flipped)
                for axes in ((), (2,), (3,), (2, 3))
            ]
            of_all = self._encoded(torch.cat(turned))
            found = torch.unflatten(of_all, 0, (8, -1)).mean(dim=0)
        return found if self.projection else torch.sqrt(found + _ROOT_OFFSET)

    def _encoded(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.backbone(pixels)
        return self.projection(features) if self.projection else features

    def forward(self, stamps_NCSS: Tensor) -> Tensor:
        """Unit vectors (N, D) of stamps in sigma with NaN."""
        whitened = (self.features(stamps_NCSS) - self.mean_F) @ self.matrix_FD
        return functional.normalize(whitened, dim=1)

    def whiten(self, reference_NCSS: Tensor) -> None:
        """Fit whitening and erasure on a reference sample, in place."""
        features = self.in_batches(reference_NCSS, raw=True)
        scale = polar_scale(features, self.num_learned)
        self.polar_scale.mul_(scale)
        features[:, self.num_learned :].mul_(scale)
        fitted = fit(features, self.matrix_FD.shape[1])
        self.mean_F.copy_(fitted.mean_F)
        whitened = (features - fitted.mean_F) @ fitted.matrix_FD
        depth = signal_to_noise(reference_NCSS).log()
        self.matrix_FD.copy_(fitted.matrix_FD @ eraser(whitened, depth))

    @torch.no_grad()
    def in_batches(self, stamps_NCSS: Tensor, *, raw: bool = False) -> Tensor:
        """Unit vectors of many stamps, or their raw features."""
        # What one batch fills between two layers should stay in the processor's cache.
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        embed = self.features if raw else self
        return torch.cat([embed(part) for part in torch.split(stamps_NCSS, _BATCH)])


def polar_scale(features_NF: Tensor, num_learned: int) -> float:
    """What gives the amplitudes 0.3 of the spread that the learned features have."""
    variance = features_NF.double().var(dim=0)
    of_polar = float(variance[num_learned:].sum())
    if not of_polar > 0:
        return 1.0
    learned = float(variance[:num_learned].sum())
    return _POLAR_SPREAD * math.sqrt(learned / of_polar)
