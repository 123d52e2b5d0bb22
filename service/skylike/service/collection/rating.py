"""`Rated`: what people think of a collection's objects, and what is learned from it."""

import functools
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.catalog import DURABLE, AllRatings, Catalog, Opinion, Writing
from skylike.service.collection.reading import Reading
from skylike.service.collection.view import View
from skylike.service.columns import Filter
from skylike.service.ranks import Ranks
from skylike.service.teaching import expected, learn

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
        self, who: str, opinions: Mapping[str, Opinion | None], how: Writing = DURABLE
    ) -> set[str]:
        """Keep somebody's opinions of objects, None to forget one.

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
            version, there = self._catalog.ratings.write(who, opinions, how)
            self._view = replace(self._view, version=version)
        return there

    def ratings(self) -> AllRatings:
        """All ratings; raises `DamagedData` if one is not as it was written."""
        return self._catalog.ratings.all()

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
        rated = [one.row for one in self._catalog.ratings.all().ratings]
        return np.isin(rows, np.array(rated, np.int64))

    def holds(self, rows: Rows, where: Filter | None = None) -> NDArray[np.bool_]:
        """Which of some rows are there, and fulfil a filter."""
        if where is not None:
            self._view.check(where)
        return self._view.holds(rows, where)


class KnownTaught:
    """What was learned of a catalog's ratings. Safe from any thread."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[tuple[int, int], Taught] = {}
        self._lock = threading.Lock()

    def of(self, view: View, ranks: Ranks, version: int | None) -> Taught | None:
        """As `Rated.taught`."""
        with self._lock:
            ratings = self._catalog.ratings.all()
            key = ranks.version, ratings.version if version is None else version
            if key not in self._known:
                if key[1] != ratings.version:
                    return None
                self._known[key] = _taught(self._catalog, view, ranks, ratings)
            taught = self._known.pop(key)
            self._known[key] = taught  # the last that was asked for
            while len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
            return taught


def _taught(catalog: Catalog, view: View, ranks: Ranks, ratings: AllRatings) -> Taught:
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
    interest = learn(vectors, said, np.where(fitted, expectations[places], usual))
    interests, deviations = np.zeros(len(ranks.rows)), np.zeros(len(ranks.rows))
    for some, part in _chunks(view):
        caller.check()
        at = np.minimum(np.searchsorted(ranks.rows, some), len(ranks.rows) - 1)
        here = ranks.rows[at] == some
        at = at[here]
        interests[at], deviations[at] = interest(part[here], expectations[at])
    interests[places[fitted]] = said[fitted]
    deviations[places[fitted]] = 0.0
    return Taught(ratings.version, len(rows), interests, deviations)


def _chunks(view: View) -> Iterator[tuple[Rows, NDArray[np.float32]]]:
    """Rows that may be found and their vectors, part by part."""
    for _, source in view.sources():
        for start, some in source.index.chunks():
            part = slice(start, start + len(some))
            mask = None if source.allowed is None else source.allowed.mask[part]
            rows = source.rows[part]
            yield (rows, some) if mask is None else (rows[mask], some[mask])
