"""From a source to an `Image`."""

import dataclasses
import io
import math
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits import container, position, selector, tiles
from skylike.service.fits.axes import arrange
from skylike.service.fits.image import Image, SkyPosition

MAX_PIXELS = 2**26

_SCIENCE = {"SCI", "DATA", "IMAGE", "FLUX"}
_COMPANIONS = {"ERR", "DQ", "WHT", "MASK", "VAR", "STAT", "IVAR", "UNCERT"}

# Recording warnings changes the state of the whole process; threads take turns.
_RECORDING = threading.Lock()


def read(source: str | Path | bytes, hdu: str | None = None) -> Image:
    """Read one image from a FITS file.

    Parameters
    ----------
    source
        A path, a path with a selector (``file.fits[SCI,2]``), or the bytes of a
        file; plain or packed with gzip, bzip2 or xz; tile-compressed or not.
    hdu
        Which HDU: ``1``, ``SCI`` or ``SCI,2``. By default the first image named
        SCI, DATA, IMAGE or FLUX, else the first image that is not named like an
        error, weight or mask.

    Returns
    -------
    Image
        Pixels in the order channel, y, x, float32, NaN where there is no data
        (NaN, infinite, or BLANK in the file).

    Raises
    ------
    BadCutout
        With a reason code, for everything that cannot be read. The message names
        the file if the source is a path.
    """
    where = ""
    if isinstance(source, str):
        source, suffix = selector.locate(source)
        hdu = hdu or suffix
    if isinstance(source, Path):
        where = f"{source}: "
    try:
        return _decode(container.load(source), hdu or None)
    except BadCutout as error:
        raise BadCutout(where + str(error), reason=error.reason) from error


def _decode(data: bytes, wanted: str | None) -> Image:
    with _RECORDING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with fits.open(io.BytesIO(data), memmap=False) as hdus:
                number = _choose(hdus, wanted)
                _require_affordable(data, hdus, number)
                image = _read_hdu(hdus, number)
        except BadCutout:
            raise
        except Exception as error:  # astropy raises whatever a damaged file provokes
            raise _explain(error) from error
    found = dict.fromkeys(printable(str(warning.message)) for warning in caught)
    return dataclasses.replace(image, warnings=image.warnings + tuple(found))


def _choose(hdus: fits.HDUList, wanted: str | None) -> int:
    """Number of the HDU to read."""
    if wanted is not None:
        return _find(hdus, wanted)
    images = [i for i, hdu in enumerate(hdus) if _is_image(hdu)]
    named = [i for i in images if hdus[i].name.upper() in _SCIENCE]
    plain = [i for i in images if hdus[i].name.upper() not in _COMPANIONS]
    if named or plain:
        return (named or plain)[0]
    empty = [hdu for hdu in hdus if hdu.is_image and 0 in hdu.shape]
    if empty:
        raise BadCutout(
            f"the image has no pixels: its shape is {empty[0].shape}",
            reason="bad_dimensions",
        )
    kinds = ", ".join(
        f"{i} {type(hdu).__name__}{hdu.shape if hdu.is_image else ''}"
        for i, hdu in enumerate(hdus)
    )
    raise BadCutout(
        f"no HDU holds an image with two axes longer than a pixel; there are: {kinds}",
        reason="no_image",
    )


def _find(hdus: fits.HDUList, wanted: str) -> int:
    key = selector.parse(wanted)
    try:
        number = int(hdus.index_of(key))
        hdu = hdus[number]
    except (KeyError, IndexError) as error:
        names = ", ".join(f"{i} ({hdu.name})" for i, hdu in enumerate(hdus))
        raise BadCutout(
            f"there is no HDU [{wanted}]; the file has: {printable(names)}",
            reason="hdu_not_found",
        ) from error
    if not hdu.is_image or isinstance(hdu, fits.GroupsHDU):
        raise BadCutout(
            f"HDU [{wanted}] is a {type(hdu).__name__}, not an image",
            reason="hdu_not_image",
        )
    if len(hdu.shape) < 2 or 0 in hdu.shape:
        raise BadCutout(
            f"HDU [{wanted}] has the shape {hdu.shape}; an image needs two axes",
            reason="bad_dimensions",
        )
    return number


def _is_image(hdu: Any) -> bool:
    """Whether an HDU holds an array with at least two axes longer than 1."""
    if not hdu.is_image or isinstance(hdu, fits.GroupsHDU) or 0 in hdu.shape:
        return False
    return bool(sum(length > 1 for length in hdu.shape) >= 2)


def _require_affordable(data: bytes, hdus: fits.HDUList, number: int) -> None:
    """Refuse an image that would take too much memory, before any is taken."""
    hdu = hdus[number]
    if math.prod(hdu.shape) > MAX_PIXELS:
        raise BadCutout(
            f"the image has the shape {hdu.shape}; at most {MAX_PIXELS} pixels are "
            "read: cut out the part of interest first",
            reason="size_limit",
        )
    if isinstance(hdu, fits.CompImageHDU):
        tiles.require_sound(data, number)


def _read_hdu(hdus: fits.HDUList, number: int) -> Image:
    hdu = hdus[number]
    array, axes, bands = arrange(hdu.data, hdu.header)
    pixels, notes = _native(array)
    where: tuple[SkyPosition | None, float | None] = (None, None)
    epoch = None
    try:
        epoch = position.epoch_mjd(hdu.header)
        where = position.celestial(hdu.header, pixels.shape[2], pixels.shape[1])
    except Exception as error:  # the world coordinates of real files break in many ways
        notes.append(f"no position or date: {printable(str(error))}")
    return Image(
        pixels=pixels,
        axes=axes,
        bands=tuple(printable(band) for band in bands),
        position=where[0],
        pixel_scale_arcsec=where[1],
        unit=_text(hdu.header, "BUNIT"),
        hdu=f"{number} ({printable(hdu.name)})" if hdu.name else str(number),
        name=_text(hdu.header, "OBJECT"),
        epoch_mjd=epoch,
        warnings=tuple(notes),
    )


def _native(array: NDArray[Any]) -> tuple[NDArray[np.float32], list[str]]:
    """Native float32 pixels of our own, with NaN for all that is not finite."""
    with np.errstate(over="ignore"):
        pixels = np.array(array, dtype=np.float32, order="C", copy=True)
    infinite = np.isinf(pixels)
    notes = []
    if infinite.any():
        pixels[infinite] = np.nan
        notes.append(f"{int(infinite.sum())} infinite pixels are taken as blank")
    return pixels, notes


def _explain(error: Exception) -> BadCutout:
    """The reason code for what astropy raised."""
    words = printable(f"{type(error).__name__}: {error}")
    if isinstance(error, MemoryError):
        return BadCutout(
            f"the pixels do not fit into memory: {words}", reason="size_limit"
        )
    if "buffer is too small" in words or "truncated" in words.lower():
        return BadCutout(
            f"the file ends before its pixels do: {words}", reason="truncated"
        )
    return BadCutout(f"the file is damaged: {words}", reason="corrupt_header")


def _text(header: Any, keyword: str) -> str:
    """A card's text; empty where it is missing or cannot be parsed."""
    try:
        return printable(str(header.get(keyword, "")))
    except fits.VerifyError:
        return ""


def printable(text: str) -> str:
    """One short line of printable characters: header text is not to be trusted."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(line.split())[:200]
