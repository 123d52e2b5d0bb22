"""Backbones: stretched pixels to features, which are what is kept after training.

Shapes: N images, C channels, S pixels a side, F features; c and s are channels and
side of a map inside.
"""

import copy
import itertools
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from skylike.trainer.config import NetworkSettings


class Backbone(nn.Module, ABC):
    """A convolutional network of which every depth speaks.

    Attributes
    ----------
    num_features
        F.
    is_invariant
        Whether features are the same for all eight turns and mirror images.
    """

    num_features: int
    is_invariant = False

    @abstractmethod
    def maps(self, pixels_NCSS: Tensor) -> list[Tensor]:
        """The maps (N, c, s, s) of every depth, the shallowest first."""

    def pool(self, maps_Ncss: Tensor) -> Tensor:
        """Mean and maximum of every map: (N, 2 c)."""
        return torch.cat(mean_and_maximum(maps_Ncss), dim=1)

    def forward(self, pixels_NCSS: Tensor) -> Tensor:
        """(N, C, S, S) to (N, F): what is pooled from the maps of every depth.

        Texture and sharpness show in the early maps, arrangement in the late ones.
        """
        return torch.cat([self.pool(maps) for maps in self.maps(pixels_NCSS)], dim=1)

    def plain(self) -> "Backbone":
        """A copy for evaluation, of operations that can be exported."""
        return copy.deepcopy(self).eval()


def mean_and_maximum(maps_Ncss: Tensor) -> tuple[Tensor, Tensor]:
    """Of every map: (N, c) each.

    In an exported graph, windows as large as the map stay in the layout that convolutions
    are fast in; torch takes longer over them.
    """
    if not torch.onnx.is_in_onnx_export():
        maximum = functional.adaptive_max_pool2d(maps_Ncss, 1).flatten(1)
        return maps_Ncss.mean((2, 3)), maximum
    side = maps_Ncss.shape[-1]
    mean = functional.avg_pool2d(maps_Ncss, side).flatten(1)
    return mean, functional.max_pool2d(maps_Ncss, side).flatten(1)


class LightCNN(Backbone):
    """A stem and up to three residual blocks; every layer halves the side."""

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        widths = [settings.width * 2**i for i in range(settings.layers)]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 5, 2, 2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.ModuleList(
            ResidualBlock(a, b, 2, pooled=True) for a, b in itertools.pairwise(widths)
        )
        self.num_features = 2 * sum(widths)

    def maps(self, pixels_NCSS: Tensor) -> list[Tensor]:
        """Of the stem and of every block."""
        found = [self.stem(pixels_NCSS)]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found


class ResNet18(Backbone):
    """He et al. 2016, CVPR, table 1, cut after one of its four layers."""

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        widths = [64, 64, 128, 256, 512][: settings.layers + 1]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        self.layers = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(a, b, 1 if i == 0 else 2), ResidualBlock(b, b, 1)
            )
            for i, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.num_features = 2 * sum(widths[1:])

    def maps(self, pixels_NCSS: Tensor) -> list[Tensor]:
        """Of every layer, at a quarter of the side and less."""
        maps, found = self.stem(pixels_NCSS), []
        for layer in self.layers:
            maps = layer(maps)
            found.append(maps)
        return found


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a short cut (He et al. 2016).

    Parameters
    ----------
    channels_in, channels_out
    stride
        2 halves the side.
    pooled
        Whether a short cut that halves the side takes means of 2x2 pixels instead of
        every other one (He et al. 2019, arXiv:1812.01187, ResNet-D).
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, *, pooled: bool = False
    ) -> None:
        super().__init__()
        self.short_cut = nn.Sequential()
        if stride > 1 or channels_in != channels_out:
            self.short_cut = nn.Sequential(
                *([nn.AvgPool2d(stride)] if pooled else []),
                nn.Conv2d(
                    channels_in, channels_out, 1, 1 if pooled else stride, bias=False
                ),
                nn.BatchNorm2d(channels_out),
            )
        self.residual = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, s, s) to (N, c_out, s / stride, s / stride)."""
        return torch.relu(self.short_cut(x) + self.residual(x))
