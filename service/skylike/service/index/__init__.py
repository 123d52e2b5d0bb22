"""Vector search: immutable FAISS segments, how they are kept, and exact merging.

The only place that imports faiss. Everything here is derived from the catalog
and can be built again from it; it knows rows and vectors, no ids.
"""

from skylike.service.index.nearest import Block, Nearest, nearest
from skylike.service.index.segment import Kind, Segment
from skylike.service.index.shelf import Shelf
from skylike.service.index.tail import Tail

__all__ = ["Block", "Kind", "Nearest", "Segment", "Shelf", "Tail", "nearest"]
