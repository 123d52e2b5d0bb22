"""Comparing with every vector, or with every one that is allowed."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from skylike.service.index.allowed import Allowed
from skylike.service.index.threads import at_most

faiss: Any = _faiss  # its stubs lack what is used here

_GATHERED = 8192  # vectors copied at a time: what stays in the processor's cache
_FEW = 4  # queries; beyond, copying what is allowed together pays

Positions = NDArray[np.int64]
Floats = NDArray[np.float32]


class Stored(Protocol):
    """Vectors that can be read at any position."""

    @property
    def vectors(self) -> Floats | None:
        """All of them, (n, dimension); None where they are kept in another way."""

    def __len__(self) -> int:
        """How many."""

    def at(self, positions: Positions) -> Floats:
        """Vectors at some positions, (…, dimension) float32."""

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """All vectors in order, in parts with the position of the first."""


def compare(
    stored: Stored, queries: Floats, count: int, allowed: Allowed | None
) -> tuple[Positions, Floats]:
    """The nearest to each query, and an upper bound for all others.

    Parameters
    ----------
    stored
        Where to look.
    queries : (m, dimension) float32, finite, C-contiguous
    count
        How many, at least 1.
    allowed
        Which may be found; None for all.

    Returns
    -------
    positions : (m, c) int64
        By falling product; c is `count`, or all that may be found.
    ceilings : (m,) float32
        No other vector that may be found scores higher, up to rounding; -inf if there
        is no other.
    """
    total = len(stored) if allowed is None else allowed.count
    count = min(count, total)
    vectors = stored.vectors
    if allowed is not None and vectors is not None and len(queries) <= _FEW:
        found = _where_they_lie(vectors, queries, count, allowed)
        return _bounded(*found, total)
    scores, positions = [], []
    for where, vectors in _parts(stored, allowed):
        with at_most(len(queries)):
            some, places = faiss.knn(
                queries,
                vectors,
                min(count, len(vectors)),
                metric=faiss.METRIC_INNER_PRODUCT,
            )
        scores.append(some)
        positions.append(
            where[places] if isinstance(where, np.ndarray) else where + places
        )
    return _merged(scores, positions, count, total)


def _where_they_lie(
    vectors: Floats, queries: Floats, count: int, allowed: Allowed
) -> tuple[Positions, Floats]:
    """The nearest among those allowed, and their products, without copying vectors."""
    scores = np.empty((len(queries), count), np.float32)
    positions = np.empty((len(queries), count), np.int64)
    with at_most(len(queries)):
        faiss.knn_inner_products_by_idx(
            faiss.swig_ptr(queries),
            faiss.swig_ptr(vectors),
            faiss.swig_ptr(allowed.positions),
            vectors.shape[1],
            len(queries),
            len(vectors),
            allowed.count,
            count,
            faiss.swig_ptr(scores),
            faiss.swig_ptr(positions),
            0,  # the same are allowed to every query
        )
    return positions, scores


def _parts(
    stored: Stored, allowed: Allowed | None
) -> Iterator[tuple[int | Positions, Floats]]:
    """Vectors with the position of the first, or with their positions."""
    if allowed is None:
        yield from stored.chunks()
        return
    for start in range(0, allowed.count, _GATHERED):
        chosen = allowed.positions[start : start + _GATHERED]
        yield chosen, stored.at(chosen)


def _merged(
    scores: Sequence[Floats], positions: Sequence[Positions], count: int, total: int
) -> tuple[Positions, Floats]:
    all_scores, all_positions = np.hstack(scores), np.hstack(positions)
    if len(scores) > 1:
        order = np.argsort(-all_scores, axis=1, kind="stable")[:, :count]
        all_scores = np.take_along_axis(all_scores, order, axis=1)
        all_positions = np.take_along_axis(all_positions, order, axis=1)
    return _bounded(all_positions, all_scores, total)


def _bounded(
    positions: Positions, scores: Floats, total: int
) -> tuple[Positions, Floats]:
    if positions.shape[1] == total:
        return positions, np.full(len(scores), -np.inf, np.float32)
    return positions, scores[:, -1]
