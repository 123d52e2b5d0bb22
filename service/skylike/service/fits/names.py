"""How files of FITS are called."""

SUFFIXES = (".fits", ".fit", ".fts")
PACKED = (".gz", ".bz2", ".xz", ".zip", ".fz", ".z")


def is_fits(name: str) -> bool:
    """Whether a file is called like FITS, packed or not."""
    return stem(name) != name


def stem(name: str) -> str:
    """A file's name without what marks it as FITS: ``J0123.4.fits.gz`` is ``J0123.4``.

    Other names stay as they are.
    """
    lower = name.lower()  # of another length, where there are odd letters
    packed = len(lower) - lower.rindex(".") if lower.endswith(PACKED) else 0
    for suffix in SUFFIXES:
        if lower.endswith(suffix, 0, len(lower) - packed):
            return name[: len(name) - packed - len(suffix)]
    return name
