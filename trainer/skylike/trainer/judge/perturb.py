"""Whether objects find themselves again after what should not matter has changed."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from skylike.trainer.augment import rotation, warp
from skylike.trainer.network import fill

_MOST_QUERIES = 300

Stamps = NDArray[np.float32]
Embed = Callable[[Stamps], NDArray[np.float32]]


def self_recall(
    embed: Embed, stamps: Stamps, vectors_ND: NDArray[np.float32], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Ask with changed copies of objects, and see where the originals come.

    Parameters
    ----------
    embed
        From stamps to unit vectors.
    stamps : (n, channel, size, size) float32, in sigma, with NaN
    vectors_ND : (n, D) float32
        Of the stamps as they are.
    seed
        Of the noise and of the up to 300 objects asked with.

    Returns
    -------
    dict
        For each change ``recall_at_1`` and ``percentile``, the mean share of others
        that are further away than the original: 1 for first.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(stamps))[:_MOST_QUERIES])
    found = {}
    for name, change in CHANGES.items():
        pixels = fill(torch.from_numpy(stamps[chosen]))
        cosine = embed(change(pixels, random).numpy()) @ vectors_ND.T
        own = np.take_along_axis(cosine, chosen[:, None], axis=1)
        nearer = (cosine > own).sum(axis=1)
        found[name] = {
            "recall_at_1": float(np.mean(nearer == 0)),
            "percentile": float(1 - np.mean(nearer) / max(1, len(stamps) - 1)),
        }
    return found


def _shallower(factor: float) -> Callable[[Tensor, np.random.Generator], Tensor]:
    """As many times lower a signal to noise, the noise still one sigma."""

    def change(pixels: Tensor, random: np.random.Generator) -> Tensor:
        noise = torch.from_numpy(random.normal(size=pixels.shape).astype(np.float32))
        changed: Tensor = pixels / factor + (1 - 1 / factor**2) ** 0.5 * noise
        return changed

    return change


def _blurred(sigma: float) -> Callable[[Tensor, np.random.Generator], Tensor]:
    def change(pixels: Tensor, _: np.random.Generator) -> Tensor:
        blurred = ndimage.gaussian_filter(pixels.numpy(), sigma, axes=(2, 3))
        return torch.from_numpy(blurred)

    return change


def _moved(
    degrees: float = 0.0, zoom: float = 1.0, shift: float = 0.0
) -> Callable[[Tensor, np.random.Generator], Tensor]:
    def change(pixels: Tensor, _: np.random.Generator) -> Tensor:
        count = len(pixels)
        linear = rotation(torch.full((count,), np.radians(degrees))) / zoom
        offset = torch.tensor([2 * shift, 0.0]).expand(count, 2)[:, :, None]
        return warp(pixels, torch.cat([linear, offset], dim=2).float())

    return change


def _brighter_sky(pixels: Tensor, _: np.random.Generator) -> Tensor:
    return pixels + 0.5


CHANGES: dict[str, Callable[[Tensor, np.random.Generator], Tensor]] = {
    "turned by 20 degrees": _moved(degrees=20),
    "turned by 45 degrees": _moved(degrees=45),
    "turned by 90 degrees": _moved(degrees=90),
    "signal to noise / 2": _shallower(2),
    "signal to noise / 4": _shallower(4),
    "blurred by 0.5 px": _blurred(0.5),
    "blurred by 1 px": _blurred(1.0),
    "blurred by 2 px": _blurred(2.0),
    "0.8 times as large": _moved(zoom=0.8),
    "1.25 times as large": _moved(zoom=1.25),
    "shifted by 5 % of the side": _moved(shift=0.05),
    "shifted by 10 % of the side": _moved(shift=0.1),
    "background 0.5 sigma higher": _brighter_sky,
}
"""Name: from stamps without NaN (n, channel, size, size), in sigma, to changed ones."""
