"""The network: front, backbone, heads.

Shapes: N images, C channels, S pixels a side, F features, P projection, D
dimensions of the exported vector.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skylike.trainer.config import NetworkSettings


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
        filled = fill(stamps_NCSS)
        return torch.asinh(filled / self.softening_sigma) * self.aperture


def fill(stamps_NCSS: Tensor) -> Tensor:
    """Blank pixels, NaN or infinite, become background."""
    return torch.where(torch.isfinite(stamps_NCSS), stamps_NCSS, 0.0)


class Block(nn.Module):
    """Two 3x3 convolutions around a short cut, halving the side (He et al. 2016)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.short_cut = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.residual = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, s, s) to (N, c_out, s/2, s/2)."""
        return torch.relu(self.short_cut(x) + self.residual(x))


class Backbone(nn.Module):
    """Stretched pixels to features: what is kept after training."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 5, 2, 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(
            Block(width, 2 * width),
            Block(2 * width, 4 * width),
            Block(4 * width, 8 * width),
        )
        self.num_features = 2 * (1 + 2 + 4 + 8) * width

    def forward(self, pixels_NCSS: Tensor) -> Tensor:
        """(N, C, S, S) to (N, F): mean and maximum of the maps of every depth.

        Texture and sharpness show in the early maps, arrangement in the late ones.
        """
        maps = self.stem(pixels_NCSS)
        pooled = [_mean_and_maximum(maps)]
        for block in self.blocks:
            maps = block(maps)
            pooled.append(_mean_and_maximum(maps))
        return torch.cat(pooled, dim=1)


def _mean_and_maximum(maps_NCss: Tensor) -> Tensor:
    """(N, C, s, s) to (N, 2 C). Pooling's gradient is cheaper than that of amax."""
    maximum = functional.adaptive_max_pool2d(maps_NCss, 1).flatten(1)
    return torch.cat([maps_NCss.mean((2, 3)), maximum], dim=1)


class Encoder(nn.Module):
    """Backbone and projection head: the half that has a slowly moving twin."""

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.backbone = Backbone(channels, settings.width)
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
