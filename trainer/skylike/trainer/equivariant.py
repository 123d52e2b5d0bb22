"""A network that turns with the image: group convolutions over D4.

Every filter stands in eight orientations, the four quarter turns and their mirror
images (Cohen & Welling 2016, arXiv:1602.07576, p4m). If the image turns, its maps turn
and their orientations change places; what is pooled over both stays the same. So one
pass gives what the mean over eight passes would, up to rounding.

Channels of maps are ordered (filter, orientation). Shapes: N images, C channels of the
image, S pixels a side, F features, f filters, s side of a map.
"""

import copy
import itertools
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from skylike.trainer.backbone import Backbone, mean_and_maximum
from skylike.trainer.config import NetworkSettings

ORIENTATIONS = 8
_TINY = 1e-6  # so that a root has a slope at 0; features are of order 1
_STEM_SIDE = 6  # even, so that a stride of 2 treats both ends alike


def turned(images: Tensor, orientation: int) -> Tensor:
    """Images (..., s, s) in one of eight orientations; 0 leaves them as they are."""
    mirror, quarters = divmod(orientation, 4)
    mirrored = images.flip(-1) if mirror else images
    return torch.rot90(mirrored, quarters, (-2, -1))


def _orientation_of(image: Tensor, turned_image: Tensor) -> int:
    found = (turned(image, g).equal(turned_image) for g in range(ORIENTATIONS))
    return list(found).index(True)


def _seen_by() -> Tensor:
    """Row g: where the filter turned by g finds each orientation of its input."""
    image = torch.arange(9).view(3, 3)
    every = range(ORIENTATIONS)
    product = [[_orientation_of(image, turned(turned(image, h), g)) for h in every] for g in every]  # fmt: skip
    inverse = [row.index(0) for row in product]
    return torch.tensor([[product[inverse[g]][h] for h in every] for g in every])


_SEEN_BY = _seen_by()


class _Layer(nn.Module):
    """A convolution in eight orientations, and batch normalisation.

    Parameters
    ----------
    channels_in
        Channels of the image, or filters of the layer before.
    filters
        f.
    side
        Of the kernel.
    stride, padding
    is_first
        Whether the input is the image, which has no orientations.
    """

    def __init__(
        self,
        channels_in: int,
        filters: int,
        side: int,
        *,
        stride: int = 1,
        padding: int = 0,
        is_first: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.is_first = stride, padding, is_first
        depth = channels_in * (1 if is_first else ORIENTATIONS)
        spread = math.sqrt(2 / (depth * side * side))  # He et al. 2015
        self.weight = nn.Parameter(spread * torch.randn(filters, depth, side, side))
        self.norm = _Norm(filters)

    def kernels(self) -> Tensor:
        """The filters in all orientations: (8 f, channels, side, side)."""
        if self.is_first:
            every = [turned(self.weight, g) for g in range(ORIENTATIONS)]
        else:
            parts = torch.unflatten(self.weight, 1, (-1, ORIENTATIONS))
            every = [
                turned(parts[:, :, _SEEN_BY[g]].flatten(1, 2), g)
                for g in range(ORIENTATIONS)
            ]
        return torch.stack(every, dim=1).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, s, s) to (N, 8 f, s / stride, s / stride)."""
        maps = functional.conv2d(
            x, self.kernels(), stride=self.stride, padding=self.padding
        )
        normal: Tensor = self.norm(maps)
        return normal

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """The same in evaluation mode, as one plain convolution."""
        kernels = self.kernels()
        mean, variance, weight, bias = self.norm.by_channel()
        scale = weight / (variance + self.norm.eps).sqrt()
        layer = nn.Conv2d(
            kernels.shape[1], len(kernels), kernels.shape[2], self.stride, self.padding
        )
        layer.weight.copy_(kernels * scale[:, None, None, None])
        assert layer.bias is not None
        layer.bias.copy_(bias - mean * scale)
        return layer.requires_grad_(requires_grad=False)


class _Norm(nn.BatchNorm2d):
    """Batch normalisation whose weights are of filters.

    Statistics are of channels while training, where they differ by chance only, and
    those of a filter's eight orientations are averaged in evaluation, where they must
    not differ at all.
    """

    def __init__(self, filters: int) -> None:
        super().__init__(filters * ORIENTATIONS)
        self.weight = nn.Parameter(torch.ones(filters))
        self.bias = nn.Parameter(torch.zeros(filters))

    def by_channel(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean, variance, weight and bias for evaluation: (8 f,) each."""
        assert self.running_mean is not None
        assert self.running_var is not None
        of_filter = (
            torch.unflatten(self.running_mean, 0, (-1, ORIENTATIONS)).mean(1),
            torch.unflatten(self.running_var, 0, (-1, ORIENTATIONS)).mean(1),
            self.weight,
            self.bias,
        )
        mean, variance, weight, bias = (
            numbers.repeat_interleave(ORIENTATIONS) for numbers in of_filter
        )
        return mean, variance, weight, bias

    def forward(self, x: Tensor) -> Tensor:
        """(N, 8 f, s, s) to the same shape."""
        mean, variance, weight, bias = self.by_channel()
        if not self.training:
            return functional.batch_norm(x, mean, variance, weight, bias, eps=self.eps)
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            weight,
            bias,
            training=True,
            momentum=self.momentum or 0.0,
            eps=self.eps,
        )


