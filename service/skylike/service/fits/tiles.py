"""Tile-compressed images: astropy decodes, after the tiles have been checked."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits.header import Header
from skylike.service.fits.limits import Limits
from skylike.service.fits.sound import Table, corrupt, secured
from skylike.service.fits.store import Store
from skylike.service.fits.structure import Hdu
from skylike.service.fits.warned import recorded

_ALGORITHMS = {
    "GZIP_1", "GZIP_2", "RICE_1", "RICE_ONE", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"
}  # fmt: skip
# What decoding needs of a header beside sizes; the rest may be long, and anything.
_NEEDED = ("TFIELDS", "TTYPE", "TFORM", "TDIM", "TSCAL", "TZERO", "TNULL", "Z")
_MOST_FIELDS = 999  # FITS standard 4.0, section 7.3.1
_MOST_TILES = 2**18  # each costs some 30 microseconds


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
    section = Section(store, hdu, limits)
    numbers = section.read(...)
    if numbers.shape != hdu.shape:
        raise corrupt(f"it decodes to the shape {numbers.shape}, not {hdu.shape}")
    return numbers


class Section:
    """A compressed image of which parts can be decoded, as `decode` does all of it.

    Its tiles have been checked. Raises as `decode`.
    """

    def __init__(self, store: Store, hdu: Hdu, limits: Limits) -> None:
        from astropy.io import fits  # noqa: PLC0415 -- slow, and seldom needed

        if not hdu.is_complete:
            raise BadCutout(
                f"the file ends before the tiles of HDU {hdu.label} do",
                reason="truncated",
            )
        algorithm = hdu.header.text("ZCMPTYPE").upper()
        if algorithm not in _ALGORITHMS:
            raise corrupt(f"its compression {algorithm!r} is not known")
        self._axes = axes = _tile_lengths(hdu, limits)
        table = _table(store, hdu)
        with _decoding():
            table = secured(table, axes, algorithm)
            self._hdus = fits.open(
                table.file(), memmap=False, do_not_scale_image_data=True, uint=False
            )
            self._image: Any = self._hdus[1]

    def read(self, part: Any) -> NDArray[np.generic]:
        """The numbers of a part, as numpy would cut it out; ``...`` for all."""
        with _decoding():
            found = self._image.data if part is ... else self._image.section[part]
            numbers: NDArray[np.generic] = np.asarray(found)
        return numbers

    def decodes(self, plane: Sequence[int], *area: slice) -> int:
        """How many pixels the tiles have that a part lies in, which `read` decodes."""
        part = [*(slice(i, i + 1) for i in plane), *area]
        return math.prod(
            sum(lengths[along.start // lengths[0] : -(-along.stop // lengths[0])])
            for lengths, along in zip(self._axes, part, strict=True)
        )

    def decodes_rows(
        self, plane: Sequence[int], rows: Sequence[int], across: slice
    ) -> int:
        """The same of some rows, where tiles that several lie in are decoded once."""
        step = self._axes[-2][0]
        firsts = {number // step * step for number in rows}
        return sum(self.decodes(plane, slice(y, y + 1), across) for y in firsts)

    def reach(self, row: int, least: int, most: int) -> int:
        """The end of rows that are decoded together: whole tiles, of `most` pixels.

        Of more where the tiles of the first row, which have `least` pixels, have more.
        """
        heights = self._axes[-2]
        step, number = heights[0], row // heights[0]
        count = most * heights[number] // least // step
        return (number + max(count, 1)) * step


@contextlib.contextmanager
def _decoding() -> Iterator[None]:
    try:
        with recorded():
            yield
    except (BadCutout, MemoryError):
        raise
    except Exception as error:  # astropy raises whatever a damaged file provokes
        raise corrupt(
            f"its tiles cannot be decoded ({type(error).__name__})"
        ) from error


def _table(store: Store, hdu: Hdu) -> Table:
    """The table that holds the tiles, with the cards that matter."""
    header = hdu.header
    if (header.get("BITPIX"), header.get("NAXIS")) != (8, 2):
        raise corrupt("its tiles are not in a table of bytes")
    width, count = _whole(header, "NAXIS1"), _whole(header, "NAXIS2")
    if _whole(header, "TFIELDS") > _MOST_FIELDS:
        raise corrupt(f"its table has {header.text('TFIELDS')} columns")
    end = width * count
    start = _whole(header, "THEAP") if "THEAP" in header else end
    if not end <= start <= hdu.size:
        raise corrupt(f"its heap begins at {start}")
    rows = store.read(hdu.offset, end)
    heap = store.view(hdu.offset + start, hdu.size - start)
    cards = [
        header.card(keyword)
        for keyword in header.keywords()
        if keyword.startswith(_NEEDED)
    ]
    return Table((width, count), b"".join(cards), rows, heap)


def _whole(header: Header, keyword: str) -> int:
    value = header.get(keyword)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise corrupt(f"{keyword} is {header.text(keyword) or 'missing'}")
    return value


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
            raise corrupt(f"ZTILE{axis} is {hdu.header.text(f'ZTILE{axis}')}")
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
        raise corrupt(f"it has {hdu.header.text('NAXIS2')} tiles instead of {count}")
    if count > _MOST_TILES:
        raise BadCutout(
            f"the image has {count} tiles; at most {_MOST_TILES} are read: compress it "
            "in larger ones",
            reason="size_limit",
        )
    return [
        [min(step, length - start) for start in range(0, length, step)]
        for length, step in sizes
    ]
