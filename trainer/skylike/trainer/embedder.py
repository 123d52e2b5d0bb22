"""The network as it is served: stamps in, unit vectors out.

Features are non-negative and their largest values few and large. The square root
(power normalisation: Perronnin, Sanchez & Mensink 2010, ECCV) keeps these from
deciding who is near whom.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skylike.service.stamp import StampSpec
from skylike.trainer.config import NetworkSettings
from skylike.trainer.network import Backbone, Front
from skylike.trainer.whitening import Whitening, fit

_BATCH = 256
# Where a feature is 0 the root's slope is not finite; features are of order 1.
_ROOT_OFFSET = 0.01


class Embedder(nn.Module):
    """Front, backbone, average over D4, root, whitening, unit norm.

    Parameters
    ----------
    front, backbone
        What turns stamps into features; used in evaluation mode.
    d4
        Whether features are averaged over the eight rotations and flips, which
        makes the vectors the same for all eight.
    dimension
        D.
    """

    mean_F: Tensor
    matrix_FD: Tensor

    def __init__(
        self, front: Front, backbone: Backbone, *, d4: bool, dimension: int
    ) -> None:
        super().__init__()
        self.front = front
        self.backbone = backbone
        self.d4 = d4
        features = backbone.num_features
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
            backbone = Backbone(len(spec.channels), network.width)
        if weights is not None:
            backbone.load_state_dict(weights)
        front = Front(spec.size, spec.softening_sigma)
        dimension = min(network.dimension, backbone.num_features)
        return cls(front, backbone, d4=network.d4, dimension=dimension)

    def features(self, stamps_NCSS: Tensor) -> Tensor:
        """Roots of the features (N, F) of stamps in sigma with NaN."""
        pixels = self.front(stamps_NCSS)
        if not self.d4:
            return torch.sqrt(self.backbone(pixels) + _ROOT_OFFSET)
        flipped = pixels.transpose(2, 3)
        turned = [
            image.flip(axes)
            for image in (pixels, flipped)
            for axes in ((), (2,), (3,), (2, 3))
        ]
        features = self.backbone(torch.cat(turned))
        mean_NF = features.unflatten(0, (8, -1)).mean(dim=0)
        return torch.sqrt(mean_NF + _ROOT_OFFSET)

    def forward(self, stamps_NCSS: Tensor) -> Tensor:
        """Unit vectors (N, D) of stamps in sigma with NaN."""
        whitened = (self.features(stamps_NCSS) - self.mean_F) @ self.matrix_FD
        return functional.normalize(whitened, dim=1)

    def whiten(self, reference_NCSS: Tensor) -> None:
        """Fit the whitening on a reference sample, in place."""
        features = self.in_batches(reference_NCSS, raw=True)
        fitted: Whitening = fit(features, self.matrix_FD.shape[1])
        self.mean_F.copy_(fitted.mean_F)
        self.matrix_FD.copy_(fitted.matrix_FD)

    @torch.inference_mode()
    def in_batches(self, stamps_NCSS: Tensor, *, raw: bool = False) -> Tensor:
        """Unit vectors of many stamps, or their raw features."""
        embed = self.features if raw else self
        return torch.cat([embed(part) for part in torch.split(stamps_NCSS, _BATCH)])
