"""Single items of several threads, computed together where that costs nobody time.

Whoever comes while there is room computes its item alone and at once. Whoever comes while
there is none waits for the next batch: all who wait are computed together by the first of
them, as soon as one of the computations under way ends. So nobody waits longer than that
takes, and batches are as large as the load makes them.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from skylike.service.calls import Stage

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[_Item, _Result]):
    """An item, and what becomes of it: a result, an error, or the lead of a batch."""

    item: _Item
    called: threading.Lock = field(default_factory=threading.Lock)
    batch: "list[_Waiting[_Item, _Result]] | None" = None
    results: list[_Result] = field(default_factory=list)
    error: Exception | None = None


class Batching(Generic[_Item, _Result]):
    """Computes items in batches. Safe from any thread.

    Parameters
    ----------
    compute
        From items to as many results.
    at_once
        How many computations may be under way together.
    size
        Items of a batch, at most.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[_Item]], Sequence[_Result]],
        at_once: int,
        size: int,
    ) -> None:
        self._compute = compute
        self._room = at_once
        self._size = size
        self._guard = threading.Lock()
        self._waiting: deque[_Waiting[_Item, _Result]] = deque()

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    def __call__(self, item: _Item) -> _Result:
        """The result of one item; raises what computing it alone raises."""
        mine: _Waiting[_Item, _Result] = _Waiting(item)
        with self._guard:
            if self._room:
                self._room -= 1
                mine.batch = [mine]
            else:
                mine.called.acquire()
                self._waiting.append(mine)
        if mine.batch is None:
            with Stage("queue"):
                mine.called.acquire()
        if mine.batch is not None:
            try:
                self._settle(mine.batch)
            finally:
                self._call_next()
                for other in mine.batch[1:]:
                    other.called.release()
        if mine.error is not None:
            raise mine.error
        return mine.results[0]

    def _settle(self, batch: "list[_Waiting[_Item, _Result]]") -> None:
        """Compute a batch; one bad item does not fail the others."""
        try:
            results = self._compute([one.item for one in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for one in batch:
                self._settle([one])
            return
        for one, result in zip(batch, results, strict=True):
            one.results.append(result)

    def _call_next(self) -> None:
        """Give the room to the first who waits, with those behind it."""
        with self._guard:
            if not self._waiting:
                self._room += 1
                return
            count = min(self._size, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            batch[0].batch = batch
            batch[0].called.release()
