"""From parts of a view to one segment, in the background or when asked."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile

import numpy as np
import structlog

from skylike.service import durable, index
from skylike.service.catalog import Catalog
from skylike.service.collection.segment import Rows, Segment, Tail, Vectors
from skylike.service.collection.shelf import Shelf
from skylike.service.collection.view import Part, View
from skylike.service.columns import Columns
from skylike.service.index import Flat, Kind, Told

_log = structlog.get_logger()

_TAIL = 10_000  # rows; beyond, they are sealed
_DEFERRED_TAIL = 100_000  # the same, while graphs are not made
_MOST_CHEAP = 2  # segments that compare with all, before they are merged
_MOST_GONE = 0.25  # of a segment's rows; beyond, it is made anew


class Compactor:
    """Seals the newest rows, and merges segments, one job at a time.

    Parameters
    ----------
    catalog, shelf
        Of the collection.
    swap
        Replaces the collection's view by what a function makes of it, while nobody
        writes; the new view.
    """

    def __init__(
        self,
        catalog: Catalog,
        shelf: Shelf,
        swap: Callable[[Callable[[View], View]], View],
    ) -> None:
        self._catalog = catalog
        self._shelf = shelf
        self._swap = swap
        self._one_job = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._num_deferring = 0

    def consider(self, view: View) -> None:
        """Start what a view needs; while it is deferred, only what is quick, at once."""
        if self._num_deferring:
            if len(view.newest.rows) > _DEFERRED_TAIL:
                with self._one_job:
                    # Another writer may have sealed the same rows meanwhile.
                    newest = self._swap(lambda now: now)
                    if len(newest.newest.rows) > _DEFERRED_TAIL:
                        self._seal_or_tell(newest)
            return
        if not self._needs_work(view):
            return
        with self._starting:
            is_running = self._thread is not None and self._thread.is_alive()
            if is_running or self._is_closing:
                return
            self._thread = threading.Thread(
                target=self._work, args=(view,), name="compaction", daemon=True
            )
            self._thread.start()

    def compact(
        self,
        view: Callable[[], View],
        kind: Kind | None = None,
        told: Told = lambda _: None,
    ) -> None:
        """Do all there is to do, now; if a kind is wanted, make one segment of it."""
        with self._one_job:
            while self._unsaved(view()):
                self._merge(view())
            now = view()
            if kind is None:
                self._merge(now, told=told)
            elif _kinds(now) != [kind] or len(now.newest.rows):
                self._replace(now, [now.tail, *now.segments], kind, told=told)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Until the block ends, graphs are not made."""
        with self._starting:
            self._num_deferring += 1
        try:
            yield
        finally:
            with self._starting:
                self._num_deferring -= 1

    def close(self) -> None:
        """Wait for what is running; start nothing any more."""
        with self._starting:
            self._is_closing = True
        if self._thread is not None:
            self._thread.join()

    def _needs_work(self, view: View) -> bool:
        return (
            len(view.newest.rows) > _TAIL
            or len(list(takewhile(_is_cheap, reversed(view.segments)))) > _MOST_CHEAP
            or any(map(_is_worn, view.segments))
            or bool(self._unsaved(view))
        )

    def _unsaved(self, view: View) -> list[Part]:
        return [
            part
            for part in view.segments
            if isinstance(part.block, Segment) and not self._shelf.has(part.block)
        ]

    def _work(self, view: View) -> None:
        threads = max(1, (os.cpu_count() or 2) // 2)  # the others answer questions
        try:
            while self._needs_work(view) and not self._is_closing:
                with self._one_job:
                    view = self._merge(self._swap(lambda now: now), threads)
        except Exception:
            # Everything is durable and searchable; only speed is lost.
            _log.exception("compaction_failed")

    def _seal_or_tell(self, view: View) -> None:
        """Seal the newest rows; what was written is durable if that fails."""
        try:
            self._replace(view, [view.tail], Kind.FLAT)
        except Exception:
            _log.exception("compaction_failed")

    def _merge(self, view: View, threads: int = 0, told: Told = lambda _: None) -> View:
        merged = self._unsaved(view)[:1] or to_merge(view)
        return self._replace(view, merged, None, threads, told) if merged else view

    def _replace(
        self,
        view: View,
        merged: Sequence[Part],
        kind: Kind | None,
        threads: int = 0,
        told: Told = lambda _: None,
    ) -> View:
        """Put one segment in place of parts of a view, which is the newest or was."""
        segment = self._sealed(view, merged, kind, threads, told)
        blocks = {part.block for part in merged if isinstance(part.block, Segment)}

        def change(now: View) -> View:
            if not blocks <= {part.block for part in now.segments}:
                return now  # it was loaded anew
            new = now.replaced(view, merged, segment)
            segments = [p.block for p in new.segments if isinstance(p.block, Segment)]
            self._catalog.settle()  # a manifest must not know more than the truth
            self._shelf.publish(segments, version=new.version)
            return new

        new = self._swap(change)
        self._shelf.forget_the_rest()
        noted = np.concatenate(self._catalog.journal())
        here = [part.block.places(noted)[1] for part in merged]
        if len(known := noted[np.logical_or.reduce(here)]):
            self._catalog.clear_journal(known.tolist(), view.version)
        return new

    def _sealed(
        self,
        view: View,
        merged: Sequence[Part],
        kind: Kind | None,
        threads: int,
        told: Told,
    ) -> Segment | None:
        try:
            with durable.storing(self._shelf.directory):
                return sealed(
                    view,
                    merged,
                    self._shelf,
                    self._catalog.vectors_there,
                    kind,
                    threads=threads,
                    told=told,
                )
        except BaseException:
            self._shelf.forget_the_rest()  # what was begun would fill a full disk
            raise


def to_merge(view: View) -> list[Part]:
    """The parts that one segment should replace: the tail, and what lies before it.

    Segments that are no larger than what has been gathered go into it, and those that
    compare with all: so there are few segments, and every row is built into a graph a
    few times only.
    """
    merged = [view.tail]
    gathered = len(view.tail.rows())
    for part in reversed(view.segments):
        count = len(part.rows())
        if not (_is_cheap(part) or count <= gathered or _is_worn(part)):
            break
        merged.append(part)
        gathered += count
    if len(view.newest.rows) or len(merged) > 2 or any(map(_is_worn, merged)):
        return merged
    return [part for part in view.segments if _is_worn(part)][:1]


def _is_cheap(part: Part) -> bool:
    vectors = part.block.index
    return vectors is None or isinstance(vectors, Flat)


def _kinds(view: View) -> list[Kind | None]:
    indexes = (part.block.index for part in view.segments)
    return [None if one is None else one.kind for one in indexes]


def _is_worn(part: Part) -> bool:
    return part.num_gone() > _MOST_GONE * len(part.block.rows)


def sealed(
    view: View,
    merged: Sequence[Part],
    shelf: Shelf,
    exact_vectors: Callable[[Rows], tuple[Rows, Vectors]],
    kind: Kind | None = None,
    *,
    threads: int = 0,
    told: Told = lambda _: None,
) -> Segment | None:
    """The alive rows of some parts in one segment, written but not published.

    Parameters
    ----------
    view
        What the parts are of.
    merged
        Which parts; neighbours.
    shelf
        Where to write.
    exact_vectors
        Tells which rows are there still, ascending, and their vectors, for parts that
        keep them rounded.
    kind
        How the segment searches; by default what suits its size.
    threads, told
        As `index.build` takes them.

    Returns
    -------
    Segment
        None if no row is alive.
    """
    parts = sorted(merged, key=lambda part: _first_row(part))
    columns = _columns(view, parts)
    if not len(columns):
        return None
    rows, vectors = _vectors(parts, exact_vectors)
    stem = shelf.stem()
    built = None
    if len(rows):
        built, order = index.build(vectors, stem, kind, threads=threads, told=told)
        rows = rows[order]
    after_row, last_row = _range(view, parts)
    segment = Segment(
        built,
        _ordered(columns, rows).with_orders(),
        after_row=after_row,
        last_row=last_row,
        version=view.version,
    )
    return shelf.write(segment, stem)


def in_memory(tail: Tail, *, after_row: int, last_row: int, version: int) -> Segment:
    """The rows of a tail as a segment that no shelf has."""
    return Segment(
        tail.index,
        _ordered(tail.columns, tail.vector_rows).with_orders(),
        after_row=after_row,
        last_row=last_row,
        version=version,
    )


def _ordered(columns: Columns, rows: Rows) -> Columns:
    """Columns with some rows first, in this order, and then the others, ascending."""
    order = np.argsort(columns.rows, kind="stable")
    places = order[np.searchsorted(columns.rows, rows, sorter=order)]
    is_other = np.ones(len(columns), np.bool_)
    is_other[places] = False
    return columns.taken(np.concatenate([places, order[is_other[order]]]))


def _first_row(part: Part) -> int:
    rows = part.block.rows
    return int(rows.min()) if len(rows) else np.iinfo(np.int64).max


def _columns(view: View, parts: Iterable[Part]) -> Columns:
    """Of all alive rows of some parts, as they are told now."""
    found = []
    for part in parts:
        columns = part.block.columns
        if part.alive is not None:
            columns = columns.taken(np.flatnonzero(part.alive))
        found.append(columns)
    joined = Columns.joined(found)
    if not len(view.revised):
        return joined
    retold = np.flatnonzero(np.isin(view.revised.rows, joined.rows))
    revised = view.revised.taken(retold)
    kept = np.flatnonzero(~np.isin(joined.rows, revised.rows))
    return Columns.joined([joined.taken(kept), revised])


def _vectors(
    parts: Iterable[Part], exact_vectors: Callable[[Rows], tuple[Rows, Vectors]]
) -> tuple[Rows, list[Vectors]]:
    """Rows of the vectors that are alive in some parts, and the vectors."""
    rows, vectors = [np.empty(0, np.int64)], []
    for part in parts:
        vector_index = part.block.index
        if vector_index is None:
            continue
        mine = part.block.vector_rows
        mask = None if part.alive is None else part.block.of_vectors(part.alive)
        mine = mine if mask is None else mine[mask]
        if not len(mine):
            continue
        if vector_index.kind is Kind.IVF:
            mine, exact = exact_vectors(mine)
            rows.append(mine)
            vectors.append(exact)
        else:
            rows.append(mine)
            for _, some in vector_index.chunks():
                vectors.append(some if mask is None else some[mask])
    return np.concatenate(rows), vectors


def _range(view: View, parts: Sequence[Part]) -> tuple[int, int]:
    """The rows that a segment in place of some parts stands for."""
    segments = [part.block for part in parts if isinstance(part.block, Segment)]
    after = [segment.after_row for segment in segments]
    last = [segment.last_row for segment in segments]
    if any(isinstance(part.block, Tail) for part in parts):
        after.append(view.covered)
        last.append(view.last_row)
    return min(after), max(last)
