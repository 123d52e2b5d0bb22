"""The one way from an image to a stamp."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadStamp
from skylike.service.fits import Axes, Image
from skylike.service.flags import Flag
from skylike.service.stamp import background
from skylike.service.stamp.resample import central_square, resize
from skylike.service.stamp.spec import StampSpec

MIN_SIDE = 8
MIN_VALID_FRACTION = 0.5
_WHOLE = 0.9
_LOW_SIGMA = 5.0
_MAX_SIGMA = 1e30  # float32 ends at 3e38
_PLATEAU_SHARE = 1e-3
_PLATEAU_PIXELS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """What the encoder sees, and how good it is.

    Attributes
    ----------
    pixels : (channel, size, size) float32, in sigma of the background
        Background-subtracted; NaN where there is no data.
    flags
        What is poor about it.
    valid_fraction
        Share of the requested pixels that hold data.
    """

    pixels: NDArray[np.float32]
    flags: Flag
    valid_fraction: float


def make(image: Image, spec: StampSpec) -> Stamp:
    """Make the stamp a model wants.

    Parameters
    ----------
    image
        Any size; NaN where there is no data.
    spec
        What the model wants.

    Returns
    -------
    Stamp
        Finite wherever the image has data. Poor data set flags.

    Raises
    ------
    BadStamp
        ``band_mismatch`` if the channels are not those of the model,
        ``too_small`` below 8 pixels a side, ``all_nan``, or ``low_valid`` if less
        than half of the pixels hold data.
    """
    flags = Flag(0)
    pixels = _channels(image, spec)
    if image.axes is Axes.SPECTRAL:
        flags |= Flag.COLLAPSED
    ny, nx = pixels.shape[1:]
    if min(ny, nx) < MIN_SIDE:
        raise BadStamp(
            f"the image has {nx} x {ny} pixels; at least {MIN_SIDE} x {MIN_SIDE} are "
            "needed",
            reason="too_small",
        )
    side = spec.size if spec.fit == "crop" else min(ny, nx)
    square = central_square(pixels, side)
    valid_fraction = _valid_fraction(square)
    flags |= _hole_flag(square, valid_fraction) | _saturation_flag(square)
    if side != spec.size:
        flags |= Flag.RESAMPLED
    scaled, scale_flags = _in_sigma(resize(square, spec.size))
    return Stamp(scaled, flags | scale_flags, valid_fraction)


def _channels(image: Image, spec: StampSpec) -> NDArray[np.float32]:
    """The image's channels as the model wants them."""
    if image.axes is Axes.SPECTRAL and spec.axes is not Axes.BANDS:
        return _rebin(image.pixels, len(spec.channels))
    if image.axes is spec.axes:
        if image.axes is Axes.IMAGE or image.bands == spec.channels:
            return image.pixels
        if set(spec.channels) <= set(image.bands):
            return image.pixels[[image.bands.index(name) for name in spec.channels]]
    found = ", ".join(image.bands) or f"{image.pixels.shape[0]} channel(s)"
    raise BadStamp(
        f"the file holds {image.axes.value} ({found}); the model wants "
        f"{spec.axes.value} ({', '.join(spec.channels)})",
        reason="band_mismatch",
    )


def _rebin(cube: NDArray[np.float32], num_channels: int) -> NDArray[np.float32]:
    """Mean of the valid planes in each of `num_channels` equal parts of a cube.

    With one channel this is moment 0 up to a factor, which scaling removes.
    """
    if len(cube) < num_channels:
        raise BadStamp(
            f"the cube has {len(cube)} planes; the model wants at least {num_channels}",
            reason="band_mismatch",
        )
    planes = []
    for part in np.array_split(cube, num_channels):
        valid = np.isfinite(part)
        count = valid.sum(axis=0)
        total = np.where(valid, part, 0).sum(axis=0, dtype=np.float64)
        mean = np.divide(
            total, count, out=np.full(count.shape, np.nan), where=count > 0
        )
        planes.append(mean.astype(np.float32))
    return np.stack(planes)


def _valid_fraction(square: NDArray[np.float32]) -> float:
    fraction = float(np.isfinite(square).mean())
    if fraction == 0:
        raise BadStamp("every pixel is blank", reason="all_nan")
    if fraction < MIN_VALID_FRACTION:
        raise BadStamp(
            f"only {fraction:.0%} of the pixels hold data; at least "
            f"{MIN_VALID_FRACTION:.0%} are needed",
            reason="low_valid",
        )
    return fraction


def _hole_flag(square: NDArray[np.float32], valid_fraction: float) -> Flag:
    """EDGE if a whole outer row or column is blank, else MASKED."""
    if valid_fraction >= _WHOLE:
        return Flag(0)
    blank = np.asarray(np.isnan(square).all(axis=0))
    outer = (blank[0], blank[-1], blank[:, 0], blank[:, -1])
    return Flag.EDGE if any(line.all() for line in outer) else Flag.MASKED


def _saturation_flag(square: NDArray[np.float32]) -> Flag:
    """SATURATED if many pixels, but not half of them, share the highest value."""
    for channel in square:
        pixels = channel[np.isfinite(channel)]
        if pixels.size:
            top = int((pixels == pixels.max()).sum())
            least = max(_PLATEAU_PIXELS, _PLATEAU_SHARE * pixels.size)
            if least <= top < pixels.size / 2:
                return Flag.SATURATED
    return Flag(0)


def _in_sigma(
    channels: NDArray[np.float64],
) -> tuple[NDArray[np.float32], Flag]:
    """Each channel minus its background, over its sigma."""
    flags = Flag(0)
    scaled = np.full(channels.shape, np.nan, np.float32)
    peaks = []
    for i, channel in enumerate(channels):
        valid = np.isfinite(channel)
        if not valid.any():
            continue
        level, sigma, from_border = background.measure(channel)
        if sigma == 0:
            scaled[i] = np.where(valid, 0.0, np.nan)
            continue
        if not from_border:
            flags |= Flag.NO_BACKGROUND
        scaled[i] = np.clip((channel - level) / sigma, -_MAX_SIGMA, _MAX_SIGMA)
        peaks.append(float(np.nanmax(scaled[i])))
    if not peaks:
        return scaled, flags | Flag.CONSTANT
    if max(peaks) < _LOW_SIGMA:
        flags |= Flag.LOW_SN
    return scaled, flags
