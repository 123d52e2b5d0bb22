"""What stands before the backbone and behind it: front and heads.

Shapes: N images, C channels, S pixels a side, F features, P projection, D
dimensions of the exported vector.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skylike.trainer.backbone import Backbone, LightCNN, ResNet18
from skylike.trainer.config import NetworkSettings
from skylike.trainer.equivariant import EquivariantCNN

_LARGEST = 1e18  # whose square is a number still
_LARGEST_FLOAT = torch.finfo(torch.float32).max


class Front(nn.Module):
    """What comes before the first weight: blank pixels, stretch and aperture.

    Blank pixels become background. asinh keeps faint and bright structure alike
    (Lupton, Gunn & Szalay 1999, AJ 118, 1406). A round aperture with a soft rim
    makes every rotation of a stamp show the same piece of sky.
    """

    aperture: Tensor

    def __init__(self, size: int, softening_sigma: float) -> None:
        super().__init__()
        self.softening_sigma = softening_sigma
        axis = (torch.arange(size) + 0.5) / size * 2 - 1
        radius = torch.hypot(axis[:, None], axis[None])
        rim = 4 / size
        aperture = ((1 - radius) / rim).clamp(0, 1)
        self.register_buffer("aperture", aperture, persistent=False)

    def forward(self, stamps_NCSS: Tensor) -> Tensor:
        """Stamps in sigma, with NaN, to stretched pixels without."""
        return self.stretch(fill(stamps_NCSS))

    def stretch(self, filled_NCSS: Tensor) -> Tensor:
        """The same of stamps that have no blank pixels."""
        return asinh(filled_NCSS / self.softening_sigma) * self.aperture


def fill(stamps_NCSS: Tensor) -> Tensor:
    """Blank pixels, NaN or infinite, become background."""
    # No NaN is smaller than anything: fewer steps in the exported graph than nan_to_num.
    return torch.where(stamps_NCSS.abs() <= _LARGEST_FLOAT, stamps_NCSS, 0.0)


def asinh(x: Tensor) -> Tensor:
    """The inverse hyperbolic sine, to 1e-7, by functions that processors vectorise.

    Beyond 1e18 it stays what it is there: 42.1.
    """
    size = x.abs().clamp_(max=_LARGEST)
    found = torch.log(size.square().add_(1).sqrt_() + size)
    if torch.onnx.is_in_onnx_export():  # ONNX has no copysign
        return torch.where(x < 0, -found, found)
    return torch.copysign(found, x)


_BACKBONES: dict[str, Callable[[int, NetworkSettings], Backbone]] = {
    "equivariant": EquivariantCNN,
    "light": LightCNN,
    "resnet18": ResNet18,
}


def build_backbone(channels: int, settings: NetworkSettings) -> Backbone:
    """The backbone that settings name, with random weights."""
    return _BACKBONES[settings.kind](channels, settings)


class Encoder(nn.Module):
    """Backbone and projection head: the half that has a slowly moving twin."""

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.backbone = build_backbone(channels, settings)
        self.projection = head(
            self.backbone.num_features, settings.hidden, settings.projection
        )

    def forward(self, pixels_NCSS: Tensor) -> Tensor:
        """(N, C, S, S) to projections (N, P)."""
        projection_NP: Tensor = self.projection(self.backbone(pixels_NCSS))
        return projection_NP


def head(length_in: int, hidden: int, length_out: int) -> nn.Sequential:
    """Linear, norm, ReLU, linear; no norm on the output (Grill et al. 2020)."""
    return nn.Sequential(
        nn.Linear(length_in, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, length_out),
    )
