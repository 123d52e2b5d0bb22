"""From arrays, and from what astropy makes, to the bytes of a FITS file.

astropy is not imported: who hands over something of it has it, and its objects are known
by what they can do. Pixels keep their type, byte order aside, and their NaN. Masked
pixels become NaN, for which whole numbers become float64.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.client.errors import BadInput
from skylike.client.queries import Place

_BLOCK = 2880
_CARD = 80
# Of unsigned numbers FITS knows bytes only; the others are moved by half their range.
_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}


def place_of(source: Any) -> Place | None:
    """The place of a SkyCoord; None for everything else."""
    if not hasattr(source, "transform_to") or not hasattr(source, "icrs"):
        return None
    if not source.isscalar:
        raise BadInput(
            f"the SkyCoord holds {source.size} places; ask about one at a time",
            reason="bad_position",
        )
    place = source.icrs
    return Place(float(place.ra.deg), float(place.dec.deg))


def fits_of(source: Any, wcs: Any) -> bytes | None:
    """A FITS file with the pixels of an array, HDU, HDUList, CCDData or Cutout2D.

    Parameters
    ----------
    source
        Known by its attributes; an array has two axes or more.
    wcs
        Of an array; None where there is none, or the source has its own.

    Returns
    -------
    bytes or None
        None if it is none of these.

    Raises
    ------
    BadInput
        ``bad_image`` if FITS cannot hold it.
    """
    if isinstance(source, np.ndarray):
        return image(source, wcs)
    if wcs is not None:
        return None
    if hasattr(source, "writeto"):  # an HDU, or a list of them
        return _written(source)
    if hasattr(source, "to_hdu") and hasattr(source, "mask"):  # CCDData
        [hdu] = source.to_hdu(hdu_mask=None, hdu_uncertainty=None)
        if source.mask is not None:
            hdu.data = _blanked(np.ma.MaskedArray(hdu.data, source.mask))
        return _written(hdu)
    if hasattr(source, "bbox_original") and hasattr(source, "data"):  # Cutout2D
        return image(source.data, source.wcs)
    return None


def image(array: NDArray[Any], wcs: Any = None) -> bytes:
    """A FITS file of one image: an array, and an `astropy.wcs.WCS` or None."""
    if array.ndim < 2:
        raise BadInput(
            f"an image has two axes or more; this array has the shape {array.shape}",
            reason="bad_image",
        )
    pixels, zero = _storable(_blanked(array))
    cards = [
        _card("SIMPLE", "T"),
        _card("BITPIX", str(_BITPIX[pixels.dtype.str[1:]])),
        _card("NAXIS", str(pixels.ndim)),
        *(_card(f"NAXIS{i}", str(n)) for i, n in enumerate(pixels.shape[::-1], 1)),
    ]
    if zero:
        cards += [_card("BZERO", str(zero)), _card("BSCALE", "1")]
    if wcs is not None:
        cards.append(wcs.to_header(relax=True).tostring(endcard=False, padding=False))
    header = "".join([*cards, "END".ljust(_CARD)])
    return _padded(header.encode("ascii"), b" ") + _padded(pixels.tobytes(), b"\0")


def _storable(array: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """The array as FITS can hold it, and what to add to its numbers."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return array.astype("u1"), 0
    if kind == "f":
        return array.astype(">f4" if size <= 4 else ">f8"), 0
    if (kind, size) == ("i", 1):
        return (array.astype("i2") + 128).astype("u1"), -128
    if kind == "u" and size > 1:
        half = 1 << (8 * size - 1)
        native = array.astype(f"u{size}")
        return (native ^ native.dtype.type(half)).view(f"i{size}").astype(
            f">i{size}"
        ), half
    if kind in "iu":
        return array.astype(f">{kind}{size}"), 0
    raise BadInput(
        f"an image is made of real numbers; this array is {array.dtype}",
        reason="bad_image",
    )


def _blanked(array: NDArray[Any]) -> NDArray[Any]:
    """The array with NaN in place of what is masked."""
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    if not np.ma.is_masked(array):
        return array.data
    is_float = array.dtype.kind == "f"
    blanked = array.data.astype(array.dtype if is_float else np.float64)
    blanked[np.ma.getmaskarray(array)] = np.nan
    return blanked


def _written(hdu: Any) -> bytes:
    stream = io.BytesIO()
    try:
        hdu.writeto(stream, output_verify="silentfix")
    except Exception as error:  # astropy raises whatever its parts do
        raise BadInput(
            f"the {type(hdu).__name__} cannot be written as FITS: {error}",
            reason="bad_image",
        ) from error
    return stream.getvalue()


def _card(keyword: str, value: str) -> str:
    return f"{keyword:8}= {value:>20}".ljust(_CARD)


def _padded(content: bytes, filler: bytes) -> bytes:
    return content + filler * (-len(content) % _BLOCK)
