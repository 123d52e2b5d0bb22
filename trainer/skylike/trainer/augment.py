"""Two views of an object: other angles, distances, depths, detectors.

Everything that should not matter changes; everything that makes the kind of an
object stays. All geometry is one affine warp, so that pixels are interpolated
once; noise comes after it, so that it is not correlated by it.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from skylike.trainer.config import ViewSettings
from skylike.trainer.network import Front, fill

_MAX_PATCHES = 3
_PATCH_SHARE = 0.18
_SHARP_PIXELS = 0.05  # a Gaussian this narrow leaves the pixels as they are
_LARGEST_EXPONENT = 30  # what a Gaussian has beyond is lost in float32, and slow there


class Chance:
    """Random numbers for N views, by one generator for each part of them.

    So the views of a part are the same wherever, and beside whatever, they are made.

    Parameters
    ----------
    count
        N, dealt out as evenly as `torch.tensor_split` does.
    generators
        On one device, which is where the numbers are.
    """

    def __init__(self, count: int, *generators: torch.Generator) -> None:
        small, larger = divmod(count, len(generators))
        self._parts = [
            (small + (number < larger), generator)
            for number, generator in enumerate(generators)
        ]
        self.device = generators[0].device

    def uniform(self, *shape: int) -> Tensor:
        """(N, *shape) float32 from 0 to below 1."""
        return self._drawn(torch.rand, shape)

    def normal(self, *shape: int) -> Tensor:
        """(N, *shape) float32 of mean 0 and variance 1."""
        return self._drawn(torch.randn, shape)

    def below(self, count: int) -> Tensor:
        """(N,) int64 from 0 to below a count."""
        return (self.uniform() * count).long().clamp(max=count - 1)

    def _drawn(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        return torch.cat(
            [
                draw((count, *shape), generator=generator, device=self.device)
                for count, generator in self._parts
            ]
        )


class Views:
    """Makes views of stamps, ready for the backbone.

    Parameters
    ----------
    settings
        How far views may differ.
    front
        Stretch and aperture of the model.
    """

    def __init__(self, settings: ViewSettings, front: Front) -> None:
        self.settings = settings
        self.front = front

    @torch.no_grad()
    def __call__(self, stamps_NCSS: Tensor, *generators: torch.Generator) -> Tensor:
        """One view of each stamp: (N, C, S, S) in sigma, to stretched pixels.

        Stamps, front and generators are on one device; each generator serves an equal
        part of the stamps.
        """
        chance = Chance(len(stamps_NCSS), *generators)
        with chance.device:  # where new tensors go
            pixels = warp(fill(stamps_NCSS), self._matrices(chance))
            pixels = self._blur(pixels, chance)
            pixels = self._make_shallower(pixels, chance)
            pixels = self._blank_patches(pixels, chance)
            return self._change_gain(self.front.stretch(pixels), chance)

    def _matrices(self, chance: Chance) -> Tensor:
        """Rotation, flip, zoom, stretch and shift as one matrix each: (N, 2, 3)."""
        settings = self.settings
        angle = 2 * math.pi * chance.uniform()
        flip = 1 - 2 * chance.below(2).float()
        zoom = _log_uniform(settings.zoom, chance)
        stretch = _log_uniform(settings.stretch**0.5, chance)
        stretch_angle = math.pi * chance.uniform()
        shift = settings.shift * (4 * chance.uniform(2) - 2)
        scale = torch.diag_embed(torch.stack([zoom * stretch, zoom / stretch], dim=1))
        mirror = torch.diag_embed(torch.stack([flip, torch.ones_like(flip)], dim=1))
        about = rotation(stretch_angle)
        linear = rotation(angle) @ mirror @ about @ scale @ about.transpose(1, 2)
        return torch.cat([linear, shift[:, :, None]], dim=2)

    def _blur(self, pixels: Tensor, chance: Chance) -> Tensor:
        """Convolve with a Gaussian: as a matrix on rows and on columns."""
        size = pixels.shape[-1]
        chosen = chance.uniform() < self.settings.blur_share
        sigma = self.settings.blur_pixels * chance.uniform()
        chosen &= sigma > _SHARP_PIXELS
        numbers = chosen.nonzero().flatten()
        offset = torch.arange(1 - size, size)
        exponent = 0.5 * (offset / sigma[numbers, None]) ** 2
        line = torch.exp(-exponent).masked_fill_(exponent > _LARGEST_EXPONENT, 0.0)
        # Row i holds the line from -i on: the kernel centred on pixel i.
        kernel = line.unfold(1, size, 1).flip(1)
        kernel = (kernel / kernel.sum(dim=2, keepdim=True))[:, None]
        blurred = kernel @ pixels[numbers] @ kernel.transpose(2, 3)
        return pixels.index_copy(0, numbers, blurred)

    def _make_shallower(self, pixels: Tensor, chance: Chance) -> Tensor:
        """Lower the signal and fill up with noise, as a shorter exposure would.

        The noise stays at one sigma, since x sqrt(1 - f²) of noise joins f.
        """
        settings = self.settings
        chosen = chance.uniform() < settings.depth_share
        factor = settings.depth ** chance.uniform()
        factor = torch.where(chosen, factor, 1.0)[:, None, None, None]
        level = settings.offset_sigma * chance.normal(pixels.shape[1], 1, 1)
        noise = chance.normal(*pixels.shape[1:])
        noise = noise.mul_((1 - factor**2).sqrt()).add_(level)
        return noise.addcmul_(pixels, factor)

    def _blank_patches(self, pixels: Tensor, chance: Chance) -> Tensor:
        """Blank up to three rectangles, and now and then a whole band."""
        settings, (_, channels, size, _) = self.settings, pixels.shape
        chosen = chance.uniform() < settings.blank_share
        number = 1 + chance.below(_MAX_PATCHES)
        axis = torch.arange(size) / size
        centre = chance.uniform(_MAX_PATCHES, 2, 1)
        half = _PATCH_SHARE / 2 * chance.uniform(_MAX_PATCHES, 2, 1)
        numbers = chosen.nonzero().flatten()
        inside = ((axis - centre).abs() < half)[numbers]
        inside &= (torch.arange(_MAX_PATCHES) < number[numbers, None])[:, :, None, None]
        rows, columns = inside.unbind(2)
        blank = (rows[:, :, :, None] & columns[:, :, None]).any(dim=1)
        patched = pixels[numbers].masked_fill(blank[:, None], 0.0)
        pixels = pixels.index_copy(0, numbers, patched)
        if channels > 1:
            chosen = chance.uniform() < settings.band_dropout
            lost = chance.below(channels)
            gone = chosen[:, None] & (torch.arange(channels) == lost[:, None])
            pixels = torch.where(gone[:, :, None, None], 0.0, pixels)
        return pixels

    def _change_gain(self, pixels: Tensor, chance: Chance) -> Tensor:
        """Change the brightness of all bands together, and of each a little."""
        settings, channels = self.settings, pixels.shape[1]
        gain = 1 + settings.gain * (2 * chance.uniform(1) - 1)
        if channels > 1:
            gain = gain * (1 + settings.band_gain * (2 * chance.uniform(channels) - 1))
        return pixels * gain[:, :, None, None]


def warp(pixels_NCSS: Tensor, matrices_N23: Tensor) -> Tensor:
    """Resample images once, zero beyond the frame.

    `matrices_N23` map positions in the result to positions in the image, both
    from -1 to 1 across the frame, x first.
    """
    size = pixels_NCSS.shape[-1]
    axis = (torch.arange(size, device=pixels_NCSS.device) + 0.5) * 2 / size - 1
    along_x, along_y, shift = matrices_N23[:, :, :, None].unbind(2)
    # Planes of x and of y: half the time that interleaved positions take.
    where = (along_y * axis + shift)[:, :, :, None] + (along_x * axis)[:, :, None]
    grid = where.permute(0, 2, 3, 1)
    return functional.grid_sample(pixels_NCSS, grid, align_corners=False)


def rotation(angle_N: Tensor) -> Tensor:
    """Matrices (N, 2, 2) that rotate by angles in radians."""
    cosine, sine = torch.cos(angle_N), torch.sin(angle_N)
    return torch.stack([cosine, -sine, sine, cosine], dim=1).reshape(-1, 2, 2)


def _log_uniform(largest: float, chance: Chance) -> Tensor:
    """Factors between 1/largest and largest."""
    return largest ** (2 * chance.uniform() - 1)
