"""From an `Image` of any size to the `Stamp` a model wants.

Training and serving share this code, so that they cannot differ.
"""

from skylike.service.stamp.make import MIN_VALID_FRACTION, Stamp, make
from skylike.service.stamp.spec import StampSpec

__all__ = ["MIN_VALID_FRACTION", "Stamp", "StampSpec", "make"]
