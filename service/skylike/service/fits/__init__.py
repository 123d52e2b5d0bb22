"""FITS in, pixels out: the only place that opens FITS.

`read` gives an `Image`: native float32 pixels with NaN where there is no data, what
their axes mean, and where on the sky they lie; `opened` gives a `Frame`, of which any
part can be read. Whatever cannot be read is a `BadCutout` with a reason code.
"""

from skylike.service.fits.alerts import alert_stamp
from skylike.service.fits.beam import Beam
from skylike.service.fits.box import Box
from skylike.service.fits.frame import Frame
from skylike.service.fits.image import Axes, Image, SkyPosition
from skylike.service.fits.limits import Limits
from skylike.service.fits.names import is_fits, stem
from skylike.service.fits.opening import Source, contents, opened, read, together
from skylike.service.fits.options import Options
from skylike.service.fits.planes import mean_plane
from skylike.service.fits.world import Pixel, World
from skylike.service.fits.write import to_fits

__all__ = [
    "Axes",
    "Beam",
    "Box",
    "Frame",
    "Image",
    "Limits",
    "Options",
    "Pixel",
    "SkyPosition",
    "Source",
    "World",
    "alert_stamp",
    "contents",
    "is_fits",
    "mean_plane",
    "opened",
    "read",
    "stem",
    "to_fits",
    "together",
]
