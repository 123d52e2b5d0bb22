"""FITS in, pixels out: the only place that opens FITS.

`read` gives an `Image`: native float32 pixels with NaN where there is no data,
what their axes mean, and where on the sky they lie. Whatever cannot be read is
a `BadCutout` with a reason code.
"""

from skylike.service.fits.image import Axes, Image, SkyPosition
from skylike.service.fits.reader import read
from skylike.service.fits.selector import locate

__all__ = ["Axes", "Image", "SkyPosition", "locate", "read"]
