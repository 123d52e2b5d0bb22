"""Two views of an object: other angles, distances, depths, detectors.

Everything that should not matter changes; everything that makes the kind of an
object stays. All geometry is one affine warp, so that pixels are interpolated
once; noise comes after it, so that it is not correlated by it.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from skylike.trainer.config import ViewSettings
from skylike.trainer.network import Front, fill

_MAX_PATCHES = 3
_PATCH_SHARE = 0.18
_SHARP_PIXELS = 0.05  # a Gaussian this narrow leaves the pixels as they are


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
    def __call__(self, stamps_NCSS: Tensor, random: torch.Generator) -> Tensor:
        """One view of each stamp: (N, C, S, S) in sigma, to stretched pixels.

        Stamps, front and `random` are on one device.
        """
        with random.device:  # where new tensors go
            matrices = self._matrices(len(stamps_NCSS), random)
            pixels = warp(fill(stamps_NCSS), matrices)
            pixels = self._blur(pixels, random)
            pixels = self._make_shallower(pixels, random)
            pixels = self._blank_patches(pixels, random)
            return self._change_gain(self.front.stretch(pixels), random)

    def _matrices(self, count: int, random: torch.Generator) -> Tensor:
        """Rotation, flip, zoom, stretch and shift as one matrix each: (N, 2, 3)."""
        settings = self.settings
        angle = 2 * math.pi * torch.rand(count, generator=random)
        flip = 1 - 2 * torch.randint(2, (count,), generator=random)
        zoom = _log_uniform(count, settings.zoom, random)
        stretch = _log_uniform(count, settings.stretch**0.5, random)
        stretch_angle = math.pi * torch.rand(count, generator=random)
        shift = settings.shift * (4 * torch.rand(count, 2, generator=random) - 2)
        zero = torch.zeros(count)
        scale = torch.diag_embed(torch.stack([zoom * stretch, zoom / stretch], dim=1))
        mirror = torch.diag_embed(torch.stack([flip.float(), zero + 1], dim=1))
        about = rotation(stretch_angle)
        linear = rotation(angle) @ mirror @ about @ scale @ about.transpose(1, 2)
        return torch.cat([linear, shift[:, :, None]], dim=2)

    def _blur(self, pixels: Tensor, random: torch.Generator) -> Tensor:
        """Convolve with a Gaussian: as a matrix on rows and on columns."""
        count, size = len(pixels), pixels.shape[-1]
        chosen = torch.rand(count, generator=random) < self.settings.blur_share
        sigma = self.settings.blur_pixels * torch.rand(count, generator=random)
        chosen &= sigma > _SHARP_PIXELS
        numbers = chosen.nonzero().flatten()
        offset = torch.arange(1 - size, size)
        line = torch.exp(-0.5 * (offset / sigma[numbers, None]) ** 2)
        # Row i holds the line from -i on: the kernel centred on pixel i.
        kernel = line.unfold(1, size, 1).flip(1)
        kernel = (kernel / kernel.sum(dim=2, keepdim=True))[:, None]
        blurred = kernel @ pixels[numbers] @ kernel.transpose(2, 3)
        return pixels.index_copy(0, numbers, blurred)

    def _make_shallower(self, pixels: Tensor, random: torch.Generator) -> Tensor:
        """Lower the signal and fill up with noise, as a shorter exposure would.

        The noise stays at one sigma, since x sqrt(1 - f²) of noise joins f.
        """
        settings, count = self.settings, len(pixels)
        chosen = torch.rand(count, generator=random) < settings.depth_share
        factor = settings.depth ** torch.rand(count, generator=random)
        factor = torch.where(chosen, factor, 1.0)[:, None, None, None]
        level = settings.offset_sigma * torch.randn(
            (*pixels.shape[:2], 1, 1), generator=random
        )
        noise = torch.randn(pixels.shape, generator=random)
        return factor * pixels + (1 - factor**2).sqrt() * noise + level

    def _blank_patches(self, pixels: Tensor, random: torch.Generator) -> Tensor:
        """Blank up to three rectangles, and now and then a whole band."""
        settings, (count, channels, size, _) = self.settings, pixels.shape
        chosen = torch.rand(count, generator=random) < settings.blank_share
        number = torch.randint(1, _MAX_PATCHES + 1, (count,), generator=random)
        axis = torch.arange(size) / size
        centre = torch.rand(2, count, _MAX_PATCHES, 1, generator=random)
        half = _PATCH_SHARE / 2 * torch.rand(centre.shape, generator=random)
        used = torch.arange(_MAX_PATCHES) < number[:, None]
        inside = ((axis - centre).abs() < half) & used[:, :, None]
        numbers = chosen.nonzero().flatten()
        rows, columns = inside[:, numbers]
        blank = (rows[:, :, :, None] & columns[:, :, None]).any(dim=1)
        patched = pixels[numbers].masked_fill(blank[:, None], 0.0)
        pixels = pixels.index_copy(0, numbers, patched)
        if channels > 1:
            chosen = torch.rand(count, generator=random) < settings.band_dropout
            lost = torch.randint(channels, (count,), generator=random)
            gone = chosen[:, None] & (torch.arange(channels) == lost[:, None])
            pixels = torch.where(gone[:, :, None, None], 0.0, pixels)
        return pixels

    def _change_gain(self, pixels: Tensor, random: torch.Generator) -> Tensor:
        """Change the brightness of all bands together, and of each a little."""
        settings, shape = self.settings, pixels.shape[:2]
        gain = settings.gain * (2 * torch.rand(shape[0], 1, generator=random) - 1)
        band = settings.band_gain * (2 * torch.rand(shape, generator=random) - 1)
        if shape[1] == 1:
            band = torch.zeros(shape)
        return pixels * ((1 + gain) * (1 + band))[:, :, None, None]


def warp(pixels_NCSS: Tensor, matrices_N23: Tensor) -> Tensor:
    """Resample images once, zero beyond the frame.

    `matrices_N23` map positions in the result to positions in the image, both
    from -1 to 1 across the frame, x first.
    """
    grid = functional.affine_grid(
        matrices_N23, list(pixels_NCSS.shape), align_corners=False
    )
    return functional.grid_sample(pixels_NCSS, grid, align_corners=False)


def rotation(angle_N: Tensor) -> Tensor:
    """Matrices (N, 2, 2) that rotate by angles in radians."""
    cosine, sine = torch.cos(angle_N), torch.sin(angle_N)
    return torch.stack([cosine, -sine, sine, cosine], dim=1).reshape(-1, 2, 2)


def _log_uniform(count: int, largest: float, random: torch.Generator) -> Tensor:
    """Factors between 1/largest and largest."""
    return largest ** (2 * torch.rand(count, generator=random) - 1)
