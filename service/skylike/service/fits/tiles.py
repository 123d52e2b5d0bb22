"""Tiles of compressed images are checked before astropy decodes them.

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
from typing import Any

from astropy.io import fits

from skylike.service.errors import BadCutout

_GZIP = 31  # zlib's name for a gzip stream with a window of any size
_LARGEST_PIXEL = 8  # bytes
_HCOMPRESS = struct.Struct(">2sii")
_HCOMPRESS_MAGIC = b"\xdd\x99"


def require_sound(data: bytes, number: int) -> None:
    """Refuse a compressed image whose tiles are not what its header says.

    Parameters
    ----------
    data
        The bytes of a FITS file.
    number
        Which HDU holds the compressed image.

    Raises
    ------
    BadCutout
        ``inflate_limit`` if the tiles inflate to more than the image can have;
        ``corrupt_header`` if their number or sizes contradict the header.
    """
    with fits.open(
        io.BytesIO(data), memmap=False, disable_image_compression=True
    ) as hdus:
        table = hdus[number]
        axes = _tile_lengths(table.header)
        count = math.prod(map(len, axes))
        if count != len(table.data):  # before as many sizes are listed
            raise _contradiction(f"{len(table.data)} tiles instead of {count}")
        sizes = [math.prod(lengths) for lengths in itertools.product(*axes)]
        left = _LARGEST_PIXEL * sum(sizes)
        # Rows may share bytes; together they cannot have more than the file.
        packed_left = len(data)
        algorithm = table.header["ZCMPTYPE"]
        for name in {"COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"} & {
            *table.columns.names
        }:
            is_gzip = name.startswith("GZIP") or algorithm.startswith("GZIP")
            for tile, size in zip(table.data[name], sizes, strict=True):
                packed = tile.tobytes()
                packed_left -= len(packed)
                if packed_left < 0:
                    raise _contradiction("more bytes in its tiles than in the file")
                if is_gzip:
                    left -= _inflated(packed, left)
                elif algorithm.startswith("HCOMPRESS") and packed:
                    _require_size(packed, size)


def _tile_lengths(header: Any) -> list[list[int]]:
    """How long the tiles are along each axis, the first axis last.

    Their product is in the order of the table's rows.
    """
    axes = []
    for axis in range(header["ZNAXIS"], 0, -1):
        length = header[f"ZNAXIS{axis}"]
        step = header.get(f"ZTILE{axis}", length if axis == 1 else 1)
        if step < 1:
            raise _contradiction(f"a tile of {step} pixels")
        axes.append([min(step, length - start) for start in range(0, length, step)])
    return axes


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
        raise _contradiction("more than one gzip stream in a tile")
    return length


def _require_size(packed: bytes, size: int) -> None:
    """Refuse an HCOMPRESS stream of another size than its tile's."""
    if len(packed) < _HCOMPRESS.size:
        raise _contradiction("a tile without its header")
    magic, nx, ny = _HCOMPRESS.unpack_from(packed)
    if magic != _HCOMPRESS_MAGIC or nx < 1 or ny < 1 or nx * ny != size:
        raise _contradiction(f"a tile of {nx} x {ny} pixels instead of {size}")


def _contradiction(what: str) -> BadCutout:
    return BadCutout(
        f"the compressed image is damaged: it has {what}", reason="corrupt_header"
    )
