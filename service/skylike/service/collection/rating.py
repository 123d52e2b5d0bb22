"""`Rated`: what people think of a collection's objects, and what is learned from it."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import caller
from skylike.service.catalog import DURABLE, AllRatings, Catalog, Opinion, Writing
from skylike.service.collection.learned import Learned
from skylike.service.collection.reading import Reading
from skylike.service.collection.view import View
from skylike.service.columns import Filter
from skylike.service.ranks import Ranks
from skylike.service.teaching import expected, learn

_SLICE = 1 << 14  # vectors between two looks for whether the caller still waits
_REMEMBERED = 2  # states of the ratings: the newest, and one that others page through

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Taught:
    """How interesting each object of a fit is. Never changes; safe from any thread.

    Attributes
    ----------
    version
        Of the collection, in which a rating was changed last; 0 before the first.
    num_rated
        How many objects this was learned from.
    interests : (n,) float64
        In the order of the fit's rows, 0 to 5; of what is rated as people say, of what is
        gone 0.
    deviations : (n,) float64
        Standard deviation of what is not rated; 0 of the others.
    """

    version: int
    num_rated: int
    interests: Floats
    deviations: Floats

    @functools.cached_property
    def order(self) -> NDArray[np.int64]:
        """Positions of all, the most interesting first; equal ones by row."""
        return np.argsort(-self.interests, kind="stable")


class Rated(Reading):
    """Keeps ratings, and learns from them when it is asked."""

    _taught: "KnownTaught"

    def _changing(self) -> AbstractContextManager[None]:
        """The write lock, as the collection has it."""
        raise NotImplementedError

    def rate(
        self,
        who: str,
        opinions: Mapping[str, Opinion | None],
        how: Writing = DURABLE,
        *,
        key: str = "",
    ) -> set[str]:
        """Keep somebody's opinions of objects, None to forget one.

        Parameters
        ----------
        who
            Who says so, by their own word.
        opinions
            By id.
        how
            How to write.
        key
            The name of the key that the write came with, if there was one.

        Returns
        -------
        there
            Those of the ids that exist; where nothing changes the version stays.

        Raises
        ------
        BadRequest
            ``bad_rating`` if nobody can be called so.
        AlreadyDone
            If a write of that name was done.
        """
        with self._changing():
            version, there = self._catalog.ratings.write(who, opinions, how, key)
            self._view = replace(self._view, version=version)
        return there

    def ratings(self) -> AllRatings:
        """All ratings; raises `DamagedData` if one is not as it was written."""
        return self._catalog.ratings.all()

    def some_ratings(
        self, who: str = "", after: tuple[int, str] | None = None, limit: int = 100
    ) -> AllRatings:
        """The first ratings of somebody, or of all, behind a row and who rated it."""
        return self._catalog.ratings.some(who, after, limit)

    def take_over_ratings(self, other: "Rated") -> None:
        """Have the ratings of another collection, of those objects that are here."""
        with self._changing():
            self._catalog.ratings.take_over(other.ratings().ratings)
            self._view = replace(self._view, version=self._catalog.state().version)

    def taught(self, ranks: Ranks, version: int | None = None) -> Taught | None:
        """How interesting the objects of a fit are, by the ratings there are now.

        Parameters
        ----------
        ranks
            Of the fit.
        version
            Of the ratings; None for now. Of earlier ones only the last is kept, if it was
            asked for: None for what is not.
        """
        return self._taught.of(self._view, ranks, version)

    def is_rated(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of some rows somebody has rated."""
        return np.isin(rows, self._catalog.ratings.rows())

    def holds(self, rows: Rows, where: Filter | None = None) -> NDArray[np.bool_]:
        """Which of some rows are there, and fulfil a filter."""
        if where is not None:
            self._view.check(where)
        return self._view.holds(rows, where)


class KnownTaught:
    """What was learned of a catalog's ratings. Safe from any thread."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._learned: Learned[tuple[int, int], Taught] = Learned(_REMEMBERED)

    def of(self, view: View, ranks: Ranks, version: int | None) -> Taught | None:
        """As `Rated.taught`."""
        newest = self._catalog.ratings.version()
        key = ranks.version, newest if version is None else version
        if key[1] != newest and self._learned.known(key) is None:
            return None
        taught = self._learned.of(key, lambda _: _taught(self._catalog, view, ranks))
        # Ratings may have changed between the look and the learning.
        return taught if version in (None, taught.version) else None


def _taught(catalog: Catalog, view: View, ranks: Ranks) -> Taught:
    ratings = catalog.ratings.all()
    by_row: dict[int, list[float]] = {}
    for one in ratings.ratings:
        by_row.setdefault(one.row, []).append(one.opinion.interest)
    rows, vectors = catalog.vectors_there(np.array(list(by_row), np.int64))
    said = np.array([np.mean(by_row[row]) for row in rows.tolist()])
    expectations = expected(ranks.percentiles)
    places = np.minimum(np.searchsorted(ranks.rows, rows), len(ranks.rows) - 1)
    fitted = ranks.rows[places] == rows
    # Of what came after the fit nobody knows how odd it is: as odd as most.
    usual = float(expected(np.array([50.0]))[0])
    interests, deviations = np.zeros(len(ranks.rows)), np.zeros(len(ranks.rows))
    # Beside questions that want to be quick it has one core.
    with threadpool_limits(1):
        interest = learn(vectors, said, np.where(fitted, expectations[places], usual))
        for some, part in _slices(view):
            caller.check()
            at = np.minimum(np.searchsorted(ranks.rows, some), len(ranks.rows) - 1)
            here = ranks.rows[at] == some
            at = at[here]
            interests[at], deviations[at] = interest(part[here], expectations[at])
    interests[places[fitted]] = said[fitted]
    deviations[places[fitted]] = 0.0
    return Taught(ratings.version, len(rows), interests, deviations)


def _slices(view: View) -> Iterator[tuple[Rows, NDArray[np.float32]]]:
    """Rows that may be found and their vectors, some at a time."""
    for _, source in view.sources():
        for first, some in source.index.chunks():
            for start in range(0, len(some), _SLICE):
                vectors = some[start : start + _SLICE]
                part = slice(first + start, first + start + len(vectors))
                rows = source.rows[part]
                if source.allowed is not None:
                    mask = source.allowed.mask[part]
                    rows, vectors = rows[mask], vectors[mask]
                yield rows, vectors
