"""Small pictures of objects, made once and kept."""

from collections.abc import Iterable

import numpy as np

from skylike.service.fits import Axes, Image, mean_plane
from skylike.service.picture import Stretch, decoded, encoded
from skylike.service.picture.stretch import levels as levels_of
from skylike.service.stamp.resample import Grid, resample

SIDE = 96


def render(image: Image) -> bytes:
    """A PNG of the central square, for lists: at most 96 x 96, see `preview`."""
    ny, nx = image.pixels.shape[1:]
    side = min(ny, nx)
    count = min(side, SIDE)
    rows, columns = (Grid((n - side) // 2, side / count, count) for n in (ny, nx))
    return _png(image, rows, columns)


def preview(image: Image, side: int) -> bytes:
    """A PNG of the whole image, the first row below, as in the sky's usual maps.

    Grey for images and cubes (the mean over planes), colour for three bands or
    more (the first three as red, green, blue). Brightness is stretched by asinh between
    the 1st and 99.7th percentile of each band, whose ratios stay; blank pixels are black.

    Parameters
    ----------
    image
        Any size.
    side
        Pixels of the longer side.

    Returns
    -------
    bytes
        PNG, 8 bit.
    """
    step = max(image.pixels.shape[1:]) / side
    rows, columns = (
        Grid(0, step, max(1, round(n / step))) for n in image.pixels.shape[1:]
    )
    return _png(image, rows, columns)


def _png(image: Image, rows: Grid, columns: Grid) -> bytes:
    pixels = image.pixels
    if image.axes is not Axes.BANDS or len(pixels) < 3:
        pixels = mean_plane(pixels)[np.newaxis]
    light, _ = levels_of(resample(pixels[:3], rows, columns)[:, ::-1], Stretch.ASINH)
    return encoded(np.rint(255 * np.moveaxis(light, 0, -1)).astype(np.uint8))


def mean(pictures: Iterable[bytes]) -> bytes:
    """A PNG of the mean of thumbnails that `render` has made; empty if there is none.

    Smaller ones are enlarged, and where one has colours all have.
    """
    levels = [one for one in map(decoded, pictures) if one is not None]
    if not levels:
        return b""
    side = max(len(one) for one in levels)
    channels = max(one.shape[2] for one in levels)
    total = np.zeros((side, side, channels))
    for one in levels:
        rows = np.arange(side) * len(one) // side
        columns = np.arange(side) * one.shape[1] // side
        total += one[rows[:, None], columns]  # grey is the same in all colours
    return encoded(np.rint(total / len(levels)).astype(np.uint8))
