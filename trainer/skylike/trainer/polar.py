"""What does not change when an image turns: rings, and waves around them.

Shapes: N images, C channels, S pixels a side, P = S² pixels, R rings, M orders.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_RINGS = 16
NUM_ORDERS = 5

_FINEST = 2  # pixels: what is finer is noise
_ROOT_OFFSET = 1e-3  # of amplitudes, which are of order 1
_TINY = 1e-12
_ROUNDING = 1e-6  # of radii, which are of order 1


class PolarFourier(nn.Module):
    """Roots of the amplitudes of azimuthal waves in rings around the centre.

    A rotation changes the phase of a wave, and not its amplitude. Order 0 is the radial
    profile, 1 tells a lopsided object, 2 a long one or one with two arms.

    Parameters
    ----------
    size
        S, even.
    """

    waves_PW: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        side = size // _FINEST
        axis = (torch.arange(side) + 0.5) / side * 2 - 1
        azimuth = torch.atan2(axis[:, None], axis[None]).flatten()
        order = torch.arange(NUM_ORDERS)[:, None]
        waves = [torch.cos(order * azimuth), torch.sin(order[1:] * azimuth)]
        weights = rings(side, NUM_RINGS)[:, None] * torch.cat(waves)
        self.register_buffer("waves_PW", weights.flatten(0, 1).T.contiguous())

    def forward(self, pixels_NCSS: Tensor) -> Tensor:
        """(N, C, S, S) to (N, C R M)."""
        coarse = functional.avg_pool2d(pixels_NCSS, _FINEST).flatten(2)
        found = torch.unflatten(coarse @ self.waves_PW, 2, (NUM_RINGS, -1))
        cosine, sine = found[..., :NUM_ORDERS], found[..., NUM_ORDERS:]
        power = cosine.square() + functional.pad(sine, (1, 0)).square()
        amplitude = torch.sqrt(power + _TINY)
        return torch.sqrt(amplitude + _ROOT_OFFSET).flatten(1)


def rings(size: int, number: int) -> Tensor:
    """Weights of the pixels in the mean over each ring around the centre: (R, P).

    Rings reach to the edge and are soft, a triangle two rings wide, so that a shift
    by a fraction of a pixel changes little. A ring that is narrower than a pixel and has
    none takes the nearest.
    """
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    radius = torch.hypot(axis[:, None], axis[None]).flatten()
    centres = (torch.arange(number) + 0.5) / number
    distance = (radius - centres[:, None]).abs()
    weights = (1 - number * distance).clamp(min=0)
    nearest = distance < distance.amin(dim=1, keepdim=True) + _ROUNDING
    weights = torch.where(weights.any(dim=1, keepdim=True), weights, nearest.float())
    return weights / weights.sum(dim=1, keepdim=True)
