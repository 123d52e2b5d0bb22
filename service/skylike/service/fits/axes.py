"""What the axes of an array mean, told from the header's words alone.

A two-dimensional image needs no telling. A third axis is spectral, or bands, or
Stokes, if the header says so; if it does not, that is an error, never a guess.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits.image import Axes

_CELESTIAL = re.compile(r"^(RA--|DEC-|.LON|.LAT|..LN|..LT)")
# The codes of the FITS standard 4.0, table 25, and names seen in the wild.
_SPECTRAL = re.compile(
    r"^(FREQ|ENER|WAVN|VRAD|WAVE|VOPT|ZOPT|AWAV|VELO|BETA|FELO|LAMBDA)"
)


def arrange(
    pixels: NDArray[Any], header: Any
) -> tuple[NDArray[Any], Axes, tuple[str, ...]]:
    """Bring an array into the order channel, y, x.

    Parameters
    ----------
    pixels : (..., ny, nx) any dtype
        As numpy sees the file: the last axis is NAXIS1.
    header
        The header that describes it.

    Returns
    -------
    pixels : (channel, ny, nx)
        A view where possible.
    axes
        What the channels are.
    bands
        Their names, when they are bands.

    Raises
    ------
    BadCutout
        ``bad_dimensions``, ``axis_ambiguous`` or ``stokes_unavailable``.
    """
    kinds = [_kind(header, pixels.ndim - i) for i in range(pixels.ndim)]
    celestial = [i for i, kind in enumerate(kinds) if kind == "celestial"]
    if len(celestial) != 2:
        celestial = [pixels.ndim - 2, pixels.ndim - 1]
    others = [i for i in range(pixels.ndim) if i not in celestial]
    pixels = pixels.transpose(others + celestial)
    kinds = [kinds[i] for i in others]

    for i in reversed(range(len(kinds))):
        if pixels.shape[i] == 1:
            pixels, kinds = pixels.take(0, axis=i), kinds[:i] + kinds[i + 1 :]
        elif kinds[i] == "stokes":
            plane = _stokes_i(header, pixels.ndim - i, pixels.shape[i])
            pixels, kinds = pixels.take(plane, axis=i), kinds[:i] + kinds[i + 1 :]

    if not kinds:
        return pixels[np.newaxis], Axes.IMAGE, ()
    if len(kinds) > 1:
        raise BadCutout(
            f"the array has {len(kinds)} axes beside the image: {pixels.shape}; "
            "an image may have one, bands or spectral",
            reason="bad_dimensions",
        )
    if kinds[0] == "spectral":
        return pixels, Axes.SPECTRAL, ()
    bands = _bands(header, pixels.shape[0])
    if bands is not None:
        return pixels, Axes.BANDS, bands
    raise BadCutout(
        f"the header does not say what the first axis of {pixels.shape} is: give it a "
        "spectral CTYPE3, such as 'FREQ', or name its bands in a BANDS card",
        reason="axis_ambiguous",
    )


def _kind(header: Any, number: int) -> str:
    """What the FITS axis `number` (1 for NAXIS1) is, by its CTYPE."""
    ctype = str(header.get(f"CTYPE{number}", "")).upper()
    if _CELESTIAL.match(ctype):
        return "celestial"
    if _SPECTRAL.match(ctype):
        return "spectral"
    return "stokes" if ctype.startswith("STOKES") else ""


def _stokes_i(header: Any, number: int, length: int) -> int:
    """Index of the Stokes I plane: the one whose world coordinate is 1."""
    values = header.get(f"CRVAL{number}", 1.0) + header.get(f"CDELT{number}", 1.0) * (
        np.arange(1, length + 1) - header.get(f"CRPIX{number}", 1.0)
    )
    planes = np.flatnonzero(np.isclose(values, 1.0))
    if planes.size != 1:
        raise BadCutout(
            f"no plane of the Stokes axis is I: {values.tolist()}",
            reason="stokes_unavailable",
        )
    return int(planes[0])


def _bands(header: Any, length: int) -> tuple[str, ...] | None:
    """Names of the bands: a BANDS card with a letter each, or BAND0, BAND1, …."""
    letters = str(header.get("BANDS", "")).replace(",", " ").split()
    names: Sequence[str] = letters if len(letters) > 1 else list("".join(letters))
    for first in (0, 1):
        if not names and f"BAND{first}" in header:
            names = [
                str(header.get(f"BAND{first + i}", "")).strip() for i in range(length)
            ]
    return tuple(names) if len(names) == length and all(names) else None
