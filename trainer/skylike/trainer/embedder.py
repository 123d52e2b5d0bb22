"""The network as it is served: stamps in, unit vectors out.

What a network learned is either the backbone's features or their projections. Features
are non-negative and their largest values few and large: the square root (power
normalisation: Perronnin, Sanchez & Mensink 2010, ECCV) keeps these from deciding who is
near whom. Networks of several runs can speak together: what they have learned differs, and
each has an equal say.

Beside them stand polar Fourier amplitudes of the stamp. What is learned from some
thousand images misses forms it never saw, such as a ring with sharp edges; they do not.
"""

import math
from collections.abc import Sequence

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
# Where a feature is 0 the root's slope is not finite; features are of order 1.
_ROOT_OFFSET = 0.01


class Learned(nn.Module):
    """What one network learned, of stretched pixels.

    Parameters
    ----------
    encoder
        Used in evaluation mode.
    settings
        Of the network: what it gives, and whether that is averaged over the eight
        rotations and flips, which makes it the same for all eight.

    Attributes
    ----------
    num_features
        F.
    """

    def __init__(self, encoder: Encoder, settings: NetworkSettings) -> None:
        super().__init__()
        self.backbone = encoder.backbone.plain()
        self.projection = (
            encoder.projection if settings.output == "projection" else None
        )
        self.is_averaged = settings.d4 and not encoder.backbone.is_invariant
        self.num_features = (
            settings.projection if self.projection else self.backbone.num_features
        )

    def forward(self, pixels_NCSS: Tensor) -> Tensor:
        """Projections, or roots of features, averaged over D4 before the root: (N, F)."""
        if not self.is_averaged:
            found = self._encoded(pixels_NCSS)
        else:
            flipped = pixels_NCSS.transpose(2, 3)
            turned = [
                image.flip(axes)
                for image in (pixels_NCSS, flipped)
                for axes in ((), (2,), (3,), (2, 3))
            ]
            of_all = self._encoded(torch.cat(turned))
            found = torch.unflatten(of_all, 0, (8, -1)).mean(dim=0)
        return found if self.projection else torch.sqrt(found + _ROOT_OFFSET)

    def _encoded(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.backbone(pixels)
        return self.projection(features) if self.projection else features


class Embedder(nn.Module):
    """Front, networks, polar amplitudes, whitening less depth, unit norm.

    Parameters
    ----------
    front
        What stretches stamps.
    learned
        Networks on one archive; there is at least one.
    channels
        Channels of the stamps.
    settings
        Of the first network: how its vectors are whitened, and to which length.

    Attributes
    ----------
    num_learned
        How many of the features are learned; the others are polar amplitudes.
    """

    mean_F: Tensor
    matrix_FD: Tensor

    def __init__(
        self,
        front: Front,
        learned: Sequence[Learned],
        channels: int,
        settings: NetworkSettings,
    ) -> None:
        super().__init__()
        self.front = front
        self.learned = nn.ModuleList(learned)
        self.polar = PolarFourier(front.aperture.shape[0])
        self._lengths = [
            *(network.num_features for network in learned),
            channels * NUM_RINGS * NUM_ORDERS,
        ]
        self.num_learned = sum(self._lengths[:-1])
        self.shrinkage = settings.shrinkage
        self.polar_spread = settings.polar_spread
        self.forgets_depth = settings.forget_depth
        features = sum(self._lengths)
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
        beside: Sequence[tuple[NetworkSettings, dict[str, Tensor]]] = (),
    ) -> "Embedder":
        """An embedder without whitening; with random weights if none are given.

        Networks `beside` the first speak with it.
        """
        channels = len(spec.channels)
        learned = []
        for settings, known in ((network, weights), *beside):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                encoder = Encoder(channels, settings)
            if known is not None:
                encoder.load_state_dict(known)
            learned.append(Learned(encoder, settings))
        front = Front(spec.size, spec.softening_sigma)
        return cls(front, learned, channels, network)

    def features(self, stamps_NCSS: Tensor) -> Tensor:
        """What was learned, and the amplitudes, of stamps in sigma: (N, F)."""
        pixels = self.front(stamps_NCSS)
        parts = [network(pixels) for network in self.learned]
        return torch.cat([*parts, self.polar(pixels)], dim=1)

    def unit(self, features_NF: Tensor) -> Tensor:
        """Features whitened, less what tells the depth, of unit norm: (N, D)."""
        whitened = (features_NF - self.mean_F) @ self.matrix_FD
        return functional.normalize(whitened, dim=1)

    def forward(self, stamps_NCSS: Tensor) -> Tensor:
        """Unit vectors (N, D) of stamps in sigma with NaN."""
        return self.unit(self.features(stamps_NCSS))

    def whiten(self, reference_NCSS: Tensor) -> Tensor:
        """Fit whitening, and erasure if it is wanted, on a reference sample, in place.

        Returns
        -------
        Tensor
            The features of the sample, (N, F).
        """
        features = self.in_batches(reference_NCSS, raw=True)
        weights = part_weights(features, self._lengths, self.polar_spread)
        fitted = fit(features * weights, self.matrix_FD.shape[1], self.shrinkage)
        matrix = fitted.matrix_FD
        if self.forgets_depth:
            whitened = (features * weights - fitted.mean_F) @ matrix
            depth = signal_to_noise(reference_NCSS).log()
            matrix = matrix @ eraser(whitened, depth)
        self.mean_F.copy_(fitted.mean_F / weights)
        self.matrix_FD.copy_(weights[:, None] * matrix)
        return features

    @torch.no_grad()
    def in_batches(self, stamps_NCSS: Tensor, *, raw: bool = False) -> Tensor:
        """Unit vectors of many stamps, or their raw features."""
        # What one batch fills between two layers should stay in the processor's cache.
        self.learned.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        embed = self.features if raw else self
        return torch.cat([embed(part) for part in torch.split(stamps_NCSS, _BATCH)])


def part_weights(
    features_NF: Tensor, lengths: Sequence[int], polar_spread: float
) -> Tensor:
    """What gives every network the same spread, and the amplitudes a share of all theirs.

    Parameters
    ----------
    features_NF : (N, F) float32
        Of a reference sample.
    lengths
        Of the parts of F; the amplitudes are the last.
    polar_spread
        That share.

    Returns
    -------
    (F,) float32
        1 for a part that does not vary.
    """
    variances = torch.split(features_NF.double().var(dim=0), list(lengths))
    learned = len(lengths) - 1
    spreads = [1.0] * learned + [polar_spread * math.sqrt(learned)]
    weights = []
    for variance, spread in zip(variances, spreads, strict=True):
        total = math.sqrt(float(variance.sum()))
        weights.append(torch.full_like(variance, spread / total if total > 0 else 1.0))
    return torch.cat(weights).float()
