"""Stamps inside the alerts of transient surveys."""

from collections.abc import Mapping
from typing import Any, Literal

from skylike.service.errors import BadCutout

Which = Literal["science", "template", "difference"]


def alert_stamp(alert: Mapping[str, Any], which: Which = "science") -> bytes:
    """The FITS file inside an alert packet, for `read`.

    Parameters
    ----------
    alert
        A decoded packet of ZTF (``cutoutScience`` holds ``stampData``, a gzipped file)
        or of Rubin (``cutoutScience`` is the file).
    which
        Which of the three stamps.

    Raises
    ------
    BadCutout
        ``stamp_missing`` if the packet has none.
    """
    field = f"cutout{which.capitalize()}"
    stamp = alert.get(field)
    if isinstance(stamp, Mapping):
        stamp = stamp.get("stampData")
    if not isinstance(stamp, bytes | bytearray | memoryview) or not stamp:
        raise BadCutout(
            f"the alert has no {which} stamp: its field {field} is empty",
            reason="stamp_missing",
        )
    return bytes(stamp)
