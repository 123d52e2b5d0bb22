"""How wide a point source is: the beam of a radio image, the seeing of an optical one.

Missing is normal, and gives None; a unit is never guessed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from skylike.service.fits.header import Header

_QUANTITY = re.compile(r"\s*([+-]?[\d.]+(?:[EeDd][+-]?\d+)?)\s*(deg|arcmin|arcsec)?\s*")
_ARCSEC = {"deg": 3600.0, "arcmin": 60.0, "arcsec": 1.0, None: 3600.0}
# The Astronomical Image Processing System wrote its beam as prose.
_AIPS = re.compile(
    r"AIPS\s+CLEAN\s+BMAJ=\s*(\S+)\s+BMIN=\s*(\S+)\s+BPA=\s*(\S+)", re.IGNORECASE
)
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_IN_ARCSEC = re.compile(r"\barcsec\w*")
_IN_PIXELS = re.compile(r"\b(px|pix|pixels?)\b")
_SEEING = ("PSF_FWHM", "PSFFWHM", "SEEING", "FWHM")


@dataclass(frozen=True, slots=True)
class Beam:
    """An elliptical Gaussian: full widths at half maximum, position angle.

    The angle is in degrees from North towards East.
    """

    major_arcsec: float
    minor_arcsec: float
    angle_deg: float


def read_beam(header: Header) -> Beam | None:
    """The beam by BMAJ, BMIN and BPA in degrees, or by the HISTORY of AIPS."""
    major, minor = _arcsec(header, "BMAJ"), _arcsec(header, "BMIN")
    if major is not None:
        angle = header.number("BPA")
        return _beam(major, minor or major, angle or 0.0)
    found = None
    for line in header.history():
        if match := _AIPS.search(line):
            found = match  # the last image that was made is this one
    if found is None:
        return None
    try:
        major, minor, angle = (float(word) for word in found.groups())
    except ValueError:
        return None
    return _beam(3600 * major, 3600 * minor, angle)


def read_seeing(
    header: Header, scale_arcsec: Callable[[], float | None]
) -> float | None:
    """Full width at half maximum of the point spread function, arcsec.

    Only of cards whose comment gives one unit, in brackets or as a word; pixels are of
    `scale_arcsec`, which is asked for where it is needed.
    """
    for keyword in _SEEING:
        width, comment = header.number(keyword), header.comment(keyword).lower()
        if width is None or width <= 0:
            continue
        brackets = _BRACKETS.search(comment)
        unit = brackets[1] if brackets else comment
        is_arcsec = _IN_ARCSEC.search(unit) is not None
        if is_arcsec == (_IN_PIXELS.search(unit) is not None):
            continue  # neither, or both
        scale = 1.0 if is_arcsec else scale_arcsec()
        if scale is not None:
            return width * scale
    return None


def _arcsec(header: Header, keyword: str) -> float | None:
    """A width in degrees, or as text with its unit."""
    value = header.get(keyword)
    match = None if value is None else _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    try:
        return float(match[1].upper().replace("D", "E")) * _ARCSEC[match[2]]
    except ValueError:
        return None


def _beam(major: float, minor: float, angle: float) -> Beam | None:
    return Beam(major, minor, angle) if 0 < minor <= major < 1e6 else None
