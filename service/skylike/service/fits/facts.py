"""The cards of a header that people look for first."""

from collections.abc import Iterable
from typing import NamedTuple

from skylike.service.fits.header import Header

_KEYWORDS = (
    *("OBJECT", "TELESCOP", "INSTRUME", "DETECTOR", "SURVEY", "ORIGIN", "PROPOSID"),
    *("FILTER", "FILTER1", "FILTER2", "FILTERS", "BAND", "BANDS", "WAVELEN"),
    *("DATE-OBS", "TIME-OBS", "MJD-OBS", "EXPTIME", "EXPOSURE", "TEXPTIME", "NCOMBINE"),
    *("AIRMASS", "SEEING", "FWHM", "PSF_FWHM", "BMAJ", "BMIN", "BPA"),
    *("BUNIT", "MAGZERO", "MAGZPT", "PHOTZP", "ZEROPNT", "PHOTFLAM", "PHOTPLAM"),
    *("GAIN", "RDNOISE", "SATURATE", "RESTFRQ", "RESTFREQ", "SPECSYS"),
    *("RA", "DEC", "EQUINOX", "RADESYS"),
    *(f"{name}{axis}" for axis in (1, 2, 3) for name in ("CTYPE", "CRVAL", "CRPIX")),
    *(f"{name}{axis}" for axis in (1, 2, 3) for name in ("CUNIT", "CDELT", "CROTA")),
    *("CD1_1", "CD1_2", "CD2_1", "CD2_2", "PC1_1", "PC1_2", "PC2_1", "PC2_2"),
    *("EXTNAME", "BITPIX", "BSCALE", "BZERO", "BLANK", "ZCMPTYPE"),
)


class Fact(NamedTuple):
    """A card: one printable line each."""

    keyword: str
    value: str
    comment: str


def facts(headers: Iterable[Header]) -> tuple[Fact, ...]:
    """What headers say of target, observation, instrument, unit, place and pixels.

    Parameters
    ----------
    headers
        The first that has a card tells it.
    """
    headers = list(headers)
    found = []
    for keyword in _KEYWORDS:
        for header in headers:
            if value := header.text(keyword):
                found.append(Fact(keyword, value, header.comment(keyword)))
                break
    return tuple(found)
