"""The unit of the pixels, as the standard writes it where that is known."""

# By the standard's spelling, FITS standard 4.0, section 4.3; others write these.
_ALIASES = {
    "jy/beam": "Jy/beam",
    "jy beam-1": "Jy/beam",
    "jy/bm": "Jy/beam",
    "mjy/beam": "mJy/beam",
    "adu": "adu",
    "dn": "DN",
    "dn/s": "DN/s",
    "counts": "count",
    "counts/s": "count/s",
    "electron/s": "electron/s",
    "electrons/s": "electron/s",
    "e-/s": "electron/s",
    "nanomaggy": "nmgy",
    "nanomaggies": "nmgy",
    "k (tmb)": "K",
    "k (ta*)": "K",
}


def standard_unit(raw: str) -> str:
    """BUNIT in the standard's spelling; as it is where nothing better is known.

    Pixels are divided by their noise before anything is compared, so that no unit is
    a reason to refuse a file.
    """
    return _ALIASES.get(raw.strip().lower(), raw.strip())
