"""The truth: one SQLite file per collection, and the only place that opens it.

A write is one transaction, durable when the call returns. Every row carries a
CRC32 of its content, checked whenever the row is read: SQLite itself does not
notice a flipped bit.
"""

from skylike.service.catalog.catalog import Catalog
from skylike.service.catalog.database import State
from skylike.service.catalog.fits import Fits
from skylike.service.catalog.ratings import MAX_SCORE, AllRatings, Opinion, Rating
from skylike.service.catalog.sky_object import MAX_ID_BYTES, SkyObject, check_id
from skylike.service.catalog.writing import DURABLE, Writing

__all__ = [
    "DURABLE",
    "MAX_ID_BYTES",
    "MAX_SCORE",
    "AllRatings",
    "Catalog",
    "Fits",
    "Opinion",
    "Rating",
    "SkyObject",
    "State",
    "Writing",
    "check_id",
]
