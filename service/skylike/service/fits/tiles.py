"""Tile-compressed images: astropy decodes, after the tiles have been checked.

A gzipped tile tells nowhere how large it becomes, and is inflated whole: a megabyte
can hold a gigabyte. An HCOMPRESS tile carries a size of its own, which its decoder
trusts beyond the memory that the header's size was given. The other codecs stop at
the declared size.
"""

import io
import itertools
import math
import struct
import zlib

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits.limits import Limits
from skylike.service.fits.store import Store
from skylike.service.fits.structure import BLOCK, Hdu
from skylike.service.fits.warned import recorded

_GZIP = 31  # zlib's name for a gzip stream with a window of any size
_LARGEST_PIXEL = 8  # bytes
_LARGEST_TILE = 4096  # bytes that a tile may have beside those of its pixels
_HCOMPRESS = struct.Struct(">2sii")
_HCOMPRESS_MAGIC = b"\xdd\x99"
_ALGORITHMS = {
    "GZIP_1", "GZIP_2", "RICE_1", "RICE_ONE", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"
}  # fmt: skip
# What decoding needs of a header; the rest may be long, and anything.
_NEEDED = ("XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP")
_NEEDED_START = ("NAXIS", "TTYPE", "TFORM", "TDIM", "TSCAL", "TZERO", "TNULL", "Z")
_PRIMARY = (
    b"SIMPLE  =                    T".ljust(80)
    + b"BITPIX  =                    8".ljust(80)
    + b"NAXIS   =                    0".ljust(80)
    + b"END".ljust(80)
).ljust(BLOCK)


def decode(store: Store, hdu: Hdu, limits: Limits) -> NDArray[np.generic]:
    """The stored numbers of a compressed image, neither scaled nor blanked.

    Parameters
    ----------
    store, hdu
        Where it lies.
    limits
        On the size of a tile.

    Returns
    -------
    numbers : (…, ny, nx), the type of ZBITPIX
        NaN where a quantised tile has no data.

    Raises
    ------
    BadCutout
        ``corrupt_tiles`` if the tiles contradict the header or cannot be decoded,
        ``inflate_limit`` if they inflate to more than the image can have,
        ``size_limit`` if a single one is too large, ``truncated``.
    """
    if not hdu.is_complete:
        raise BadCutout(
            f"the file ends before the tiles of HDU {hdu.label} do", reason="truncated"
        )
    algorithm = hdu.header.text("ZCMPTYPE").upper()
    if algorithm not in _ALGORITHMS:
        raise corrupt(f"its compression {algorithm!r} is not known")
    axes = _tile_lengths(hdu, limits)
    data = _alone(store, hdu)
    try:
        with recorded():
            _require_sound(data, axes, algorithm)
            with fits.open(
                io.BytesIO(data), memmap=False, do_not_scale_image_data=True, uint=False
            ) as hdus:
                numbers: NDArray[np.generic] = np.asarray(hdus[1].data)
    except BadCutout:
        raise
    except MemoryError:
        raise
    except Exception as error:  # astropy raises whatever a damaged file provokes
        raise corrupt(
            f"its tiles cannot be decoded ({type(error).__name__})"
        ) from error
    if numbers.shape != hdu.shape:
        raise corrupt(f"it decodes to the shape {numbers.shape}, not {hdu.shape}")
    return numbers


def _alone(store: Store, hdu: Hdu) -> bytes:
    """A FITS file of this HDU alone, with the cards that matter."""
    cards = [
        hdu.header.card(keyword)
        for keyword in hdu.header.keywords()
        if keyword in _NEEDED or keyword.startswith(_NEEDED_START)
    ]
    header = b"".join([*cards, b"END".ljust(80)])
    header = header.ljust(-(-len(header) // BLOCK) * BLOCK)
    data = store.read(hdu.offset, hdu.size)
    padding = bytes(-len(data) % BLOCK)
    return b"".join([_PRIMARY, header, data, padding])


def _require_sound(data: bytes, axes: list[list[int]], algorithm: str) -> None:
    with fits.open(
        io.BytesIO(data), memmap=False, disable_image_compression=True
    ) as hdus:
        table = hdus[1]
        sizes = [math.prod(lengths) for lengths in itertools.product(*axes)]
        left = _LARGEST_PIXEL * sum(sizes)
        for name in {"COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"} & {
            *table.columns.names
        }:
            is_gzip = name.startswith("GZIP") or algorithm.startswith("GZIP")
            for tile, size in zip(table.data[name], sizes, strict=True):
                packed = tile.tobytes()
                # Rows may share bytes: a short file could ask for endless copies.
                if len(packed) > _LARGEST_TILE + 2 * _LARGEST_PIXEL * size:
                    raise corrupt(f"it has {len(packed)} bytes for {size} pixels")
                if is_gzip:
                    left -= _inflated(packed, left)
                elif algorithm.startswith("HCOMPRESS") and packed:
                    _require_size(packed, size)


def _tile_lengths(hdu: Hdu, limits: Limits) -> list[list[int]]:
    """How long the tiles are along each axis, the first axis last.

    Their product is in the order of the table's rows.
    """
    steps = []
    for i, length in enumerate(hdu.shape):
        axis = len(hdu.shape) - i
        step = hdu.header.get(f"ZTILE{axis}")
        if step is None:
            step = length if axis == 1 else 1
        if isinstance(step, bool) or not isinstance(step, int) or step < 1:
            raise corrupt(f"it has a tile of {step} pixels")
        steps.append(min(step, length))
    if math.prod(steps) > limits.tile_pixels:
        raise BadCutout(
            f"a tile has {math.prod(steps)} pixels; at most {limits.tile_pixels} are "
            "read",
            reason="size_limit",
        )
    # Before as many sizes are listed.
    sizes = list(zip(hdu.shape, steps, strict=True))
    count = math.prod(-(-length // step) for length, step in sizes)
    if count != hdu.header.get("NAXIS2"):
        raise corrupt(f"it has {hdu.header.get('NAXIS2')} tiles instead of {count}")
    return [
        [min(step, length - start) for start in range(0, length, step)]
        for length, step in sizes
    ]


def _inflated(packed: bytes, limit: int) -> int:
    """How many bytes a gzip stream inflates to.

    One that is damaged counts as far as it goes: decoding it tells what is wrong.
    """
    if not packed:
        return 0
    stream = zlib.decompressobj(_GZIP)
    try:
        length = len(stream.decompress(packed, limit + 1))
    except zlib.error:
        return 0
    if length > limit:
        raise BadCutout(
            "the compressed tiles inflate to more bytes than the image can have",
            reason="inflate_limit",
        )
    if stream.unused_data:
        raise corrupt("it has more than one gzip stream in a tile")
    return length


def _require_size(packed: bytes, size: int) -> None:
    """Refuse an HCOMPRESS stream of another size than its tile's."""
    if len(packed) < _HCOMPRESS.size:
        raise corrupt("it has a tile without its header")
    magic, nx, ny = _HCOMPRESS.unpack_from(packed)
    if magic != _HCOMPRESS_MAGIC or nx < 1 or ny < 1 or nx * ny != size:
        raise corrupt(f"it has a tile of {nx} x {ny} pixels instead of {size}")


def corrupt(what: str) -> BadCutout:
    """The error for a compressed image that contradicts itself."""
    return BadCutout(f"the compressed image is damaged: {what}", reason="corrupt_tiles")
