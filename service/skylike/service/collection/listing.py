"""`Listing`: the objects of a collection, one page after the other."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import Catalog, SkyObject
from skylike.service.collection.ranking import KnownRanks
from skylike.service.collection.view import View
from skylike.service.columns import Filter
from skylike.service.ranks import Ranks

_MANY = 1 << 16


class Listing:
    """Lists the objects of a catalog, as its newest view knows them."""

    _catalog: Catalog
    _ranks: KnownRanks
    _view: View

    def __len__(self) -> int:
        return self._view.num_objects

    def count(self, where: Filter | None = None) -> int:
        """How many objects fulfil a filter, searchable or not."""
        if where is None:
            return len(self)
        self._view.check(where)
        return self._view.count(where)

    def scroll(
        self, where: Filter | None = None, *, after_row: int = 0, limit: int = 100
    ) -> list[tuple[int, SkyObject]]:
        """Objects that fulfil a filter, searchable or not, in the order of writing.

        Parameters
        ----------
        where
            None for all.
        after_row
            Go on behind this one; 0 from the first.
        limit
            At most so many.

        Returns
        -------
        list
            Row and object, without thumbnail; fewer than `limit` at the end.
        """
        if where is not None:
            self._view.check(where)
        found: list[tuple[int, SkyObject]] = []
        while len(found) < limit:
            missing = limit - len(found)
            rows = self._view.beyond(after_row, missing, where).tolist()
            objects = self._catalog.objects(rows)
            # One that was deleted meanwhile is not there any more.
            found += [(row, objects[row]) for row in rows if row in objects]
            if len(rows) < missing:
                break
            after_row = rows[-1]
        return found

    def ranks(self, version: int | None = None) -> Ranks | None:
        """Where objects stand in a fit, by default the newest; None if it is not kept.

        Raises
        ------
        DamagedData
            If it is not as it was written.
        """
        if version is None:
            newest = self._view.clusters
            version = newest.version if newest else 0
        return self._ranks.of(version)

    def listed(
        self,
        rows: NDArray[np.int64],
        order: NDArray[np.int64],
        where: Filter | None = None,
        *,
        start: int = 0,
        limit: int = 100,
        thumbnails: bool = False,
    ) -> list[tuple[int, SkyObject]]:
        """Objects of a list that are there and fulfil a filter.

        Parameters
        ----------
        rows : (n,) int64, ascending
            Rows of objects.
        order : (m,) int64
            The list: positions among the rows.
        where
            None for all.
        start
            Place in the list of the first to look at.
        limit
            At most so many.
        thumbnails
            Whether to read these too.

        Returns
        -------
        list
            Place and object; fewer than `limit` at the end.
        """
        if where is not None:
            self._view.check(where)
        found: list[tuple[int, SkyObject]] = []
        while len(found) < limit:
            missing = limit - len(found)
            places = _walk(self._view, rows, order, start, missing, where)
            objects = self._catalog.objects([one.row for one in places], thumbnails)
            # One that was deleted meanwhile is not there any more.
            found += [
                (one.place, objects[one.row]) for one in places if one.row in objects
            ]
            if len(places) < missing:
                break
            start = places[-1].place + 1
        return found

    def num_since(self, row: int, where: Filter | None = None) -> int:
        """How many searchable objects behind a row fulfil a filter."""
        if where is not None:
            self._view.check(where)
        return self._view.num_searchable_beyond(row, where)


class _Place(NamedTuple):
    """An object in a list: its place in it, and its row."""

    place: int
    row: int


def _walk(
    view: View,
    rows: NDArray[np.int64],
    order: NDArray[np.int64],
    start: int,
    limit: int,
    where: Filter | None,
) -> list[_Place]:
    """The first `limit` of a list that are there and fulfil a filter."""
    found: list[_Place] = []
    step = 4 * limit
    while len(found) < limit and start < len(order):
        if step < _MANY:
            part = order[start : start + step]
            held = view.holds(rows[part], where)
        else:  # in their own order, rows are found many times as quickly
            part = order[start:]
            held = view.holds(rows, where)[part]
        places = np.flatnonzero(held)[: limit - len(found)]
        found += map(_Place, (start + places).tolist(), rows[part[places]].tolist())
        start, step = start + len(part), 4 * step
    return found
