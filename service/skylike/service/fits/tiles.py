"""Tiles of compressed images inflate under a limit.

A gzipped tile tells nowhere how large it becomes, and astropy inflates it whole; a
megabyte can hold a gigabyte. The other codecs fill a buffer of the declared size.
"""

import io
import zlib
from collections.abc import Iterator
from typing import Any

from astropy.io import fits

from skylike.service.errors import BadCutout

_GZIP = 31  # zlib's name for a gzip stream with a window of any size
_LARGEST_PIXEL = 8  # bytes


def require_bounded(data: bytes, number: int, num_pixels: int) -> None:
    """Refuse a compressed image of which a tile inflates beyond the whole image.

    Parameters
    ----------
    data
        The bytes of a FITS file.
    number
        Which HDU holds the compressed image.
    num_pixels
        How many pixels the image has.

    Raises
    ------
    BadCutout
        ``inflate_limit``.
    """
    limit = _LARGEST_PIXEL * num_pixels
    with fits.open(
        io.BytesIO(data), memmap=False, disable_image_compression=True
    ) as hdus:
        for tile in _gzipped_tiles(hdus[number]):
            if not _inflates_within(tile.tobytes(), limit):
                raise BadCutout(
                    f"a compressed tile inflates beyond {limit} bytes, more than the "
                    "whole image has",
                    reason="inflate_limit",
                )


def _gzipped_tiles(table: Any) -> Iterator[Any]:
    columns = {"GZIP_COMPRESSED_DATA"}
    if table.header["ZCMPTYPE"].startswith("GZIP"):
        columns.add("COMPRESSED_DATA")
    for name in columns.intersection(table.columns.names):
        yield from table.data[name]


def _inflates_within(packed: bytes, limit: int) -> bool:
    """Whether the members of a gzip stream have at most `limit` bytes together.

    A damaged stream passes: decoding it tells what is wrong with it.
    """
    while packed:
        member = zlib.decompressobj(_GZIP)
        try:
            limit -= len(member.decompress(packed, limit + 1))
        except zlib.error:
            return True
        if limit < 0:
            return False
        packed = member.unused_data
    return True
