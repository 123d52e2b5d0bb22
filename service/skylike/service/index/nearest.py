"""The k nearest over several blocks: exact scores, and nothing tied left out.

FAISS and BLAS round a product differently by position, batch and machine.
Candidates are therefore scored again, in float64 and by one routine, so that
equal vectors get equal scores wherever they lie; and where a vector that was
left out might score as high as the k-th, its block is scanned.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

_SPARE = 8  # candidates beyond k, so that a scan is rare
_CHUNK = 1 << 22  # numbers gathered at a time


class Block(Protocol):
    """Vectors with their rows, and a way to find candidates among them."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """The catalog row of each vector, (n,)."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors, (n, dimension)."""

    def candidates(
        self, queries: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """As `Segment.candidates`."""


class Nearest(NamedTuple):
    """The nearest rows to one query.

    Attributes
    ----------
    rows : (m,) int64
        By falling score. More than k where several tie for the last place.
    scores : (m,) float64, -1 to 1
        Their cosines.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


def nearest(
    blocks: Sequence[Block],
    queries: NDArray[np.float32],
    k: int,
    exclude: NDArray[np.int64],
) -> list[Nearest]:
    """The k nearest rows to each query, and all that tie with the k-th.

    Parameters
    ----------
    blocks
        Where to search; no row is in two of them.
    queries : (n, dimension) float32, finite, unit norm, C-contiguous
    k
        At least 1.
    exclude : (n,) int64
        A row each query does not want, -1 for none.
    """
    blocks = [block for block in blocks if len(block.rows) > 0]
    width = sum(min(k + _SPARE, len(block.rows)) for block in blocks)
    step = max(1, _CHUNK // max(1, width * queries.shape[1]))
    found: list[Nearest] = []
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        found += _nearest(blocks, queries[part], k, exclude[part])
    return found


def _nearest(
    blocks: Sequence[Block],
    queries: NDArray[np.float32],
    k: int,
    exclude: NDArray[np.int64],
) -> list[Nearest]:
    if not blocks:
        nothing = Nearest(np.empty(0, np.int64), np.empty(0))
        return [nothing] * len(queries)
    rows, scores, ceilings = [], [], []
    for block in blocks:
        positions, ceiling = block.candidates(queries, k + _SPARE)
        found = np.where(positions < 0, -1, block.rows[positions])
        score = _cosines(block.vectors[positions], queries[:, None, :])
        score[(found < 0) | (found == exclude[:, None])] = -np.inf
        rows.append(found)
        scores.append(score)
        ceilings.append(ceiling)
    all_rows, all_scores = np.hstack(rows), np.hstack(scores)

    order = np.argsort(-all_scores, axis=1, kind="stable")
    all_rows = np.take_along_axis(all_rows, order, axis=1)
    all_scores = np.take_along_axis(all_scores, order, axis=1)
    lowest = all_scores[:, min(k, all_scores.shape[1]) - 1]
    # What a float32 product of unit vectors may be wrong by, summed in any order.
    rounding = queries.shape[1] * 2.0**-24
    # (block, query): whether something left out may belong to the answer.
    doubtful = (np.array(ceilings) > -np.inf) & (
        np.array(ceilings) + rounding >= lowest
    )
    answers = []
    for i, query in enumerate(queries):
        if doubtful[:, i].any():
            answers.append(_scan(blocks, query, k, exclude[i], lowest[i], rounding))
            continue
        keep = (all_scores[i] >= lowest[i]) & (all_scores[i] > -np.inf)
        answers.append(Nearest(all_rows[i, keep], all_scores[i, keep]))
    return answers


def _scan(
    blocks: Sequence[Block],
    query: NDArray[np.float32],
    k: int,
    exclude: np.int64,
    lowest: np.float64,
    rounding: float,
) -> Nearest:
    """Compare with everything that may be among the k nearest."""
    products = [block.vectors @ query for block in blocks]
    together = np.concatenate(products)
    if len(together) > k + 1:  # one may be the unwanted row
        place = len(together) - k - 1
        # The k-th best of all has at least this score.
        floor = np.partition(together, place)[place] - rounding
        lowest = max(lowest, np.float64(floor))
    rows, scores = [], []
    for block, product in zip(blocks, products, strict=True):
        for positions in _pieces(np.flatnonzero(product >= lowest - rounding), query):
            rows.append(block.rows[positions])
            scores.append(_cosines(block.vectors[positions], query))
    all_rows, all_scores = np.concatenate(rows), np.concatenate(scores)
    wanted = all_rows != exclude
    all_rows, all_scores = all_rows[wanted], all_scores[wanted]
    order = np.argsort(-all_scores, kind="stable")
    all_rows, all_scores = all_rows[order], all_scores[order]
    keep = all_scores >= all_scores[min(k, len(all_scores)) - 1]
    return Nearest(all_rows[keep], all_scores[keep])


def _pieces(
    positions: NDArray[np.intp], query: NDArray[np.float32]
) -> list[NDArray[np.intp]]:
    step = max(1, _CHUNK // len(query))
    return [positions[i : i + step] for i in range(0, len(positions), step)]


def _cosines(
    vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> NDArray[np.float64]:
    # Products of float32 are exact in float64, and numpy adds along the last axis
    # in an order that depends on its length alone: equal vectors, equal scores.
    cosines: NDArray[np.float64] = (vectors.astype(np.float64) * queries).sum(axis=-1)
    return cosines.clip(-1.0, 1.0)
