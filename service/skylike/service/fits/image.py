"""What `read` returns."""

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class Axes(enum.StrEnum):
    """What the first axis of the pixels means."""

    IMAGE = "image"
    """One channel: a plain image."""
    BANDS = "bands"
    """Named filters."""
    SPECTRAL = "spectral"
    """Frequency, wavelength or velocity."""


@dataclass(frozen=True, slots=True)
class SkyPosition:
    """A position on the sky, ICRS: 0 <= ra_deg < 360, -90 <= dec_deg <= 90."""

    ra_deg: float
    dec_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Decoded pixels with what the header says of them.

    Attributes
    ----------
    pixels : (channel, ny, nx) float32, in `unit`
        Native byte order, C-contiguous, owned; NaN where there is no data.
    axes
        What the channels are.
    bands
        Names of the channels when they are bands, else empty.
    position
        Centre of the image, None where the header does not tell.
    pixel_scale_arcsec
        Square root of the area of the central pixel, None where unknown.
    unit
        BUNIT as written, possibly empty.
    hdu
        The HDU that was read: its number, and its name in parentheses.
    name
        OBJECT as written, printable characters only, possibly empty.
    epoch_mjd
        Start of the observation, None where unknown.
    warnings
        What was odd about the file; one sentence each.
    """

    pixels: NDArray[np.float32]
    axes: Axes
    bands: tuple[str, ...]
    position: SkyPosition | None
    pixel_scale_arcsec: float | None
    unit: str
    hdu: str
    name: str
    epoch_mjd: float | None
    warnings: tuple[str, ...]
