"""`View`: a collection as readers see it between two writes."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly import AnomalyFit
from skylike.service.catalog import SkyObject
from skylike.service.clusters import ClusterFit
from skylike.service.collection.asking import check_attribute, check_filter
from skylike.service.collection.segment import Mask, Rows, Segment, Tail, Vectors
from skylike.service.columns import Columns, Filter, evaluate
from skylike.service.index import Allowed, Source

_NOBODY: Rows = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Part:
    """A segment, or the tail, less what is gone.

    Attributes
    ----------
    block
        The rows.
    alive : (n,) bool
        Which are still there; None for all.
    """

    block: Segment | Tail
    alive: Mask | None = None

    def without(self, rows: Rows) -> "Part":
        """The part less some more rows, wherever those are."""
        places, _ = self.block.places(rows)
        if not len(places):
            return self
        alive = np.ones(len(self.block.rows), np.bool_)
        if self.alive is not None:
            alive[:] = self.alive
        alive[places] = False
        return Part(self.block, alive)

    def rows(self) -> Rows:
        """The catalog rows that are still there."""
        return self.block.rows if self.alive is None else self.block.rows[self.alive]

    def num_gone(self) -> int:
        """How many rows are not there any more."""
        return 0 if self.alive is None else int(np.count_nonzero(~self.alive))

    def fulfilling(self, wanted: Filter, revised: Columns) -> Mask:
        """Which rows are there and fulfil a filter: (n,)."""
        mask = self.block.fulfilling(wanted)
        if len(revised):
            places, here = self.block.places(revised.rows)
            mask = mask.copy()
            mask[places] = evaluate(wanted, revised)[here]
        return mask if self.alive is None else mask & self.alive

    def beyond(
        self, row: int, limit: int, wanted: Filter | None, revised: Columns
    ) -> Rows:
        """The first of the rows behind one that are there and fulfil a filter."""
        later = [np.searchsorted(run, row, side="right") for run in self.block.runs]
        if all(i == len(run) for i, run in zip(later, self.block.runs, strict=True)):
            return _NOBODY
        mask = self.alive if wanted is None else self.fulfilling(wanted, revised)
        found, start = [], 0
        for first, run in zip(later, self.block.runs, strict=True):
            mine = None if mask is None else mask[start + first : start + len(run)]
            found.append(_first(run[first:], mine, limit))
            start += len(run)
        return np.sort(np.concatenate(found))[:limit]

    @functools.cached_property
    def whole(self) -> Source | None:
        """Where to search for all that is there; None if there is no vector."""
        return self.source(self.alive)

    def source(self, mask: Mask | None) -> Source | None:
        """Where to search for the rows of a mask; None if there is no vector."""
        block = self.block
        if block.index is None:
            return None
        allowed = None if mask is None else Allowed(block.of_vectors(mask))
        return Source(block.index, block.vector_rows, allowed)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One state of a collection; replaced as a whole, never changed.

    Attributes
    ----------
    version
        Number of committed writes.
    objects_version
        The last that changed objects; at opening the last of all.
    num_objects
        How many objects it has, searchable or not.
    last_row
        The highest row that was ever given.
    lost_at
        The version at which objects went last, or at which the collection was opened.
    layout
        How often parts were put together since: another one is searched otherwise.
    segments
        Parts whose rows are sealed, in the order of their rows.
    tail
        The newest rows.
    revised
        Columns of rows that tell something else than their part says.
    revised_at : (r,) int64
        The version at which each of these was told.
    clusters, anomaly
        The newest fits, None before the first.
    """

    version: int
    objects_version: int
    num_objects: int
    last_row: int
    lost_at: int
    layout: int
    segments: tuple[Part, ...]
    tail: Part
    revised: Columns
    revised_at: Rows
    clusters: ClusterFit | None
    anomaly: AnomalyFit | None

    @property
    def basis(self) -> tuple[int, int]:
        """Changes with objects and fits, and with no rating or name."""
        return self.objects_version, self.clusters.version if self.clusters else 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """All rows there are."""
        return (*self.segments, self.tail)

    @property
    def covered(self) -> int:
        """The highest row that a segment stands for."""
        return max(
            (
                part.block.last_row
                for part in self.segments
                if isinstance(part.block, Segment)
            ),
            default=0,
        )

    @property
    def newest(self) -> Tail:
        """The rows of the tail."""
        assert isinstance(self.tail.block, Tail)
        return self.tail.block

    def check(self, wanted: Filter) -> None:
        """See that a filter can be asked; raises as `check_filter`."""
        check_filter(wanted, self._columns())

    def check_attribute(self, name: str) -> None:
        """See that some object has it; raises as `check_filter`."""
        check_attribute(name, self._columns())

    def _columns(self) -> Iterator[Columns]:
        yield self.revised
        for part in self.parts:
            yield from part.block.parts

    def sources(
        self, wanted: Filter | None = None, up_to: int | None = None
    ) -> list[tuple[Part, Source]]:
        """Parts, and where to search in each for what fulfils a filter, or for all.

        Only up to a row, if one is given.
        """
        found = []
        for part in self.parts:
            is_older = up_to is None or all(
                run[-1] <= up_to for run in part.block.runs if len(run)
            )
            if wanted is None and is_older:
                source = part.whole
            else:
                mask = part.alive
                if wanted is not None:
                    mask = part.fulfilling(wanted, self.revised)
                if up_to is not None:
                    older = part.block.rows <= up_to
                    mask = older if mask is None else older & mask
                source = part.source(mask)
            if source is not None:
                found.append((part, source))
        return found

    def searchable_rows(self) -> Rows:
        """The rows that have a vector and are there, ascending."""
        found = [_NOBODY]
        for _, source in self.sources():
            allowed = source.allowed
            found.append(source.rows if allowed is None else source.rows[allowed.mask])
        return np.sort(np.concatenate(found))

    def count(self, wanted: Filter) -> int:
        """How many objects, searchable or not, fulfil a filter."""
        masks = (part.fulfilling(wanted, self.revised) for part in self.parts)
        return sum(int(np.count_nonzero(mask)) for mask in masks)

    def holds(self, rows: Rows, wanted: Filter | None = None) -> Mask:
        """Which of some rows are there, and fulfil a filter: as many as there are rows."""
        held = np.zeros(len(rows), np.bool_)
        for part in self.parts:
            places, here = part.block.places(rows)
            if not len(places):
                continue
            mask = (
                part.alive if wanted is None else part.fulfilling(wanted, self.revised)
            )
            held[here] = True if mask is None else mask[places]
        return held

    def num_searchable_beyond(self, row: int, wanted: Filter | None = None) -> int:
        """How many objects behind a row may be found, and fulfil a filter."""
        count = 0
        for part in self.parts:
            block = part.block
            later = block.vector_rows > row
            if not later.any():
                continue
            mask = (
                part.alive if wanted is None else part.fulfilling(wanted, self.revised)
            )
            if mask is not None:
                later &= block.of_vectors(mask)
            count += int(np.count_nonzero(later))
        return count

    def beyond(self, row: int, limit: int, wanted: Filter | None = None) -> Rows:
        """The first rows behind one whose objects fulfil a filter, ascending."""
        found = [_NOBODY]
        for part in self.parts:
            if limit <= 0:
                break
            found.append(part.beyond(row, limit, wanted, self.revised))
            limit -= len(found[-1])
        return np.concatenate(found)

    def written(
        self,
        version: int,
        gone: Rows,
        rows: Rows,
        objects: Sequence[SkyObject],
        vectors: Vectors,
    ) -> Self:
        """The view after some rows were emptied and others filled. Once per view."""
        segments, tail = self.segments, self.tail
        if len(gone):
            segments = tuple(part.without(gone) for part in segments)
            tail = tail.without(gone)
        last_row = self.last_row
        if len(rows):
            assert isinstance(tail.block, Tail)
            alive = tail.alive
            if alive is not None:
                alive = np.append(alive, np.ones(len(rows), np.bool_))
            tail = Part(tail.block.extended(rows, objects, vectors), alive)
            last_row = int(rows[-1])
        return replace(
            self,
            version=version,
            objects_version=version if len(rows) or len(gone) else self.objects_version,
            num_objects=self.num_objects + len(rows) - len(gone),
            last_row=last_row,
            lost_at=version if len(gone) else self.lost_at,
            segments=segments,
            tail=tail,
        )

    def told(self, version: int, rows: Rows, objects: Sequence[SkyObject]) -> Self:
        """The view after some rows were told something else."""
        kept = np.flatnonzero(~np.isin(self.revised.rows, rows))
        parts = [self.revised.taken(kept), Columns.of(rows.tolist(), objects)]
        since = [self.revised_at[kept], np.full(len(rows), version)]
        return replace(
            self,
            version=version,
            objects_version=version,
            revised=Columns.joined(parts),
            revised_at=np.concatenate(since),
        )

    def replaced(
        self, old: Self, merged: Sequence[Part], segment: Segment | None
    ) -> Self:
        """The view with one segment in place of some parts of an earlier one.

        What has gone from them since, or was told since, is so in the segment as well.

        Parameters
        ----------
        old
            The earlier view.
        merged
            Its parts; the segment holds what was alive in them. If its tail is one of
            them, what came to the tail since stays there.
        segment
            None if nothing was alive.
        """
        blocks = {part.block for part in merged if isinstance(part.block, Segment)}
        gone = [p.block.rows[~p.alive] for p in self.parts if p.alive is not None]
        kept = [part for part in self.segments if part.block not in blocks]
        if segment is not None:
            kept.append(Part(segment).without(np.concatenate([_NOBODY, *gone])))
        tail = self.tail
        if any(isinstance(part.block, Tail) for part in merged):
            tail = Part(self.newest.beyond(old.last_row))
            tail = tail.without(np.concatenate([_NOBODY, *gone]))
        # What the segment's columns know need not be told beside them.
        is_new = self.revised_at > old.version
        here = [part.block.places(self.revised.rows)[1] for part in merged]
        retold = np.flatnonzero(is_new | ~np.logical_or.reduce(here))
        return replace(
            self,
            layout=self.layout + 1,
            segments=tuple(sorted(kept, key=_after_row)),
            tail=tail,
            revised=self.revised.taken(retold),
            revised_at=self.revised_at[retold],
        )

    def ids(self, rows: Rows) -> list[str]:
        """The ids of rows that are there, in their order."""
        found: dict[int, str] = {}
        for part in self.parts:
            places, here = part.block.places(rows)
            if len(places):
                names = part.block.ids(places)
                found.update(zip(rows[here].tolist(), names, strict=True))
        return [found[row] for row in rows.tolist()]


