"""DATASUM and CHECKSUM.

FITS standard 4.0, appendix J: the ones' complement sum of the 32-bit words of an HDU
is all ones (or zero) if its CHECKSUM holds; DATASUM is the sum of the data alone.
"""

import numpy as np

from skylike.service.fits.store import Store
from skylike.service.fits.structure import BLOCK, Hdu

_ALL_ONES = 2**32 - 1
_PART = 2**24


def failures(store: Store, hdu: Hdu) -> list[str]:
    """Which of the two cards are there and wrong."""
    if not hdu.is_complete:  # it may announce any size
        return []
    datasum, has_checksum = hdu.header.text("DATASUM"), "CHECKSUM" in hdu.header
    if not datasum and not has_checksum:
        return []
    data = _sum(store, hdu.offset, -(-hdu.size // BLOCK) * BLOCK)
    wrong = []
    if datasum and not _is_equal(datasum, data):
        wrong.append("DATASUM")
    if has_checksum:
        whole = _fold(data + _sum(store, hdu.start, hdu.offset - hdu.start))
        if whole not in (0, _ALL_ONES):
            wrong.append("CHECKSUM")
    return wrong


def _is_equal(text: str, total: int) -> bool:
    return text.isdecimal() and (int(text) - total) % _ALL_ONES == 0


def _sum(store: Store, start: int, length: int) -> int:
    total = 0
    for offset in range(0, length, _PART):
        data = store.read(start + offset, min(_PART, length - offset))
        words = np.frombuffer(data.ljust(-(-len(data) // 4) * 4, b"\0"), ">u4")
        total += int(words.sum(dtype=np.uint64))
    return _fold(total)


def _fold(total: int) -> int:
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 32)
    return total
