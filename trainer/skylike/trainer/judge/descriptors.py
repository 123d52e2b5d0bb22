"""Hand-made descriptions of a stamp, the cheap ones that anything learned must beat.

All take stamps (n, channel, size, size) float32 in units of the background's sigma,
with NaN, and return features (n, F) float32.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

# The package as a whole does not import with a new scipy.
from kymatio.scattering2d.frontend.torch_frontend import (  # type: ignore[import-untyped]
    ScatteringTorch2D,
)
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from skylike.service.cutouts.morphology import measure
from skylike.service.stamp import StampSpec
from skylike.trainer.network import Front
from skylike.trainer.polar import NUM_RINGS, PolarFourier, rings

Stamps = NDArray[np.float32]

_BATCH = 256
_SCALES, _ORIENTATIONS = 3, 8
_THRESHOLD_SIGMA = 1.5


def pixels(stamps: Stamps, spec: StampSpec) -> NDArray[np.float32]:
    """Stretched pixels, averaged two by two: finer detail is noise to a PCA."""
    return _in_batches(stamps, spec, lambda x: functional.avg_pool2d(x, 2).flatten(1))


def radial_profile(stamps: Stamps, spec: StampSpec) -> NDArray[np.float32]:
    """Mean over 16 soft rings of each channel."""
    weights = rings(spec.size, NUM_RINGS).T
    return _in_batches(stamps, spec, lambda x: (x.flatten(2) @ weights).flatten(1))


def polar_fourier(stamps: Stamps, spec: StampSpec) -> NDArray[np.float32]:
    """Azimuthal Fourier amplitudes: 16 rings, orders 0 to 4; their square roots."""
    return _in_batches(stamps, spec, PolarFourier(spec.size))


def scattering(stamps: Stamps, spec: StampSpec) -> NDArray[np.float32]:
    """Logarithms of wavelet scattering coefficients that no rotation changes.

    Two orders of Morlet wavelets of 3 scales and 8 orientations (Bruna & Mallat 2013,
    IEEE TPAMI 35, 1872), averaged over the stamp and over turning all wavelets
    together: of the second order only the angle between the two stays.
    """
    transform = ScatteringTorch2D(_SCALES, (spec.size, spec.size), L=_ORIENTATIONS)

    def coefficients(x: Tensor) -> Tensor:
        found = transform(x.contiguous()).mean((3, 4))  # (n, channel, 1 + 24 + 192)
        sizes = [1, _SCALES * _ORIENTATIONS]
        sizes += [_ORIENTATIONS**2 * coarser for coarser in range(_SCALES - 1, 0, -1)]
        zeroth, first, *second = found.split(sizes, dim=2)
        invariant = [zeroth.abs(), first.unflatten(2, (-1, _ORIENTATIONS)).mean(3)]
        for pairs in second:
            # The first orientation, the coarser scale, the second orientation.
            pairs = pairs.unflatten(2, (_ORIENTATIONS, -1, _ORIENTATIONS))
            turned = [pairs[:, :, i].roll(-i, dims=3) for i in range(_ORIENTATIONS)]
            invariant.append(torch.stack(turned).mean(0).flatten(2))
        return torch.log(torch.cat(invariant, dim=2) + 1e-3).flatten(1)

    return _in_batches(stamps, spec, coefficients)


def classical(stamps: Stamps, spec: StampSpec) -> NDArray[np.float32]:
    """Concentration, asymmetry, smoothness, Gini, M20, size; and colours of bands.

    Of the mean over the bands, each in units of its usual spread (Lotz et al. 2004,
    AJ 128, 163); the sky's value, 0, where one cannot be measured. A colour is the
    asinh of a band's mean within the object less that of the mean band.
    """
    del spec
    return np.stack([_statistics(stamp) for stamp in stamps])


# Names of `Morphology`, usual values, usual spreads.
_USUAL = (
    ("concentration", 3.0, 0.6),
    ("asymmetry", 0.1, 0.15),
    ("smoothness", 0.05, 0.1),
    ("gini", 0.5, 0.08),
    ("m20", -1.7, 0.35),
    ("half_light_radius", 9.0, 4.0),
)


def _statistics(stamp: NDArray[np.float32]) -> NDArray[np.float32]:
    bands = np.where(np.isfinite(stamp), stamp, 0).astype(np.float64)
    light = bands.mean(axis=0)
    segment = _central(light, _THRESHOLD_SIGMA / math.sqrt(len(bands)))
    inside = [float(np.mean(band[segment])) if segment.any() else 0 for band in bands]
    colours = np.arcsinh(inside) - np.arcsinh(np.mean(inside))
    values = np.zeros(len(_USUAL))
    if segment.any():
        found = measure(light, segment.astype(np.int64), 1)
        values = np.array(
            [(getattr(found, name) - usual) / spread for name, usual, spread in _USUAL]
        )
    finite = np.where(np.isfinite(values), np.clip(values, -5, 5), 0)
    return np.concatenate([finite, colours[: len(bands) - 1]]).astype(np.float32)


def _central(light: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """The pixels of the object nearest to the centre."""
    numbers, count = ndimage.label(ndimage.gaussian_filter(light, 1) > threshold)
    if not count:
        return np.zeros(light.shape, dtype=bool)
    size = light.shape[0]
    axis = np.arange(size) - (size - 1) / 2
    distance = np.where(numbers > 0, np.hypot(axis[:, None], axis), np.inf)
    return np.asarray(numbers == numbers.flat[int(distance.argmin())])


def _in_batches(
    stamps: Stamps, spec: StampSpec, describe: Callable[[Tensor], Tensor]
) -> NDArray[np.float32]:
    """Describe stretched pixels, some at a time."""
    front = Front(spec.size, spec.softening_sigma)
    with torch.inference_mode():
        return np.concatenate(
            [
                describe(front(torch.from_numpy(stamps[i : i + _BATCH]))).numpy()
                for i in range(0, len(stamps), _BATCH)
            ]
        )
