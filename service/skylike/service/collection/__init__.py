"""Collections: objects of one model that can be written, got, searched and fitted."""

from skylike.service.catalog import SkyObject
from skylike.service.collection.collection import Collection
from skylike.service.collection.search import MAX_K, Found, Scored
from skylike.service.collection.verifying import Problem

__all__ = ["MAX_K", "Collection", "Found", "Problem", "Scored", "SkyObject"]