class _Block(nn.Module):
    """Means of 2x2 pixels, then a 3x3 convolution beside a 1x1 one."""

    def __init__(self, filters_in: int, filters: int) -> None:
        super().__init__()
        self.residual = _Layer(filters_in, filters, 3, padding=1)
        self.short_cut = _Layer(filters_in, filters, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 8 f_in, s, s) to (N, 8 f, s / 2, s / 2)."""
        channels = x.shape[1]
        # As a convolution: avg_pool2d takes four times as long, with its gradient.
        mean = x.new_full((channels, 1, 2, 2), 0.25)
        x = functional.conv2d(x, mean, stride=2, groups=channels)
        return torch.relu(self.short_cut(x) + self.residual(x))

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """Both convolutions as one: they are linear, and see the same pixels."""
        found, narrow = self.residual.plain(), self.short_cut.plain()
        assert found.bias is not None
        assert narrow.bias is not None
        found.weight[:, :, 1:2, 1:2] += narrow.weight
        found.bias += narrow.bias
        return found


class EquivariantCNN(Backbone):
    """A stem and up to three blocks; every layer halves the side.

    Four features are pooled for each filter.
    """

    is_invariant = True

    def __init__(self, channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        widths = [settings.width * 2**i for i in range(settings.layers)]
        filters = [width // ORIENTATIONS for width in widths]
        self.stem: nn.Module = _Layer(
            channels, filters[0], _STEM_SIDE, stride=2, padding=2, is_first=True
        )
        self.blocks = nn.ModuleList(
            _Block(a, b) for a, b in itertools.pairwise(filters)
        )
        self.num_features = 4 * sum(filters)

    def maps(self, pixels_NCSS: Tensor) -> list[Tensor]:
        """Of the stem and of every block."""
        found = [torch.relu(self.stem(pixels_NCSS))]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def pool(self, maps_Ncss: Tensor) -> Tensor:
        """(N, 8 f, s, s) to (N, 4 f): no turn of the image changes them.

        Over a filter's orientations: mean and standard deviation of the means, largest
        and mean of the maxima.
        """
        means, maxima = (
            torch.unflatten(found, 1, (-1, ORIENTATIONS))
            for found in mean_and_maximum(maps_Ncss)
        )
        spread = (means - means.mean(2, keepdim=True)).square().mean(2)
        parts = [means.mean(2), (spread + _TINY).sqrt(), maxima.amax(2), maxima.mean(2)]
        return torch.cat(parts, dim=1)

    def plain(self) -> "EquivariantCNN":
        """A copy for evaluation: the stem and every block are one convolution each."""
        found = copy.deepcopy(self).eval()
        found.stem = cast(_Layer, found.stem).plain()
        found.blocks = nn.ModuleList(
            nn.Sequential(nn.AvgPool2d(2), cast(_Block, block).plain(), nn.ReLU())
            for block in found.blocks
        )
        return found
