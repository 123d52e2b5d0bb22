"""Small pictures for people; the encoder never sees them."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from skylike.service.fits import Axes, Image
from skylike.service.stamp.resample import central_square, resize

SIDE = 96
_SOFTENING = 0.1


def render(image: Image) -> bytes:
    """A PNG of the central square, North as in the file's y axis: first row below.

    Grey for images and cubes (the mean over planes), colour for three bands or
    more (the first three as red, green, blue). Each channel is stretched by asinh
    between its 1st and 99.7th percentile; blank pixels are black.

    Parameters
    ----------
    image
        Any size.

    Returns
    -------
    bytes
        PNG, 96 x 96, 8 bit.
    """
    side = min(image.pixels.shape[1:])
    pixels = resize(central_square(image.pixels, side), SIDE)[:, ::-1]
    if image.axes is Axes.BANDS and len(pixels) >= 3:
        levels = np.stack([_stretch(channel) for channel in pixels[:3]], axis=-1)
    else:
        levels = _stretch(_mean_plane(pixels))
    with io.BytesIO() as stream:
        Picture.fromarray(levels).save(stream, format="PNG", compress_level=1)
        return stream.getvalue()


def _mean_plane(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    valid = np.isfinite(pixels)
    total, count = np.where(valid, pixels, 0).sum(axis=0), valid.sum(axis=0)
    mean = np.full(count.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _stretch(channel: NDArray[np.float64]) -> NDArray[np.uint8]:
    valid = np.isfinite(channel)
    if not valid.any():
        return np.zeros(channel.shape, np.uint8)
    low, high = np.percentile(channel[valid], (1, 99.7))
    if not high > low:
        return np.zeros(channel.shape, np.uint8)
    unit = np.clip((np.where(valid, channel, low) - low) / (high - low), 0, 1)
    level = np.arcsinh(unit / _SOFTENING) / np.arcsinh(1 / _SOFTENING)
    return np.asarray(np.rint(255 * level), np.uint8)
