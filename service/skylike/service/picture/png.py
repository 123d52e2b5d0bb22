"""PNG, as far as pictures here need it: grey or true colour, 8 bit.

References
----------
ISO/IEC 15948:2004, Portable Network Graphics, sections 5 and 11.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_COLOUR_TYPES = {1: 0, 3: 2}  # grey and true colour
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(picture: NDArray[np.uint8]) -> bytes:
    """PNG of (ny, nx, 1 or 3) levels, rows unfiltered.

    A library tries every filter on every row, which takes three times as long and makes
    noise no smaller.
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


def decoded(png: bytes) -> NDArray[np.uint8] | None:
    """Levels (ny, nx, 1 or 3) of what `encoded` made; None of anything else."""
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
