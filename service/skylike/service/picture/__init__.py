"""Pictures for people to look at; the encoder never sees one.

`look` draws what `seen` and `glimpsed` take of images and of frames too large to be read,
with limits and directions; the rest is what it, and thumbnails, are made of.
"""

from skylike.service.picture.compass import Compass, compass
from skylike.service.picture.looking import LARGEST_SIDE, Picture, glimpsed, look, seen
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
    "glimpsed",
    "look",
    "seen",
]
