"""astromorph's published settings, written anew from its description.

Boschman et al. 2026, arXiv:2602.09223, and the README and usage guide of the project:
ResNet-18 over three equal channels, images scaled to 0..1 by their extremes after the
augmentation (half are mirrored, all turned by any angle, a fifth blurred by 3x3
pixels), one image at a time with two views in both places of the batch, the loss in
one direction, gradients summed over 16 images, Adam at 6e-6, a constant moving average
of 0.99, representation 128, five epochs.
"""

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skylike.trainer.augment import rotation, warp
from skylike.trainer.backbone import ResNet18
from skylike.trainer.byol import distance
from skylike.trainer.config import NetworkSettings
from skylike.trainer.judge.descriptors import Stamps
from skylike.trainer.judge.methods import Describe, Features, Method
from skylike.trainer.network import fill, head

_EPOCHS = 5
_ACCUMULATED = 16
_LEARNING_RATE = 6e-6
_TAU = 0.99
_REPRESENTATION, _PROJECTION, _HIDDEN = 128, 16, 512
_BATCH = 64


def astromorph() -> Method:
    """The method; its features are whitened like those of every baseline."""
    return Method("astromorph", _learn, is_learned=True, is_seeded=True)


def _learn(stamps: Stamps, seed: int) -> Describe:
    random = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        online = nn.Sequential(
            _Representation(), head(_REPRESENTATION, _HIDDEN, _PROJECTION)
        )
        prediction = head(_PROJECTION, _HIDDEN, _PROJECTION)
    target = copy.deepcopy(online).requires_grad_(requires_grad=False)
    optimiser = torch.optim.Adam(
        [*online.parameters(), *prediction.parameters()], lr=_LEARNING_RATE
    )
    images = fill(torch.from_numpy(stamps))
    for _ in range(_EPOCHS):
        for step, number in enumerate(torch.randperm(len(images), generator=random)):
            views = [_view(images[number][None], random) for _ in range(2)]
            pair = torch.cat([views[0], views[1]])
            with torch.no_grad():
                wanted = target(pair.flip(0))
            torch.autograd.backward(distance(prediction(online(pair)), wanted) / 2)
            if (step + 1) % _ACCUMULATED == 0:
                optimiser.step()
                optimiser.zero_grad()
                with torch.no_grad():
                    for mine, theirs in zip(
                        target.parameters(), online.parameters(), strict=True
                    ):
                        mine.lerp_(theirs, 1 - _TAU)
    network = online[0].eval()

    def describe(stamps: Stamps) -> Features:
        with torch.inference_mode():
            found = [
                network(_scaled(fill(torch.from_numpy(stamps[i : i + _BATCH]))))
                for i in range(0, len(stamps), _BATCH)
            ]
        return np.asarray(torch.cat(found).numpy())

    return describe


def _view(image: Tensor, random: torch.Generator) -> Tensor:
    """Mirrored, turned, perhaps blurred, then scaled: (1, 3, S, S)."""
    angle = 2 * math.pi * torch.rand(1, generator=random)
    mirror = torch.tensor(
        [[1.0 - 2 * torch.randint(2, (1,), generator=random), 0], [0, 1]]
    )
    linear = rotation(angle) @ mirror
    view = warp(image, torch.cat([linear, torch.zeros(1, 2, 1)], dim=2))
    if torch.rand(1, generator=random) < 0.2:
        sigma = 1 + torch.rand(1, generator=random)
        line = torch.exp(-0.5 * (torch.arange(-1, 2) / sigma) ** 2)
        kernel = torch.outer(line, line) / line.sum() ** 2
        channels = view.shape[1]
        view = functional.conv2d(
            view, kernel.expand(channels, 1, 3, 3), padding=1, groups=channels
        )
    return _scaled(view)


def _scaled(images: Tensor) -> Tensor:
    """From 0 to 1 by the extremes of each image; a lone channel is stacked thrice."""
    low, high = (
        images.amin((1, 2, 3), keepdim=True),
        images.amax((1, 2, 3), keepdim=True),
    )
    scaled = (images - low) / (high - low)
    return scaled.expand(-1, 3, -1, -1) if images.shape[1] == 1 else scaled


class _Representation(nn.Module):
    """ResNet-18, the mean of its last maps, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet18(3, NetworkSettings(kind="resnet18"))
        self.last = nn.Linear(512, _REPRESENTATION)

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, 128)."""
        found: Tensor = self.last(self.backbone.maps(images_N3SS)[-1].mean((2, 3)))
        return found
