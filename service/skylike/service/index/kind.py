"""How vectors are searched, and which way suits how many."""

import enum
from typing import Self

_FLAT_LIMIT = 100_000  # rows; beyond, comparing with all is slower than a graph
_GRAPH_LIMIT = 4_000_000  # rows; beyond, graphs take too much memory and time to build


class Kind(enum.StrEnum):
    """How an index searches."""

    FLAT = "flat"
    """Compares with every vector: exact."""
    HNSW = "hnsw"
    """Walks a graph of neighbours."""
    IVF = "ivf"
    """Compares with the nearest groups of vectors, one byte a number, and the best of
    these again in float16."""

    @classmethod
    def for_size(cls, num_vectors: int) -> Self:
        """What suits so many vectors."""
        if num_vectors <= _FLAT_LIMIT:
            return cls("flat")
        return cls("hnsw" if num_vectors <= _GRAPH_LIMIT else "ivf")
