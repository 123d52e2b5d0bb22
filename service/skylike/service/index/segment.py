"""`Segment`: vectors in one FAISS index, built once and never changed."""

import enum
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import faiss as _faiss
import numpy as np
import structlog
from numpy.typing import NDArray

from skylike.service.index.threads import at_most

_FLAT_LIMIT = 100_000  # rows; beyond, scanning them all is slower than a graph
_LINKS = 32
_EF_CONSTRUCTION = 80
_EF_SEARCH = (64, 128, 256, 512, 1024)
_RECALL = 0.995  # on the sample, so that 0.99 holds in spite of its scatter
_SAMPLE = 256
_SAMPLE_K = 10

faiss: Any = _faiss  # its stubs lack what is used here
_log = structlog.get_logger()


class Kind(enum.StrEnum):
    """How a segment searches."""

    FLAT = "flat"
    """Compares with every vector: exact."""
    HNSW = "hnsw"
    """Walks a graph of neighbours: recall at 10 of about 0.99."""

    @classmethod
    def for_size(cls, num_rows: int) -> Self:
        """What suits so many rows."""
        return cls("flat" if num_rows <= _FLAT_LIMIT else "hnsw")


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """An immutable index. Safe to search from several threads.

    Attributes
    ----------
    kind
        How it searches.
    rows : (n,) int64
        The catalog row of each vector; unique, in no particular order.
    vectors : (n, dimension) float32, unit norm
        A view of the index's own memory.
    ef_search
        How widely HNSW searches; chosen when it was built.
    """

    kind: Kind
    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    ef_search: int
    _index: Any

    @classmethod
    def build(
        cls,
        rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
        kind: Kind | None = None,
    ) -> Self:
        """Index vectors.

        Parameters
        ----------
        rows : (n,) int64
            Their catalog rows; n >= 1.
        vectors : (n, dimension) float32, finite, unit norm
            Copied.
        kind
            By default what suits n.
        """
        kind = kind or Kind.for_size(len(rows))
        if kind is Kind.HNSW:
            rows, index, ef_search = _build_graph(rows, vectors)
        else:
            index, ef_search = faiss.IndexFlatIP(vectors.shape[1]), 0
            index.add(vectors)
        return cls(kind, rows, _stored(index), ef_search, index)

    @classmethod
    def read(
        cls, path: Path, rows: NDArray[np.int64], kind: Kind, ef_search: int
    ) -> Self:
        """The segment that `write` put there; the caller has verified the file.

        Raises
        ------
        RuntimeError
            If this version of FAISS cannot read it.
        ValueError
            If it holds another number of vectors than `rows`.
        """
        index = faiss.read_index(str(path))
        if index.ntotal != len(rows):
            raise ValueError(f"{path} has {index.ntotal} vectors, not {len(rows)}")
        return cls(kind, rows, _stored(index), ef_search, index)

    def write(self, path: Path) -> str:
        """Write the index to a new file, synced; returns its SHA-256."""
        digest = hashlib.sha256()
        with path.open("xb") as file:

            def write(chunk: bytes) -> None:
                digest.update(chunk)
                file.write(chunk)

            faiss.write_index(self._index, faiss.PyCallbackIOWriter(write))
            file.flush()
            os.fsync(file.fileno())
        return digest.hexdigest()

    def candidates(
        self, queries: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Where the vectors nearest to each query are.

        Parameters
        ----------
        queries : (m, dimension) float32, finite, C-contiguous
        count
            How many, at least 1.

        Returns
        -------
        positions : (m, c) int64
            Positions in `rows`, c = min(count, n); -1 where none was found.
        ceilings : (m,) float32
            No other vector scores higher than this, up to rounding and HNSW's
            recall: -inf if there is no other, inf if any was missed.
        """
        count = min(count, len(self.rows))
        parameters = None
        if self.kind is Kind.HNSW:
            # Per call: settings on a shared index would race between threads.
            parameters = faiss.SearchParametersHNSW()
            parameters.efSearch = max(self.ef_search, 2 * count)
        with at_most(len(queries)):
            scores, positions = self._index.search(queries, count, params=parameters)
        if count == len(self.rows):
            ceilings = np.full(len(queries), -np.inf, np.float32)
        else:
            ceilings = scores[:, -1]
        ceilings = np.where((positions < 0).any(axis=1), np.float32(np.inf), ceilings)
        return positions, ceilings


def _stored(index: Any) -> NDArray[np.float32]:
    storage = faiss.downcast_index(getattr(index, "storage", index))
    size = index.ntotal * index.d
    view: NDArray[np.float32] = faiss.rev_swig_ptr(storage.get_xb(), size)
    view = view.reshape(index.ntotal, index.d)
    view.flags.writeable = False
    return view


def _build_graph(
    rows: NDArray[np.int64], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.int64], Any, int]:
    """Build the graph, and measure how widely it must be searched.

    The sample is asked for before it is added, as new objects would be: vectors
    that are in a graph are easier to find near than vectors that are not.
    """
    order = np.random.default_rng(0).permutation(len(rows))
    num_sample = min(_SAMPLE, len(rows) // 4)
    order = np.concatenate([np.sort(order[num_sample:]), order[:num_sample]])
    rows, vectors = rows[order], vectors[order]
    rest, sample = np.split(vectors, [len(rows) - num_sample])

    index = faiss.IndexHNSWFlat(vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _EF_CONSTRUCTION
    index.add(rest)
    ef_search, recall = _EF_SEARCH[0], 1.0
    if num_sample > 0:
        ef_search, recall = _choose_ef(index, sample, _SAMPLE_K)
        index.add(sample)
    _log.info(
        "graph_built", num_rows=len(rows), ef_search=ef_search, recall=round(recall, 4)
    )
    return rows, index, ef_search


def _choose_ef(index: Any, sample: NDArray[np.float32], k: int) -> tuple[int, float]:
    k = min(k, index.ntotal)
    exact, _ = faiss.knn(sample, _stored(index), k, metric=faiss.METRIC_INNER_PRODUCT)
    for ef_search in _EF_SEARCH:
        parameters = faiss.SearchParametersHNSW()
        parameters.efSearch = ef_search
        found, _ = index.search(sample, k, params=parameters)
        # By score, not by number: of two equals either is right.
        recall = float((found >= exact[:, -1:] - 1e-6).mean())
        if recall >= _RECALL:
            break
    return ef_search, recall
