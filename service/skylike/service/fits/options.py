"""How a caller wants a file to be read."""

from dataclasses import dataclass, field
from typing import Literal

from skylike.service.fits.limits import Limits


@dataclass(frozen=True, slots=True)
class Options:
    """What the file itself does not say.

    Attributes
    ----------
    hdu
        Which HDU, as in ``file.fits[…]``: ``1``, ``SCI``, ``SCI,2``, ``g=1;r=2`` for
        bands in several HDUs, ``[SCI][11:74,21:84]`` for a section.
    axis_kind
        ``bands`` or ``spectral``: what a third axis is where the header is silent.
    stokes
        Which plane of a Stokes axis; I by default.
    strict
        Whether a wrong CHECKSUM or DATASUM is an error instead of a warning.
    limits
        How much the file may ask for.
    """

    hdu: str | None = None
    axis_kind: Literal["bands", "spectral"] | None = None
    stokes: str | None = None
    strict: bool = False
    limits: Limits = field(default_factory=Limits)
