"""The k nearest over several indexes: exact scores, and nothing tied left out.

FAISS and BLAS round a product differently by position, batch and machine.
Candidates are therefore scored again, in float64 and by one routine, so that
equal vectors get equal scores wherever they lie; and where a vector that was
left out might score as high as the k-th, its index is scanned.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
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
    """The nearest rows to one query, or to several, one query after the other.

    Attributes
    ----------
    rows : (m,) int64
        By falling score. More than k where several tie for the last place.
    scores : (m,) float64, -1 to 1
        Their cosines.
    sources, positions : (m,) int64
        Number of the source that each was found in, and where there.
    """

    rows: Rows
    scores: Scores
    sources: Rows
    positions: Rows


_NOBODY: Rows = np.empty(0, np.int64)
_NOTHING = Nearest(_NOBODY, np.empty(0), _NOBODY, _NOBODY)


class Answers(Sequence[Nearest]):
    """What is nearest to each of several queries.

    Attributes
    ----------
    together
        All of it, one query after the other.
    ends : (n,) int64
        Where the answer to each query ends.
    """

    def __init__(self, together: Nearest, ends: Rows) -> None:
        self.together = together
        self.ends = ends

    @classmethod
    def of(cls, answers: Iterable[Nearest]) -> Self:
        """Answers that were found one by one."""
        parts = list(answers)
        if len(parts) == 1:
            return cls(parts[0], np.array([len(parts[0].rows)]))
        together: list[Any] = [
            np.concatenate(arrays) for arrays in zip(_NOTHING, *parts, strict=True)
        ]
        counts = [len(one.rows) for one in parts]
        return cls(Nearest(*together), np.cumsum(counts, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: Any) -> Any:
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        number %= len(self)
        begin = int(self.ends[number - 1]) if number else 0
        part = slice(begin, int(self.ends[number]))
        rows, scores, sources, positions = self.together
        return Nearest(rows[part], scores[part], sources[part], positions[part])


def nearest(
    sources: Sequence[Source],
    queries: NDArray[np.float32],
    k: int,
    exclude: Rows | None = None,
    *,
    effort: float = 1.0,
    exact: bool = False,
) -> Answers:
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
    numbered = _numbered(sources)
    if not numbered:
        return Answers(_NOTHING, np.zeros(len(queries), np.int64))
    parts = []
    for part in _steps(numbered, queries, k):
        unwanted = None if exclude is None else exclude[part]
        parts.append(_Search(queries[part], k, unwanted, effort, exact).over(numbered))
    return parts[0] if len(parts) == 1 else Answers.of(itertools.chain(*parts))


def k_nearest(
    sources: Sequence[Source],
    queries: NDArray[np.float32],
    k: int,
    exclude: Rows | None = None,
    *,
    exact: bool = False,
) -> tuple[Rows, Scores]:
    """Rows and scores of just k that are nearest to each query: (n, k), equal ones by row.

    Nothing is scanned for what ties with the k-th, of which a crowd of copies has as many
    as it is large: what is left out may score higher than the k-th by no more than the
    rounding of a float32 product.

    Parameters
    ----------
    sources, queries, exclude, exact
        As of `nearest`.
    k
        At least 1, and no more than each query may find.
    """
    numbered = _numbered(sources)
    rows = np.empty((len(queries), k), np.int64)
    scores = np.empty((len(queries), k))
    for part in _steps(numbered, queries, k):
        unwanted = None if exclude is None else exclude[part]
        search = _Search(queries[part], k, unwanted, effort=1.0, exact=exact)
        rows[part], scores[part] = search.best(numbered)
    return rows, scores


def _numbered(sources: Sequence[Source]) -> list[tuple[int, Source]]:
    return [(i, one) for i, one in enumerate(sources) if one.num_allowed > 0]


def _steps(
    numbered: Sequence[tuple[int, Source]], queries: NDArray[np.float32], k: int
) -> Iterator[slice]:
    """As many queries at a time as there is room for what is gathered."""
    width = sum(min(k + _SPARE, source.num_allowed) for _, source in numbered)
    step = max(1, _CHUNK // max(1, width * queries.shape[1]))
    for start in range(0, len(queries), step):
        if start:
            caller.check()
        yield slice(start, start + step)


class _Search:
    def __init__(
        self,
        queries: NDArray[np.float32],
        k: int,
        exclude: Rows | None,
        effort: float,
        exact: bool,
    ) -> None:
        self._queries = queries
        self._doubles = queries.astype(np.float64)
        self._k = k
        self._exclude = exclude
        self._effort = effort
        self._exact = exact
        # What a float32 product of unit vectors may be wrong by, summed in any order.
        self._rounding = queries.shape[1] * 2.0**-24

    def best(self, numbered: Sequence[tuple[int, Source]]) -> tuple[Rows, Scores]:
        """The k best of what may be near."""
        parts = [self._candidates(source) for _, source in numbered]
        rows = np.hstack([part[0] for part in parts])
        scores = np.hstack([part[1] for part in parts])
        order = np.lexsort((rows, -scores))[:, : self._k]
        return (
            np.take_along_axis(rows, order, axis=1),
            np.take_along_axis(scores, order, axis=1),
        )

    def over(self, numbered: Sequence[tuple[int, Source]]) -> Answers:
        parts = [self._candidates(source) for _, source in numbered]
        rows, scores, positions, ceilings = parts[0]
        sources = np.full(rows.shape[1], numbered[0][0])
        if len(parts) > 1:
            widths = [part[0].shape[1] for part in parts]
            sources = np.repeat([number for number, _ in numbered], widths)
            rows = np.hstack([part[0] for part in parts])
            scores = np.hstack([part[1] for part in parts])
            positions = np.hstack([part[2] for part in parts])
            ceilings = np.maximum.reduce([part[3] for part in parts])
        if len(rows) == 1:
            return Answers.of(
                [
                    self._one(
                        numbered, rows[0], scores[0], positions[0], sources, ceilings[0]
                    )
                ]
            )
        order = np.argsort(-scores, axis=1, kind="stable")
        lines = np.arange(len(order))[:, None]
        falling = scores[lines, order]
        lowest = falling[:, min(self._k, falling.shape[1]) - 1]
        # A row of the answer has a score; what was missed or unwanted has none.
        kept = falling >= np.maximum(lowest, -2.0)[:, None]
        order = order[kept]
        lines = np.broadcast_to(lines, kept.shape)[kept]
        found = Answers(
            Nearest(
                rows[lines, order],
                falling[kept],
                sources[order],
                positions[lines, order],
            ),
            np.cumsum(np.count_nonzero(kept, axis=1)),
        )
        # Whether something left out may belong to the answer.
        doubtful = (ceilings > -np.inf) & (ceilings + self._rounding >= lowest)
        if not doubtful.any():
            return found
        return Answers.of(
            self._scan(numbered, i, float(lowest[i])) if is_doubtful else found[i]
            for i, is_doubtful in enumerate(doubtful.tolist())
        )

    def _one(
        self,
        numbered: Sequence[tuple[int, Source]],
        rows: Rows,
        scores: Scores,
        positions: Rows,
        sources: Rows,
        ceiling: np.float32,
    ) -> Nearest:
        """The same for one query: arrays of one line take as long as of a hundred."""
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        lowest = float(falling[min(self._k, len(falling)) - 1])
        if ceiling > -np.inf and float(ceiling) + self._rounding >= lowest:
            return self._scan(numbered, 0, lowest)
        count = int(np.count_nonzero(falling >= max(lowest, -2.0)))
        order = order[:count]
        return Nearest(rows[order], falling[:count], sources[order], positions[order])

    def _candidates(
        self, source: Source
    ) -> tuple[Rows, Scores, Rows, NDArray[np.float32]]:
        positions, ceilings = source.index.candidates(
            self._queries,
            self._k + _SPARE,
            source.allowed,
            effort=self._effort,
            exact=self._exact,
        )
        missed = ceilings == np.inf
        if missed.any():
            # What may be found lies elsewhere than what is near: no walk leads there.
            positions[missed], ceilings[missed] = source.index.candidates(
                self._queries[missed],
                self._k + _SPARE,
                source.allowed,
                exact=True,
            )
        rows = source.rows.take(
            positions, mode="wrap"
        )  # of -1 too, which gets no score
        scores = _cosines(source.index.at(positions), self._doubles[:, None, :])
        if positions[:, -1].min() < 0:
            scores[positions < 0] = -np.inf
        if self._exclude is not None:
            scores[rows == self._exclude[:, None]] = -np.inf
        return rows, scores, positions, ceilings

    def _scan(
        self, numbered: Sequence[tuple[int, Source]], query_number: int, lowest: float
    ) -> Nearest:
        """Compare one query with everything that may be among its k nearest."""
        query, double = self._queries[query_number], self._doubles[query_number]
        exclude = -1 if self._exclude is None else int(self._exclude[query_number])
        found = [_NOTHING]
        for number, source in numbered:
            for start, vectors in source.index.chunks():
                products = vectors @ query
                part = slice(start, start + len(vectors))
                wanted = source.rows[part] != exclude
                if source.allowed is not None:
                    wanted &= source.allowed.mask[part]
                products[~wanted] = -np.inf
                if np.count_nonzero(wanted) > self._k:
                    # The k-th best of these has at least this score.
                    floor = np.partition(products, -self._k)[-self._k] - self._rounding
                    lowest = max(lowest, float(floor))
                near = np.flatnonzero(wanted & (products >= lowest - self._rounding))
                for places in _pieces(near, query):
                    positions = start + places
                    found.append(
                        Nearest(
                            source.rows[positions],
                            _cosines(vectors[places], double),
                            np.full(len(places), number),
                            positions,
                        )
                    )
        rows, scores, sources, positions = map(np.concatenate, zip(*found, strict=True))
        order = np.argsort(-scores, kind="stable")
        if not len(order):
            return _NOTHING
        lowest = scores[order[min(self._k, len(order)) - 1]]
        order = order[scores[order] >= lowest]
        return Nearest(rows[order], scores[order], sources[order], positions[order])


def _pieces(positions: Rows, query: NDArray[np.float32]) -> list[Rows]:
    step = max(1, _CHUNK // len(query))
    return [positions[i : i + step] for i in range(0, len(positions), step)]


def _cosines(vectors: NDArray[np.float32], queries: Scores) -> Scores:
    # Products of float32 are exact in float64, and sums along the last axis are in an
    # order that depends on its length alone: equal vectors, equal scores.
    cosines: Scores = np.vecdot(vectors.astype(np.float64), queries)
    np.minimum(cosines, 1.0, out=cosines)
    return np.maximum(cosines, -1.0, out=cosines)
