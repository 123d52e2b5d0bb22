"""The k nearest over several indexes: exact scores, and nothing tied left out.

FAISS and BLAS round a product differently by position, batch and machine.
Candidates are therefore scored again, in float64 and by one routine, so that
equal vectors get equal scores wherever they lie; and where a vector that was
left out might score as high as the k-th, its index is scanned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service.index.allowed import Allowed
from skylike.service.index.vectors import VectorIndex

_SPARE = 8  # candidates beyond k, so that a scan is rare
_CHUNK = 1 << 22  # numbers gathered at a time

Rows = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where to search.

    Attributes
    ----------
    index
        The vectors.
    rows : (n,) int64
        The catalog row of each.
    allowed
        Which may be found; None for all.
    """

    index: VectorIndex
    rows: Rows
    allowed: Allowed | None = None

    @property
    def num_allowed(self) -> int:
        """How many may be found."""
        return len(self.rows) if self.allowed is None else self.allowed.count


class Nearest(NamedTuple):
    """The nearest rows to one query.

    Attributes
    ----------
    rows : (m,) int64
        By falling score. More than k where several tie for the last place.
    scores : (m,) float64, -1 to 1
        Their cosines.
    """

    rows: Rows
    scores: Scores


def nearest(
    sources: Sequence[Source],
    queries: NDArray[np.float32],
    k: int,
    exclude: Rows | None = None,
    *,
    effort: float = 1.0,
    exact: bool = False,
) -> list[Nearest]:
    """The k nearest rows to each query, and all that tie with the k-th.

    Parameters
    ----------
    sources
        Where to search; no row is in two of them.
    queries : (n, dimension) float32, finite, unit norm, C-contiguous
    k
        At least 1.
    exclude : (n,) int64
        A row each query does not want, -1 for none; None for none at all.
    effort, exact
        As `VectorIndex.candidates` takes them.
    """
    sources = [source for source in sources if source.num_allowed > 0]
    if not sources:
        nothing = Nearest(np.empty(0, np.int64), np.empty(0))
        return [nothing] * len(queries)
    width = sum(min(k + _SPARE, source.num_allowed) for source in sources)
    step = max(1, _CHUNK // max(1, width * queries.shape[1]))
    found: list[Nearest] = []
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        unwanted = None if exclude is None else exclude[part]
        search = _Search(queries[part], k, unwanted, effort, exact)
        found += search.over(sources)
    return found


class _Search(NamedTuple):
    queries: NDArray[np.float32]
    k: int
    exclude: Rows | None
    effort: float
    exact: bool

    def over(self, sources: Sequence[Source]) -> list[Nearest]:
        parts = [self._candidates(source) for source in sources]
        rows = (
            parts[0][0] if len(parts) == 1 else np.hstack([part[0] for part in parts])
        )
        scores = parts[0][1] if len(parts) == 1 else np.hstack([p[1] for p in parts])
        ceilings = np.maximum.reduce([part[2] for part in parts])

        order = np.argsort(-scores, axis=1, kind="stable")
        lines = np.arange(len(rows))[:, None]
        rows, scores = rows[lines, order], scores[lines, order]
        lowest = scores[:, min(self.k, scores.shape[1]) - 1]
        # Whether something left out may belong to the answer.
        doubtful = (ceilings > -np.inf) & (ceilings + self._rounding >= lowest)
        # A row of the answer has a score; what was missed or unwanted has none.
        kept = (scores >= lowest[:, None]) & (scores > -np.inf)
        counts = kept.sum(axis=1).tolist()
        return [
            self._scan(sources, i, float(lowest[i]))
            if is_doubtful
            else Nearest(rows[i, :count], scores[i, :count])
            for i, (count, is_doubtful) in enumerate(
                zip(counts, doubtful.tolist(), strict=True)
            )
        ]

    @property
    def _rounding(self) -> float:
        """What a float32 product of unit vectors may be wrong by, summed in any order."""
        return float(self.queries.shape[1] * 2.0**-24)

    def _candidates(self, source: Source) -> tuple[Rows, Scores, NDArray[np.float32]]:
        positions, ceilings = source.index.candidates(
            self.queries,
            self.k + _SPARE,
            source.allowed,
            effort=self.effort,
            exact=self.exact,
        )
        rows = source.rows[positions]
        scores = _cosines(source.index.at(positions), self.queries[:, None, :])
        if positions[:, -1].min() < 0:
            missing = positions < 0
            rows[missing], scores[missing] = -1, -np.inf
        if self.exclude is not None:
            scores[rows == self.exclude[:, None]] = -np.inf
        return rows, scores, ceilings

    def _scan(self, sources: Sequence[Source], number: int, lowest: float) -> Nearest:
        """Compare one query with everything that may be among its k nearest."""
        query = self.queries[number]
        exclude = -1 if self.exclude is None else int(self.exclude[number])
        rows, scores = [np.empty(0, np.int64)], [np.empty(0)]
        for source in sources:
            for start, vectors in source.index.chunks():
                products = vectors @ query
                part = slice(start, start + len(vectors))
                wanted = source.rows[part] != exclude
                if source.allowed is not None:
                    wanted &= source.allowed.mask[part]
                products[~wanted] = -np.inf
                if np.count_nonzero(wanted) > self.k:
                    # The k-th best of these has at least this score.
                    floor = np.partition(products, -self.k)[-self.k] - self._rounding
                    lowest = max(lowest, float(floor))
                near = np.flatnonzero(wanted & (products >= lowest - self._rounding))
                for places in _pieces(near, query):
                    rows.append(source.rows[start + places])
                    scores.append(_cosines(vectors[places], query))
        all_rows, all_scores = np.concatenate(rows), np.concatenate(scores)
        order = np.argsort(-all_scores, kind="stable")
        all_rows, all_scores = all_rows[order], all_scores[order]
        if not len(all_rows):
            return Nearest(all_rows, all_scores)
        keep = all_scores >= all_scores[min(self.k, len(all_scores)) - 1]
        return Nearest(all_rows[keep], all_scores[keep])


def _pieces(positions: Rows, query: NDArray[np.float32]) -> list[Rows]:
    step = max(1, _CHUNK // len(query))
    return [positions[i : i + step] for i in range(0, len(positions), step)]


def _cosines(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> Scores:
    # Products of float32 are exact in float64, and numpy adds along the last axis
    # in an order that depends on its length alone: equal vectors, equal scores.
    cosines: Scores = (vectors.astype(np.float64) * queries).sum(axis=-1)
    return cosines.clip(-1.0, 1.0)
