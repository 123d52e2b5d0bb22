"""`Tail`: the newest vectors, in no segment yet."""

from collections.abc import Iterable
from typing import Any, Self

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from skylike.service.index.threads import at_most

faiss: Any = _faiss  # its stubs lack what is used here


class Tail:
    """Vectors that are compared one and all. Never changes; safe from any thread.

    Attributes
    ----------
    rows : (n,) int64
        The catalog row of each vector, ascending.
    vectors : (n, dimension) float32, unit norm
    """

    def __init__(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self.rows = rows
        self.vectors = vectors
        self._row_store = rows
        self._vector_store = vectors

    @classmethod
    def of(
        cls,
        parts: Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]],
        dimension: int,
    ) -> Self:
        """A tail of rows and vectors that come in parts."""
        rows, vectors = [np.empty(0, np.int64)], [np.empty((0, dimension), np.float32)]
        for some_rows, some_vectors in parts:
            rows.append(some_rows)
            vectors.append(some_vectors)
        return cls(np.concatenate(rows), np.concatenate(vectors))

    def extended(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> Self:
        """A tail with more rows at its end. Call it once per tail.

        The two share memory: the new rows lie beyond what the old tail sees.
        """
        old, new = len(self.rows), len(self.rows) + len(rows)
        row_store, vector_store = self._row_store, self._vector_store
        if new > len(row_store):
            # Doubling makes growing by one cost as much as growing by many.
            row_store = np.empty(2 * new, np.int64)
            vector_store = np.empty((2 * new, self.vectors.shape[1]), np.float32)
            row_store[:old], vector_store[:old] = self.rows, self.vectors
        row_store[old:new], vector_store[old:new] = rows, vectors
        longer = type(self)(row_store[:new], vector_store[:new])
        longer._row_store, longer._vector_store = row_store, vector_store
        return longer

    def candidates(
        self, queries: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """As `Segment.candidates`; finds everything."""
        num_queries, num_rows = len(queries), len(self.rows)
        if count >= num_rows:
            positions = np.broadcast_to(np.arange(num_rows), (num_queries, num_rows))
            return positions, np.full(num_queries, -np.inf, np.float32)
        with at_most(num_queries):
            scores, positions = faiss.knn(
                queries, self.vectors, count, metric=faiss.METRIC_INNER_PRODUCT
            )
        return positions, scores[:, -1]
