"""`Segment` and `Tail`: rows of a collection with their vectors and columns."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import SkyObject
from skylike.service.columns import Columns, Filter, evaluate
from skylike.service.index import Flat, VectorIndex

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Vectors = NDArray[np.float32]

_REMEMBERED = 8  # filters that a segment knows again


class Segment:
    """Rows that were sealed together. Never changes; safe from any thread.

    Attributes
    ----------
    index
        The searchable rows; None if there are none.
    columns
        Of all rows: first those of the index, in its order, then the others.
    rows : (n,) int64
        The catalog row of each.
    runs
        The same in parts, each of them ascending.
    after_row, last_row
        It holds every row beyond the first, up to the last, that was there when it
        was made.
    version
        Of the collection, up to which the columns know of revisions.
    """

    def __init__(
        self,
        index: VectorIndex | None,
        columns: Columns,
        *,
        after_row: int,
        last_row: int,
        version: int,
    ) -> None:
        self.index = index
        self.columns = columns
        self.rows = columns.rows
        self.after_row = after_row
        self.last_row = last_row
        self.version = version
        self._num_vectors = 0 if index is None else len(index)
        # Rows ascend in runs: those of the index, its sample, those without a vector.
        ends = np.flatnonzero(np.diff(self.rows) < 0) + 1
        self.runs = tuple(np.split(self.rows, ends))
        self._known: OrderedDict[str, Mask | None] = OrderedDict()

    @property
    def parts(self) -> tuple[Columns, ...]:
        """The columns, as those of a tail."""
        return (self.columns,)

    @property
    def vector_rows(self) -> Rows:
        """The catalog row of each vector of the index."""
        return self.rows[: self._num_vectors]

    def of_vectors(self, mask: Mask) -> Mask:
        """The part of a mask over all rows that is for the vectors."""
        return mask[: self._num_vectors]

    def places(self, rows: Rows) -> tuple[Rows, Mask]:
        """Where some rows are: positions of those that are here, and which are."""
        found = np.full(len(rows), -1, np.int64)
        start = 0
        for run in self.runs:
            place = np.searchsorted(run, rows)
            here = place < len(run)
            here[here] = run[place[here]] == rows[here]
            found[here] = start + place[here]
            start += len(run)
        here = found >= 0
        return found[here], here

    def ids(self, places: Rows) -> list[str]:
        """The ids at some positions."""
        return self.columns.ids(places)

    def ids_of_vectors(self, places: Rows) -> list[str]:
        """The ids at some positions of the index."""
        return self.columns.ids(places)

    def fulfilling(self, wanted: Filter) -> Mask:
        """Which rows fulfil a filter, as the columns tell: (n,)."""
        key = repr(wanted)  # Python calls 1 and True equal; filters do not
        known = self._known.get(key)
        with suppress(KeyError):  # another thread may have taken it out
            self._known.move_to_end(key)
        if known is None:
            known = evaluate(wanted, self.columns)
            known.flags.writeable = False
            # One that is asked for once is not worth its memory, and the time to fill it.
            self._known[key] = known if key in self._known else None
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known


class Tail:
    """The newest rows, in no segment yet. Never changes; safe from any thread.

    Attributes
    ----------
    rows : (n,) int64
        All of them, ascending.
    runs
        The same, as those of a segment.
    index
        The vectors of those that are searchable; None if there are none.
    parts
        The columns of the rows, one part after the other.
    """

    def __init__(
        self, rows: Rows, vectors: Vectors, places: Rows, parts: Sequence[Columns]
    ) -> None:
        self.rows = rows
        self.runs = (rows,)
        self.index = Flat(vectors) if len(vectors) else None
        self._vectors = vectors
        self._places = places  # of the vectors, among the rows
        self.parts = tuple(parts)
        self._stores = rows, vectors, places

    @classmethod
    def empty(cls, dimension: int) -> Self:
        """A tail of no rows."""
        nobody = np.empty(0, np.int64)
        return cls(nobody, np.empty((0, dimension), np.float32), nobody, ())

    @property
    def columns(self) -> Columns:
        """Of all rows."""
        return Columns.joined(self.parts or (Columns.of([], []),))

    @property
    def vector_rows(self) -> Rows:
        """The catalog row of each vector of the index."""
        return self.rows[self._places]

    def of_vectors(self, mask: Mask) -> Mask:
        """The part of a mask over all rows that is for the vectors."""
        return mask[self._places]

    def places(self, rows: Rows) -> tuple[Rows, Mask]:
        """As `Segment.places`."""
        place = np.searchsorted(self.rows, rows)
        here = place < len(self.rows)
        here[here] = self.rows[place[here]] == rows[here]
        return place[here], here

    def fulfilling(self, wanted: Filter) -> Mask:
        """Which rows fulfil a filter, as the columns tell: (n,)."""
        masks = [evaluate(wanted, part) for part in self.parts]
        return np.concatenate([np.empty(0, np.bool_), *masks])

    def ids(self, places: Rows) -> list[str]:
        """The ids at some positions."""
        ends = np.cumsum([len(part) for part in self.parts])
        numbers = np.searchsorted(ends, places, side="right")
        begins = ends - [len(part) for part in self.parts]
        return [
            self.parts[number].ids(np.array([place - begins[number]]))[0]
            for number, place in zip(numbers.tolist(), places.tolist(), strict=True)
        ]

    def extended(
        self, rows: Rows, objects: Sequence[SkyObject], vectors: Vectors
    ) -> Self:
        """A tail with more rows at its end. Call it once per tail.

        The two share memory: the new rows lie beyond what the old tail sees.

        Parameters
        ----------
        rows : (m,) int64
            Ascending, beyond those of the tail.
        objects
            What is in them.
        vectors : (m, dimension) float32
            Of all of them, searchable or not.
        """
        searchable = np.array([one.is_searchable for one in objects], np.bool_)
        places = len(self.rows) + np.flatnonzero(searchable)
        all_rows, all_vectors, all_places = self._stores
        all_rows = _appended(all_rows, len(self.rows), rows)
        all_vectors = _appended(all_vectors, len(self._vectors), vectors[searchable])
        all_places = _appended(all_places, len(self._places), places)
        num_vectors = len(self._places) + len(places)
        longer = type(self)(
            all_rows[: len(self.rows) + len(rows)],
            all_vectors[:num_vectors],
            all_places[:num_vectors],
            _joined(self.parts, Columns.of(rows.tolist(), objects)),
        )
        longer._stores = all_rows, all_vectors, all_places
        return longer

    def ids_of_vectors(self, places: Rows) -> list[str]:
        """The ids at some positions of the index."""
        return self.ids(self._places[places])

    def beyond(self, row: int) -> Self:
        """The tail without the rows up to one."""
        first = int(np.searchsorted(self.rows, row, side="right"))
        vectors = int(np.searchsorted(self._places, first))
        later = self.columns.taken(np.arange(first, len(self.rows)))
        return type(self)(
            self.rows[first:],
            self._vectors[vectors:],
            self._places[vectors:] - first,
            (later,) if len(later) else (),
        )


def _appended(store: Any, used: int, new: Any) -> Any:
    """An array that holds what is used of one, and then the new."""
    if used + len(new) > len(store):
        # Doubling makes growing by one cost as much as growing by many.
        longer = np.empty((2 * (used + len(new)), *store.shape[1:]), store.dtype)
        longer[:used] = store[:used]
        store = longer
    store[used : used + len(new)] = new
    return store


def _joined(parts: Iterable[Columns], new: Columns) -> tuple[Columns, ...]:
    """Few parts, however many came: those no longer than the new one join it."""
    kept = list(parts)
    while kept and len(kept[-1]) <= len(new):
        new = Columns.joined([kept.pop(), new])
    return (*kept, new) if len(new) else tuple(kept)
