"""Collections: objects of one model that can be added, got, searched and fitted."""

from skylike.service.catalog import SkyObject
from skylike.service.collection.collection import MAX_K, Collection, Scored

__all__ = ["MAX_K", "Collection", "Scored", "SkyObject"]