def _after_row(part: Part) -> int:
    assert isinstance(part.block, Segment)
    return part.block.after_row


def _first(rows: Rows, mask: Mask | None, limit: int) -> Rows:
    """The first rows of a mask."""
    if mask is None:
        return rows[:limit]
    found, count, start, step = [_NOBODY], 0, 0, 4 * limit
    while start < len(rows) and count < limit:
        found.append(rows[start : start + step][mask[start : start + step]])
        count += len(found[-1])
        start, step = start + step, 2 * step
    return np.concatenate(found)[:limit]


def gather(sources: Iterable[Source]) -> tuple[Rows, NDArray[np.float32]]:
    """All rows that may be found, ascending, and their vectors."""
    rows, parts = [_NOBODY], []
    for source in sources:
        for start, some in source.index.chunks():
            part = slice(start, start + len(some))
            mask = None if source.allowed is None else source.allowed.mask[part]
            rows.append(source.rows[part] if mask is None else source.rows[part][mask])
            parts.append(some if mask is None else some[mask])
    together = np.concatenate(rows)
    if not parts:
        return together, np.empty((0, 0), np.float32)
    order = np.argsort(together)
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    # Each goes to its place at once: joined and then put in order, they would be there
    # three times.
    vectors = np.empty((len(order), parts[0].shape[1]), np.float32)
    start = 0
    for some in parts:
        vectors[places[start : start + len(some)]] = some
        start += len(some)
    return together[order], vectors
