"""Pictures for people to look at; the encoder never sees one.

`look` draws a frame of any size, with its limits and directions; the rest is what it, and
thumbnails, are made of.
"""

from skylike.service.picture.compass import Compass, compass
from skylike.service.picture.looking import LARGEST_SIDE, Picture, look
from skylike.service.picture.png import decoded, encoded
from skylike.service.picture.stretch import Stretch

__all__ = [
    "LARGEST_SIDE",
    "Compass",
    "Picture",
    "Stretch",
    "compass",
    "decoded",
    "encoded",
    "look",
]
