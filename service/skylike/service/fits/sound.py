"""Whether tiles can be given to the decoders, which are compiled and trust them.

A gzipped tile tells nowhere how large it becomes, and is inflated whole: a megabyte
can hold a gigabyte. An HCOMPRESS tile has a size of its own, a PLIO tile a length of
its own, and neither decoder is told where the tile ends: they read, and write, what
lies in memory behind it. And a tile may be said to lie anywhere.
"""

import dataclasses
import io
import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits.structure import BLOCK

_GZIP = 31  # zlib's name for a gzip stream with a window of any size
_LARGEST_PIXEL = 8  # bytes
_LARGEST_QUANTISED = 4
_LARGEST_TILE = 4096  # bytes that a tile may have beside those of its pixels
_COLUMNS = ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA")
_DESCRIPTOR = re.compile(r"1?[PQ]([BIJED])")
_WIDTHS = {"B": 1, "I": 2, "J": 4, "E": 4, "D": 8}
# What the RICE decoder knows; FITS standard 4.0, table 37.
_SETTINGS = {"BLOCKSIZE": (32, (16, 32)), "BYTEPIX": (4, (1, 2, 4))}
# Magic, rows, columns, scale, sum of the pixels, bit planes of the quadrants.
_HCOMPRESS = struct.Struct(">2siiiq3B")
_HCOMPRESS_MAGIC = b"\xdd\x99"
_LARGEST_SEED = 10_000  # of dithering; FITS standard 4.0, section 10.2.1
_LEAST_SIDE = 4  # pixels of the smallest tile that HCOMPRESS makes
_MOST_PLANES = 64
_MOST_PADDING = 2**27  # bytes
# Where the runs begin, and how many words there are: once in 15 bits, once in 30.
_PLIO = struct.Struct(">2xhhhh4x")
_PLIO_LONG = 1  # the code of a word that goes on in the next
_PRIMARY = (
    b"SIMPLE  =                    T".ljust(80)
    + b"BITPIX  =                    8".ljust(80)
    + b"NAXIS   =                    0".ljust(80)
    + b"END".ljust(80)
).ljust(BLOCK)


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """A table of tiles.

    Attributes
    ----------
    shape
        Bytes of a row, and rows.
    cards
        What the header says beside the table's size.
    rows, heap
        Its data: where the tiles are, and the tiles.
    """

    shape: tuple[int, int]
    cards: bytes
    rows: bytes
    heap: memoryview

    def file(self) -> io.RawIOBase:
        """A FITS file with this table alone; the heap is read without copying it."""
        sizes = {"NAXIS1": self.shape[0], "NAXIS2": self.shape[1]}
        sizes |= {"PCOUNT": len(self.heap), "GCOUNT": 1}
        header = [b"XTENSION= 'BINTABLE'", b"BITPIX  = 8", b"NAXIS   = 2"]
        header += [f"{name:8}= {value}".encode() for name, value in sizes.items()]
        cards = b"".join([card.ljust(80) for card in header] + [self.cards])
        cards += b"END".ljust(80)
        cards = cards.ljust(-(-len(cards) // BLOCK) * BLOCK)
        padding = bytes(-(len(self.rows) + len(self.heap)) % BLOCK)
        return _Pieces(_PRIMARY + cards + self.rows, self.heap, padding)


class _Pieces(io.RawIOBase):
    """Bytes and bytes, one after another, as a file."""

    def __init__(self, *pieces: bytes | memoryview) -> None:
        self._pieces = [memoryview(piece) for piece in pieces]
        self._starts = [0, *itertools.accumulate(map(len, pieces))]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}
        self._at = origin[whence] + offset
        return self._at

    def read(self, size: int = -1, /) -> Any:
        start = self._at
        end = self._starts[-1] if size < 0 else start + size
        parts = [
            piece[max(start - first, 0) : max(end - first, 0)]
            for first, piece in zip(self._starts, self._pieces, strict=False)
        ]
        parts = [part for part in parts if part]
        self._at += sum(map(len, parts))
        # Headers are read by blocks and want bytes; arrays want no copy.
        is_array = len(parts) == 1 and len(parts[0]) > BLOCK
        return parts[0] if is_array else b"".join(parts)


def secured(table: Table, axes: list[list[int]], algorithm: str) -> Table:
    """A table like this one, but such that no decoder can leave it.

    Parameters
    ----------
    table
        Of tiles that were compressed by `algorithm`.
    axes
        How long the tiles are along each axis; their product is in the order of rows.

    Raises
    ------
    BadCutout
        ``corrupt_tiles`` if a tile contradicts the header, ``inflate_limit`` if it
        inflates to more than its pixels can have, ``size_limit``.
    """
    from astropy.io import fits  # noqa: PLC0415 -- slow, and seldom needed

    with fits.open(table.file(), memmap=False, disable_image_compression=True) as hdus:
        header, columns = hdus[1].header, hdus[1].columns
    _require_settings(header, algorithm)
    rows = np.frombuffer(table.rows, columns.dtype.newbyteorder(">")).copy()
    sizes = np.ones(1, np.int64)
    for lengths in axes:
        sizes = np.multiply.outer(sizes, lengths).ravel()
    is_quantised = "ZSCALE" in columns.names
    padding = 0
    for name in (name for name in _COLUMNS if name in columns.names):
        width = _width(columns[name].format)
        tiles = _Tiles(table.heap, rows[name], width, sizes)
        codec = "GZIP" if name.startswith("GZIP") else algorithm
        if codec.startswith("GZIP"):
            is_narrow = is_quantised and name == "COMPRESSED_DATA"
            _require_small(tiles, _LARGEST_QUANTISED if is_narrow else _LARGEST_PIXEL)
        elif name == "COMPRESSED_DATA" and codec == "PLIO_1":
            _require_lists(tiles)
        elif name == "COMPRESSED_DATA" and codec == "HCOMPRESS_1":
            padding = _padding(tiles, axes)
            if width != 1:
                raise corrupt("its tiles are not bytes")
            rows[name][:, 0] += np.where(rows[name][:, 0] > 0, padding, 0)
    if "COMPRESSED_DATA" not in columns.names:
        raise corrupt("it has no column of tiles")
    if not padding:
        return table
    return dataclasses.replace(
        table,
        rows=rows.tobytes(),
        heap=memoryview(table.heap.tobytes() + bytes(padding)),
    )


class _Tiles:
    """The packed tiles of one column, none of which is empty, with their sizes.

    Iterating gives the number, the bytes and the pixels of each.
    """

    def __init__(
        self,
        heap: memoryview,
        places: NDArray[Any],
        width: int,
        sizes: NDArray[np.int64],
    ) -> None:
        if places.shape != (sizes.size, 2):
            raise corrupt(f"it has {len(places)} rows for {sizes.size} tiles")
        counts, offsets = places.astype(np.int64).T
        if np.any((counts < 0) | (offsets < 0) | (counts > len(heap))):
            raise corrupt("it has tiles that lie nowhere")
        if np.any(counts * width > len(heap) - offsets):
            raise corrupt("it has tiles that lie beyond its end")
        # Rows may share bytes: a short file could ask for endless copies.
        if np.any(counts * width > _LARGEST_TILE + 2 * _LARGEST_PIXEL * sizes):
            raise corrupt("it has tiles of too many bytes for their pixels")
        self._heap = heap
        self._numbers = np.flatnonzero(counts)
        self._bounds = np.stack([offsets, offsets + counts * width, sizes])
        self.width = width

    def __iter__(self) -> Iterator[tuple[int, bytes, int]]:
        numbers, bounds = self._numbers, self._bounds[:, self._numbers]
        for number, start, end, size in zip(
            numbers.tolist(), *bounds.tolist(), strict=True
        ):
            yield number, self._heap[start:end].tobytes(), size

    def distinct(self) -> Iterator[tuple[bytes, int]]:
        """Each place in the heap once, though any number of tiles may lie there."""
        bounds = np.unique(self._bounds[:, self._numbers], axis=1)
        for start, end, size in bounds.T.tolist():
            yield self._heap[start:end].tobytes(), size


def _width(form: str) -> int:
    """Bytes of what a column has lists of."""
    match = _DESCRIPTOR.match(form)
    if match is None:
        raise corrupt(f"its tiles are stored as {form!r}")
    return _WIDTHS[match[1]]


def _require_settings(header: Any, algorithm: str) -> None:
    """Refuse what makes a decoder read beyond its tables or its tile."""
    seed = header.get("ZDITHER0", 0)
    if not isinstance(seed, int) or not 0 <= seed <= _LARGEST_SEED:
        raise corrupt(f"it is dithered by the seed {seed!r}")
    settings: dict[str, Any] = {}
    for i in itertools.count(1):
        if f"ZNAME{i}" not in header:
            break
        settings.setdefault(str(header[f"ZNAME{i}"]).upper(), header.get(f"ZVAL{i}"))
    if algorithm.startswith("RICE"):
        for name, (default, known) in _SETTINGS.items():
            if settings.get(name, default) not in known:
                raise corrupt(f"its {name} is {settings[name]!r}")


def _require_small(tiles: _Tiles, most: int) -> None:
    """Refuse gzip streams that inflate to more than `most` bytes for a pixel."""
    for packed, size in tiles.distinct():
        stream = zlib.decompressobj(_GZIP)
        try:
            length = len(stream.decompress(packed, most * size + 1))
        except zlib.error as error:
            # Python would be more lenient with the stream's header, and inflate it.
            raise corrupt("a tile is no gzip stream") from error
        if length > most * size:
            raise BadCutout(
                "the compressed tiles inflate to more bytes than the image can have",
                reason="inflate_limit",
            )
        if stream.unused_data:
            raise corrupt("it has more than one gzip stream in a tile")


def _require_lists(tiles: _Tiles) -> None:
    """Refuse PLIO tiles whose list of runs is longer than the tile."""
    if tiles.width != _WIDTHS["I"]:
        raise corrupt("its tiles are not lists of runs")
    for _, packed, _ in tiles:
        if len(packed) < _PLIO.size:
            raise corrupt("it has a tile without its header")
        start, length, low, high = _PLIO.unpack_from(packed)
        if length > 0:  # the older form, which has no other length
            start, low, high = 0, length, 0
        count = len(packed) // 2
        has_half = packed[-2] >> 4 == _PLIO_LONG
        if start < 0 or (high << 15) + low > count - has_half:
            raise corrupt("it has a tile that ends before its runs do")


def _padding(tiles: _Tiles, axes: list[list[int]]) -> int:
    """How many bytes the HCOMPRESS decoder can read beyond the end of a tile."""
    sides = [
        tuple(length for length in lengths if length > 1)
        for lengths in itertools.product(*axes)
    ]
    most = 0
    for number, packed, size in tiles:
        if len(packed) < _HCOMPRESS.size:
            raise corrupt("it has a tile without its header")
        magic, ny, nx, _, _, *planes = _HCOMPRESS.unpack_from(packed)
        if magic != _HCOMPRESS_MAGIC or (ny, nx) != sides[number]:
            raise corrupt(f"it has a tile of {nx} x {ny} pixels instead of {size}")
        if min(nx, ny) < _LEAST_SIDE or max(planes) > _MOST_PLANES:
            raise corrupt(f"a tile of {nx} x {ny} pixels has {max(planes)} bit planes")
        # A plane of a quadrant has a code of up to six bits for each of its squares of
        # 2 x 2 pixels, for each square of those, and so on; two quadrants share the
        # second number. One bit for each sign comes last.
        number_of_planes = planes[0] + 2 * planes[1] + planes[2]
        most = max(most, (number_of_planes + 1) * (size // 8 + nx + ny + 64))
    if most > _MOST_PADDING:
        raise BadCutout(
            "a tile has so many pixels and bit planes that it could not be decoded "
            "safely: compress the image in smaller tiles",
            reason="size_limit",
        )
    return most


def corrupt(what: str) -> BadCutout:
    """The error for a compressed image that contradicts itself."""
    return BadCutout(f"the compressed image is damaged: {what}", reason="corrupt_tiles")
