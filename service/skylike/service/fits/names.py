"""How files of FITS are called."""

SUFFIXES = (".fits", ".fit", ".fts")
PACKED = (".gz", ".bz2", ".xz", ".zip", ".fz", ".z")


def stem(name: str) -> str:
    """A file's name without what marks it as FITS: ``J0123.4.fits.gz`` is ``J0123.4``.

    Other names stay as they are.
    """
    bare = name
    for packed in PACKED:
        if bare.lower().endswith(packed):
            bare = bare[: -len(packed)]
            break
    for suffix in SUFFIXES:
        if bare.lower().endswith(suffix):
            return bare[: -len(suffix)]
    return name
