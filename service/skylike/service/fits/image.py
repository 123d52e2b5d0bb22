"""What `read` returns."""

import enum
import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.fits.beam import Beam
from skylike.service.fits.box import Box
from skylike.service.fits.header import Header
from skylike.service.fits.world import Pixel, World


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


@dataclass(frozen=True, eq=False)
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
    box
        Which pixels of the file these are; None for pixels of no file.
    edge_fraction
        Share of the pixels that lie beyond the frame, 0 to 1.
    spectral : (channel,) float64 or None
        World coordinates of the planes of a spectral cube, in `spectral_unit`.
    spectral_unit
        CTYPE and CUNIT of the spectral axis as written, else empty.
    world
        World coordinates in pixels of the file, None where there are none.
    position
        Centre of the pixels, None where the header does not tell.
    beam
        Width of a point source in a radio image, None where unknown.
    seeing_arcsec
        Full width at half maximum of the point spread function, None where unknown.
    unit
        BUNIT in the standard's spelling, possibly empty.
    hdu
        The HDU that was read: its number, and its name in parentheses; with the
        band before each where several make one image.
    name
        OBJECT as written, printable characters only, possibly empty.
    epoch_mjd
        Start of the observation, None where unknown.
    header, fits_axes
        The cards of the HDU, and which FITS axes, from 1, are x, y and the channels.
    warnings
        What was odd about the file; one sentence each.
    """

    pixels: NDArray[np.float32]
    axes: Axes = Axes.IMAGE
    bands: tuple[str, ...] = ()
    box: Box | None = None
    edge_fraction: float = 0.0
    spectral: NDArray[np.float64] | None = None
    spectral_unit: str = ""
    world: World | None = None
    position: SkyPosition | None = None
    beam: Beam | None = None
    seeing_arcsec: float | None = None
    unit: str = ""
    hdu: str = "0"
    name: str = ""
    epoch_mjd: float | None = None
    header: Header | None = None
    fits_axes: tuple[int, ...] = (1, 2)
    warnings: tuple[str, ...] = ()

    @functools.cached_property
    def pixel(self) -> Pixel | None:
        """What the central pixel is on the sky, None where unknown."""
        if self.world is None or self.box is None:
            return None
        pixel = self.world.pixel_at(*self.box.centre)
        return pixel if pixel.scale_arcsec > 0 else None

    @property
    def pixel_scale_arcsec(self) -> float | None:
        """Square root of the area of the central pixel, None where unknown."""
        return None if self.pixel is None else float(self.pixel.scale_arcsec)
