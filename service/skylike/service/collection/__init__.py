"""Collections: objects of one model that can be written, got, searched and fitted."""

from skylike.service.catalog import DURABLE, Opinion, Rating, SkyObject, Writing
from skylike.service.collection.alike import Spot
from skylike.service.collection.calibrated import (
    ALIKE_COSINE,
    SAME_COSINE,
    NewestFits,
    make_fitted,
)
from skylike.service.collection.collection import Collection
from skylike.service.collection.laying import LAYOUTS, require_layout
from skylike.service.collection.mapping import Map
from skylike.service.collection.portraits import Portrait
from skylike.service.collection.predicting import Lesson, Target
from skylike.service.collection.rating import Taught
from skylike.service.collection.search import MAX_K, Found, How, Scored
from skylike.service.collection.verifying import Problem

__all__ = [
    "ALIKE_COSINE",
    "DURABLE",
    "LAYOUTS",
    "MAX_K",
    "SAME_COSINE",
    "Collection",
    "Found",
    "How",
    "Lesson",
    "Map",
    "NewestFits",
    "Opinion",
    "Portrait",
    "Problem",
    "Rating",
    "Scored",
    "SkyObject",
    "Spot",
    "Target",
    "Taught",
    "Writing",
    "make_fitted",
    "require_layout",
]
