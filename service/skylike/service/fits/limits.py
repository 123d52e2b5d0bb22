"""How much a file may ask for, checked before memory is taken."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused, and with which reason.

    Honest masks compress a thousandfold, so ratios say nothing: the limits are on
    what comes out.
    """

    inflated_bytes: int = 2**29
    """Bytes a packed file (gzip, bzip2, xz, zip) may inflate to: ``inflate_limit``."""
    pixels: int = 2**26
    """Pixels read at once, after an HDU and a section are chosen: ``size_limit``."""
    tile_pixels: int = 2**24
    """Pixels of one tile of a compressed image: ``size_limit``."""
    header_bytes: int = 2**22
    """Bytes of one header: ``header_limit``."""
    hdus: int = 512
    """Header and data units of a file: ``hdu_limit``."""
