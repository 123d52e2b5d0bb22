"""The one way from an image to a stamp."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadStamp
from skylike.service.fits import Axes, Image
from skylike.service.flags import Flag
from skylike.service.stamp import background, channels, grid
from skylike.service.stamp.resample import resample
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
    pixel_scale_arcsec
        Size of its pixels, None where unknown.
    resolution_pixels
        Full width at half maximum of a point source in its pixels, the geometric mean
        of a beam's axes; None where unknown.
    """

    pixels: NDArray[np.float32]
    flags: Flag
    valid_fraction: float
    pixel_scale_arcsec: float | None = None
    resolution_pixels: float | None = None


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
        ``band_mismatch`` if the channels are not those of the model, ``too_small``
        below 8 pixels a side, ``all_nan``, ``low_valid`` if less than half of the
        pixels hold data, ``no_wcs`` if an angle is wanted and the file does not tell
        its scale, ``no_source`` if a source is wanted and none is in the centre.
    """
    flags = Flag(0)
    pixels = channels.select(image, spec)
    if image.axes is Axes.SPECTRAL:
        flags |= Flag.COLLAPSED
    rows, columns = grid.place(pixels, image, spec)
    region = grid.region(pixels, rows, columns)
    _require_side(min(*pixels.shape[1:], region.ny, region.nx))
    valid_fraction = region.valid_fraction()
    _require_data(valid_fraction)
    if valid_fraction < _WHOLE:
        flags |= Flag.EDGE if _is_cut(region) else Flag.MASKED
    if _is_saturated(region.pixels):
        flags |= Flag.SATURATED
    if not (rows.is_kept and columns.is_kept):
        flags |= Flag.RESAMPLED
    scaled, scale_flags = _in_sigma(
        resample(region.pixels, rows.moved(region.y), columns.moved(region.x))
    )
    scale = image.pixel_scale_arcsec
    if scale is not None:
        scale *= (rows.step * columns.step) ** 0.5
    return Stamp(
        scaled,
        flags | scale_flags,
        valid_fraction,
        scale,
        _resolution(image, scale),
    )


def _require_side(side: int) -> None:
    if side < MIN_SIDE:
        raise BadStamp(
            f"the stamp would be made of {side} pixels a side; at least {MIN_SIDE} are "
            "needed",
            reason="too_small",
        )


def _resolution(image: Image, scale: float | None) -> float | None:
    width = image.seeing_arcsec
    if image.beam is not None:
        width = (image.beam.major_arcsec * image.beam.minor_arcsec) ** 0.5
    return None if width is None or scale is None else width / scale


def _require_data(valid_fraction: float) -> None:
    if valid_fraction == 0:
        raise BadStamp("every pixel is blank", reason="all_nan")
    if valid_fraction < MIN_VALID_FRACTION:
        raise BadStamp(
            f"only {valid_fraction:.0%} of the pixels hold data; at least "
            f"{MIN_VALID_FRACTION:.0%} are needed",
            reason="low_valid",
        )


def _is_cut(region: grid.Region) -> bool:
    """Whether the frame ends within, or a whole outer row or column is blank."""
    blank = np.asarray(np.isnan(region.pixels).all(axis=0))
    outer = (blank[0], blank[-1], blank[:, 0], blank[:, -1])
    return not region.is_whole or any(line.all() for line in outer)


def _is_saturated(square: NDArray[np.float32]) -> bool:
    """Whether many pixels, but not half of them, share the highest value."""
    for channel in square:
        top = np.fmax.reduce(channel, axis=None)
        count = np.count_nonzero(channel == top)  # none where all is NaN
        if count < _PLATEAU_PIXELS:
            continue
        known = channel.size - np.count_nonzero(np.isnan(channel))
        if _PLATEAU_SHARE * known <= count < known / 2:
            return True
    return False


def _in_sigma(pixels: NDArray[np.float64]) -> tuple[NDArray[np.float32], Flag]:
    """Each channel minus its background, over its sigma."""
    flags = Flag(0)
    scaled = np.empty(pixels.shape, np.float32)
    peaks = []
    for i, channel in enumerate(pixels):
        low, high = (float(f.reduce(channel, axis=None)) for f in (np.fmin, np.fmax))
        if math.isnan(high):  # no data
            scaled[i] = np.nan
            continue
        level, sigma, from_border = background.measure(channel, low, high)
        if sigma == 0:
            scaled[i] = np.where(np.isnan(channel), np.nan, 0.0)
            continue
        if not from_border:
            flags |= Flag.NO_BACKGROUND
        in_sigma = (channel - level) / sigma
        peaks.append((high - level) / sigma)
        if max((level - low) / sigma, peaks[-1]) > _MAX_SIGMA:
            in_sigma = np.clip(in_sigma, -_MAX_SIGMA, _MAX_SIGMA)
        scaled[i] = in_sigma
    if not peaks:
        return scaled, flags | Flag.CONSTANT
    if max(peaks) < _LOW_SIGMA:
        flags |= Flag.LOW_SN
    return scaled, flags
