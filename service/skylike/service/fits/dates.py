"""When an image was taken."""

import datetime
import re

from skylike.service.fits.header import Header

_MJD_0 = datetime.datetime(1858, 11, 17)
_DAY = datetime.timedelta(days=1)
_OLD = re.compile(r"(\d\d)/(\d\d)/(\d\d)")  # before 2000: FITS standard 4.0, 4.4.2.1


def epoch_mjd(header: Header) -> float | None:
    """Start of the observation as Modified Julian Date: MJD-OBS, else DATE-OBS."""
    mjd = header.number("MJD-OBS")
    if mjd is not None:
        return mjd
    text = header.text("DATE-OBS")
    if old := _OLD.fullmatch(text):
        text = f"19{old[3]}-{old[2]}-{old[1]}"
    try:
        date = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = date.utcoffset() or datetime.timedelta(0)
    return (date.replace(tzinfo=None) - _MJD_0 - offset) / _DAY
