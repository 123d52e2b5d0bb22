"""The truth: one SQLite file per collection, and the only place that opens it.

A write is one transaction, durable when the call returns. Every row carries a
CRC32 of its content, checked whenever the row is read: SQLite itself does not
notice a flipped bit.
"""

from skylike.service.catalog.catalog import Catalog
from skylike.service.catalog.database import State
from skylike.service.catalog.sky_object import SkyObject, check_id

__all__ = ["Catalog", "SkyObject", "State", "check_id"]
