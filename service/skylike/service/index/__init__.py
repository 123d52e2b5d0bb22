"""Vector search: immutable FAISS indexes of several kinds, and exact merging.

The only place that imports faiss. It knows vectors and their numbers, no ids, no
filters and no files but its own.
"""

from skylike.service.index.allowed import Allowed
from skylike.service.index.flat import Flat
from skylike.service.index.kind import Kind
from skylike.service.index.nearest import Answers, Nearest, Source, k_nearest, nearest
from skylike.service.index.vectors import Told, VectorIndex, build, read

__all__ = [
    "Allowed",
    "Answers",
    "Flat",
    "Kind",
    "Nearest",
    "Source",
    "Told",
    "VectorIndex",
    "build",
    "k_nearest",
    "nearest",
    "read",
]
