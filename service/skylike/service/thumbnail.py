"""Small pictures for people; the encoder never sees them."""

import struct
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from skylike.service.fits import Axes, Image, mean_plane
from skylike.service.stamp.resample import Grid, resample

SIDE = 96
_SOFTENING = 0.1
_SHARES = 0.01, 0.997
_COLOUR_TYPES = {1: 0, 3: 2}  # grey and true colour
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


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
    more (the first three as red, green, blue). Each channel is stretched by asinh
    between its 1st and 99.7th percentile; blank pixels are black.

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
    levels = [_stretch(one) for one in resample(pixels[:3], rows, columns)[:, ::-1]]
    return _encoded(np.stack(levels, axis=-1))


def _stretch(channel: NDArray[np.floating]) -> NDArray[np.uint8]:
    valid = np.isfinite(channel)
    known = np.sort(channel[valid])  # quicker than np.partition
    if not known.size:
        return np.zeros(channel.shape, np.uint8)
    low, high = known[[round(share * (known.size - 1)) for share in _SHARES]]
    if not high > low:
        return np.zeros(channel.shape, np.uint8)
    unit = np.clip((channel - low) / (high - low), 0, 1)
    level = np.arcsinh(unit / _SOFTENING) * (255 / np.arcsinh(1 / _SOFTENING))
    return np.rint(np.where(valid, level, 0)).astype(np.uint8)


def _encoded(picture: NDArray[np.uint8]) -> bytes:
    """PNG of (ny, nx, 1 or 3) levels, rows unfiltered.

    A library tries every filter on every row, which takes three times as long and makes
    noise no smaller.

    References
    ----------
    ISO/IEC 15948:2004, Portable Network Graphics, sections 5 and 11.
    """
    ny, nx, channels = picture.shape
    rows = np.zeros((ny, 1 + nx * channels), np.uint8)  # each after its filter: none
    rows[:, 1:] = picture.reshape(ny, -1)
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    packed = packer.compress(rows.tobytes()) + packer.flush()
    about = struct.pack(">IIBBBBB", nx, ny, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = _chunk(b"IHDR", about) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return _SIGNATURE + chunks


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def mean(pictures: Iterable[bytes]) -> bytes:
    """A PNG of the mean of thumbnails that `render` has made; empty if there is none.

    Smaller ones are enlarged, and where one has colours all have.
    """
    levels = [one for one in map(_decoded, pictures) if one is not None]
    if not levels:
        return b""
    side = max(len(one) for one in levels)
    channels = max(one.shape[2] for one in levels)
    total = np.zeros((side, side, channels))
    for one in levels:
        rows = np.arange(side) * len(one) // side
        columns = np.arange(side) * one.shape[1] // side
        total += one[rows[:, None], columns]  # grey is the same in all colours
    return _encoded(np.rint(total / len(levels)).astype(np.uint8))


def _decoded(png: bytes) -> NDArray[np.uint8] | None:
    """Levels (ny, nx, 1 or 3) of what `_encoded` made; None of anything else."""
    if png[:8] != _SIGNATURE or png[12:16] != b"IHDR" or png[37:41] != b"IDAT":
        return None
    nx, ny, depth, colour = struct.unpack(">IIBB", png[16:26])
    channels = {kind: count for count, kind in _COLOUR_TYPES.items()}.get(colour)
    (length,) = struct.unpack(">I", png[33:37])
    if depth != 8 or channels is None:
        return None
    try:
        content = zlib.decompress(png[41 : 41 + length])
        rows = np.frombuffer(content, np.uint8).reshape(ny, 1 + nx * channels)
    except (zlib.error, ValueError):
        return None
    return None if rows[:, 0].any() else rows[:, 1:].reshape(ny, nx, channels)
