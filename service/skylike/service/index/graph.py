"""`Graph`: vectors linked to their neighbours (HNSW).

Malkov & Yashunin 2020, IEEE TPAMI 42, 824.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import faiss as _faiss
import numpy as np
import structlog

from skylike.service.index.allowed import Allowed
from skylike.service.index.exact import Floats, Positions, compare
from skylike.service.index.flat import mapped, stored_in
from skylike.service.index.kind import Kind
from skylike.service.index.linking import watched
from skylike.service.index.threads import at_most

faiss: Any = _faiss  # its stubs lack what is used here
_log = structlog.get_logger()

_SUFFIX = ".faiss"
_LINKS = 32
_EF_CONSTRUCTION = 40
_WIDTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
_WIDEST = 4096
_WIDER_THAN = 1.5  # times what is asked for
_RECALL = 0.995  # on the sample, so that 0.99 holds in spite of its scatter
_SAMPLE_K = 10
# A walk takes as long as comparing with so many vectors for each that it keeps in sight:
# 40 for one query, 150 for one of a hundred.
_COMPARED = 96


class Graph:
    """Vectors linked to their neighbours. Never changes; safe from any thread.

    Attributes
    ----------
    width
        How many vectors a walk keeps in sight (efSearch).
    """

    kind = Kind.HNSW

    def __init__(self, index: Any, width: int) -> None:
        self._index = index
        self.vectors = stored_in(index)
        self.width = width
        self._known_parameters: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def build(
        cls,
        vectors: Floats,
        sample: Floats,
        told: Callable[[int], None] = lambda _: None,
    ) -> Self:
        """Link vectors, and measure how widely the graph must be searched.

        The sample is asked for before it is added, as new objects would be: vectors
        that are in a graph are easier to find near than vectors that are not.

        Parameters
        ----------
        vectors : (n, dimension) float32, unit norm
            What is linked, n >= 1.
        sample : (m, dimension) float32, unit norm
            Added after them.
        told
            Called with the number of vectors that have been added, now and then, also
            from another thread.
        """
        index = faiss.IndexHNSWFlat(sample.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _EF_CONSTRUCTION
        _log.info("graph_begun", num_vectors=len(vectors) + len(sample))
        # At once: FAISS links the vectors of the upper levels first, which makes its
        # long ways. Of 300,000 in clusters, added in 15 parts, 5 % were never found.
        with watched(index, len(vectors), told):
            index.add(vectors)
        told(index.ntotal)
        width, recall = _WIDTHS[0], 1.0
        if len(sample):
            width, recall = _chosen_width(index, sample)
            index.add(sample)
        told(index.ntotal)
        _log.info(
            "graph_built",
            num_vectors=index.ntotal,
            width=width,
            recall=round(recall, 4),
        )
        return cls(index, width)

    def candidates(
        self,
        queries: Floats,
        count: int,
        allowed: Allowed | None = None,
        *,
        effort: float = 1.0,
        exact: bool = False,
    ) -> tuple[Positions, Floats]:
        """As `VectorIndex.candidates`."""
        total = len(self) if allowed is None else allowed.count
        width = max(self.width, _WIDER_THAN * count) * effort * len(self) / total
        if exact or total <= max(count, _COMPARED * width):
            return compare(self, queries, count, allowed)
        parameters = self._parameters(max(count, min(int(width), _WIDEST)), allowed)
        scores = np.empty((len(queries), count), np.float32)
        positions = np.empty((len(queries), count), np.int64)
        with at_most(len(queries)):
            # What `search` does after it has looked at its arguments once more.
            self._index.search_c(
                len(queries),
                faiss.swig_ptr(queries),
                count,
                faiss.swig_ptr(scores),
                faiss.swig_ptr(positions),
                parameters,
            )
        missing = positions[:, -1] < 0
        ceilings: Floats = scores[:, -1]
        if missing.any():
            ceilings = np.where(missing, np.float32(np.inf), ceilings)
        return positions, ceilings

    def _parameters(self, width: int, allowed: Allowed | None) -> Any:
        """Settings of one search: those on a shared index would race."""
        if allowed is not None:
            selector = faiss.IDSelectorBitmap(allowed.bits)
            return faiss.SearchParametersHNSW(sel=selector, efSearch=width)
        if width not in self._known_parameters:
            made = faiss.SearchParametersHNSW(efSearch=width)
            self._known_parameters[width] = made
        return self._known_parameters[width]

    def at(self, positions: Positions) -> Floats:
        """Vectors at some positions, (…, dimension) float32."""
        return self.vectors[positions]

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """All vectors, in one part."""
        yield 0, self.vectors

    def write(self, stem: Path) -> dict[str, Path]:
        """Write new files; which, by what they hold."""
        path = stem.with_suffix(_SUFFIX)
        faiss.write_index(self._index, str(path))
        return {"index": path}

    @classmethod
    def read(cls, files: Mapping[str, Path], width: int) -> Self:
        """What `write` wrote, mapped into memory."""
        return cls(mapped(files["index"]), width)


def _chosen_width(index: Any, sample: Floats) -> tuple[int, float]:
    k = min(_SAMPLE_K, index.ntotal)
    exact, _ = faiss.knn(sample, stored_in(index), k, metric=faiss.METRIC_INNER_PRODUCT)
    width, recall = _WIDTHS[0], 0.0
    for width in _WIDTHS:
        parameters = faiss.SearchParametersHNSW()
        parameters.efSearch = width
        found, _ = index.search(sample, k, params=parameters)
        # By score, not by number: of two equals either is right.
        recall = float((found >= exact[:, -1:] - 1e-6).mean())
        if recall >= _RECALL:
            break
    return width, recall
