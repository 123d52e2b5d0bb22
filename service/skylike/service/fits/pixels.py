"""Stored numbers to float32 pixels.

The physical value is BZERO + BSCALE x stored value, computed in float64 a part at a
time, and NaN where an integer equals BLANK: FITS standard 4.0, sections 4.4.2.5 and
5.3.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits.box import Box
from skylike.service.fits.header import Header
from skylike.service.fits.store import Store
from skylike.service.fits.structure import Hdu

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_PART = 2**20  # pixels that are converted at once
_FLOAT32 = np.finfo(np.float32)
_UNSIGNED = 2.0**63  # BZERO of unsigned 64-bit integers
_SPARSE = 8  # a box narrower than this part of a row is read row by row


def read_plane(
    store: Store, hdu: Hdu, plane: Sequence[int], box: Box, out: NDArray[np.float32]
) -> int:
    """Read a rectangle of one plane of an uncompressed image.

    Parameters
    ----------
    store, hdu
        Where it lies.
    plane
        Indices into the axes before the last two.
    box
        Within the image.
    out : (box.ny, box.nx) float32
        Filled with physical values, as by `convert`.

    Returns
    -------
    int
        How many values float32 cannot hold.

    Raises
    ------
    BadCutout
        ``truncated`` if the file ends first.
    """
    *leading, ny, nx = hdu.shape
    start = 0
    for length, index in zip(leading, plane, strict=True):
        start = start * length + index
    start *= ny
    lost = 0
    if box.nx * _SPARSE < nx:
        for y in range(box.ny):
            place = (start + box.y0 + y) * nx + box.x0
            lost += convert(stored(store, hdu, place, box.nx), hdu.header, out[y])
        return lost
    step = max(1, _PART // nx)
    for y in range(0, box.ny, step):
        count = min(step, box.ny - y)
        rows = stored(store, hdu, (start + box.y0 + y) * nx, count * nx)
        part = rows.reshape(count, nx)[:, box.x0 : box.x1]
        lost += convert(part, hdu.header, out[y : y + count])
    return lost


def stored(store: Store, hdu: Hdu, place: int, count: int) -> NDArray[np.generic]:
    """Numbers as they are stored, `count` from the one numbered `place` on.

    Raises
    ------
    BadCutout
        ``truncated`` if the file ends first.
    """
    dtype = np.dtype(_DTYPES[int(hdu.header.get("BITPIX") or 0)])
    data = store.read(hdu.offset + place * dtype.itemsize, count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise BadCutout(
            f"the file ends before the pixels of HDU {hdu.label} do: "
            f"{hdu.offset + hdu.size} bytes are announced, {store.size} are there",
            reason="truncated",
        )
    return np.frombuffer(data, dtype)


def convert(
    numbers: NDArray[np.generic], header: Header, out: NDArray[np.float32]
) -> int:
    """Physical values of stored numbers.

    Parameters
    ----------
    numbers : any shape, any FITS type
    header
        BSCALE, BZERO and BLANK count.
    out : the same shape, float32
        Filled; NaN where an integer equals BLANK, infinite where float32 ends.

    Returns
    -------
    int
        How many finite values float32 cannot hold: beyond 3.4e38, or so near to
        zero that digits are lost.

    Raises
    ------
    BadCutout
        ``corrupt_header`` if BSCALE or BZERO is no finite number.
    """
    scale, zero = _scaling(header, "BSCALE"), _scaling(header, "BZERO")
    if numbers.dtype == ">i8" and zero == _UNSIGNED and scale in (None, 1.0):
        # Exactly: beside 2^63 float64 would round away ten binary digits.
        out[...] = numbers.astype(np.int64).view(np.uint64) ^ np.uint64(2**63)
        blank = _blank(header)
        if blank is not None:
            out[numbers == blank] = np.nan
        return 0
    blank = _blank(header) if numbers.dtype.kind in "iu" else None
    is_scaled = scale not in (None, 1.0) or zero not in (None, 0.0)
    if not is_scaled and blank is None and numbers.dtype.itemsize < 8:
        out[...] = numbers
        return 0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        values = numbers.astype(np.float64)
        if scale is not None:
            values *= scale
        if zero is not None:
            values += zero
        if blank is not None:
            values[numbers == blank] = np.nan
        out[...] = values
    size = np.abs(values)
    fits = ((size >= _FLOAT32.tiny) & (size <= _FLOAT32.max)) | (size == 0)
    return int(np.count_nonzero(np.isfinite(size) & ~fits))


def _blank(header: Header) -> int | None:
    """BLANK, also where it was written like ``-32768.0``."""
    number = header.number("BLANK")
    if number is None or not number.is_integer():
        return None
    value = header.get("BLANK")
    return value if isinstance(value, int) else int(number)


def _scaling(header: Header, keyword: str) -> float | None:
    value = header.number(keyword)
    if value is None and header.get(keyword) is not None:
        raise BadCutout(
            f"the file is damaged: {keyword} is {header.text(keyword)!r}, not a number",
            reason="corrupt_header",
        )
    return value


def blank_infinite(pixels: NDArray[np.float32]) -> int:
    """Make infinite pixels NaN, in place; returns how many there were."""
    if np.isfinite(pixels).all():
        return 0
    infinite = np.isinf(pixels)
    count = int(np.count_nonzero(infinite))
    pixels[infinite] = np.nan
    return count
