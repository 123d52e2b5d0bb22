"""Where the pixels lie on the sky.

Missing or broken world coordinates are normal: they give None and a sentence,
never an exception.
"""

import re
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_skycoord

from skylike.service.fits.image import SkyPosition

# Headers can hold hundreds of thousands of cards, on which WCS takes seconds.
_CARDS = re.compile(
    r"^(NAXIS\d*|WCSAXES|CTYPE\d|CRVAL\d|CRPIX\d|CDELT\d|CUNIT\d|CROTA\d|LONPOLE|LATPOLE"
    r"|RADESYS|RADECSYS|EQUINOX|EPOCH|(CD|PC|PV|PS)\d+_\d+|(A|B|AP|BP)_(ORDER|\d_\d))$"
)
# Coefficients left behind in images whose CTYPE no longer speaks of distortion.
_DISTORTION = re.compile(r"^(A|B|AP|BP)_")
_SCALE = re.compile(r"^(CDELT\d|CD\d+_\d+|PC\d+_\d+)$")


def celestial(header: Any, nx: int, ny: int) -> tuple[SkyPosition | None, float | None]:
    """Centre of the image and its pixel scale.

    Parameters
    ----------
    header
        FITS header.
    nx, ny
        Size of the image in pixels.

    Returns
    -------
    position
        Centre of the pixel grid in ICRS; None where the header does not tell.
    pixel_scale_arcsec
        Square root of the area of a pixel at the reference point; None where no
        card gives a scale.

    Raises
    ------
    Exception
        Whatever astropy raises for world coordinates that contradict themselves.
    """
    cards = [card for card in header.cards if _CARDS.match(card.keyword)]
    if not str(header.get("CTYPE1", "")).endswith("-SIP"):
        cards = [card for card in cards if not _DISTORTION.match(card.keyword)]
    if not any(card.keyword.startswith("CTYPE") for card in cards):
        return _pointing(header), None
    world = WCS(fits.Header(cards))
    if world.naxis != 2:
        world = world.celestial
    if not world.has_celestial:
        return _pointing(header), None
    scale = None
    if any(_SCALE.match(card.keyword) for card in cards):
        area_deg2 = abs(float(np.linalg.det(world.pixel_scale_matrix)))
        scale = 3600 * area_deg2**0.5 if 0 < area_deg2 < np.inf else None
    centre = (nx - 1) / 2, (ny - 1) / 2
    if world.wcs.lngtyp == "RA" and world.wcs.radesys.strip() in ("", "ICRS"):
        # Without a transformation the coordinate objects cost more than the rest.
        ra, dec = world.all_pix2world([centre], 0, ra_dec_order=True)[0]
        return _position(float(ra), float(dec)), scale
    icrs = pixel_to_skycoord(*centre, world).icrs
    return _position(float(icrs.ra.deg), float(icrs.dec.deg)), scale


def epoch_mjd(header: Any) -> float | None:
    """Start of the observation as Modified Julian Date: MJD-OBS, else DATE-OBS."""
    mjd = header.get("MJD-OBS")
    if isinstance(mjd, int | float) and np.isfinite(mjd):
        return float(mjd)
    date = header.get("DATE-OBS")
    if not isinstance(date, str) or not date.strip():
        return None
    try:
        return float(Time(date.strip(), format="isot", scale="utc").mjd)
    except ValueError:
        return None


def _pointing(header: Any) -> SkyPosition | None:
    """The RA and DEC cards in degrees: the centre, to the writer's knowledge."""
    ra, dec = header.get("RA"), header.get("DEC")
    if not isinstance(ra, int | float) or not isinstance(dec, int | float):
        return None
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        return None
    return _position(float(ra), float(dec))


def _position(ra: float, dec: float) -> SkyPosition | None:
    if not np.isfinite(ra + dec):
        return None
    ra %= 360.0
    return SkyPosition(0.0 if ra >= 360.0 else ra, dec)  # -1e-17 % 360 is 360
