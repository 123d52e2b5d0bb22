"""`Listing`: the objects of a collection, one page after the other."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import Catalog, SkyObject
from skylike.service.collection.ranking import KnownRanks
from skylike.service.collection.view import View
from skylike.service.columns import Filter
from skylike.service.layout import sampled
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
        self,
        where: Filter | None = None,
        *,
        after_row: int = 0,
        limit: int = 100,
        sample_size: int = 0,
        sample_seed: int = 0,
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
        sample_size, sample_seed
            Only so many of all of them, drawn by lot: see `layout.sampled`; 0: all.

        Returns
        -------
        list
            Row and object, without thumbnail; fewer than `limit` at the end.
        """
        if where is not None:
            self._view.check(where)
        view = self._view
        drawn: NDArray[np.int64] | None = None
        if sample_size:
            every = view.beyond(0, view.num_objects, where)
            drawn = every[sampled(every, sample_size, sample_seed)]

        def further(after: _Row | None, missing: int) -> list[_Row]:
            first = after_row if after is None else after.row
            if drawn is None:
                rows = view.beyond(first, missing, where)
            else:
                rows = drawn[drawn > first][:missing]
            return [*map(_Row, rows.tolist())]

        found = still_there(self._catalog, further, None, limit, thumbnails=False)
        return [(one.row, told) for one, told in found]

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

        def further(after: _Place | None, missing: int) -> list[_Place]:
            first = start if after is None else after.place + 1
            return _walk(self._view, rows, order, first, missing, where)

        found = still_there(self._catalog, further, None, limit, thumbnails)
        return [(one.place, told) for one, told in found]

    def num_since(self, row: int, where: Filter | None = None) -> int:
        """How many searchable objects behind a row fulfil a filter."""
        if where is not None:
            self._view.check(where)
        return self._view.num_searchable_beyond(row, where)


class _Row(NamedTuple):
    row: int


class _HasRow(Protocol):
    @property
    def row(self) -> int: ...


_Spot = TypeVar("_Spot", bound=_HasRow)


def still_there(
    catalog: Catalog,
    further: Callable[[_Spot | None, int], list[_Spot]],
    after: _Spot | None,
    limit: int,
    thumbnails: bool,
) -> list[tuple[_Spot, SkyObject]]:
    """The first of an order that are in a catalog when it is read.

    Parameters
    ----------
    further
        So many of the order behind one of it; fewer only at its end.
    after
        Where to begin; None for the first.
    limit
        At most so many.
    thumbnails
        Whether to read these too.
    """
    found: list[tuple[_Spot, SkyObject]] = []
    while len(found) < limit:
        missing = limit - len(found)
        spots = further(after, missing)
        objects = catalog.objects([one.row for one in spots], thumbnails)
        # One that was deleted meanwhile is not there any more.
        found += [(one, objects[one.row]) for one in spots if one.row in objects]
        if len(spots) < missing:
            break
        after = spots[-1]
    return found


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
