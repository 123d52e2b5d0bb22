"""`Opened`: the collections of a data directory that are open, and who uses them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skylike.service import caller
from skylike.service.collection import Collection
from skylike.service.errors import Closed, UnknownCollection

_PATIENCE_SECONDS = 0.1  # between two looks whether the caller still waits
_LAST_SECONDS = 1.0  # that writes under way have to end


@dataclass(slots=True)
class _Entry:
    collection: Collection
    num_users: int = 0
    num_writers: int = 0  # of them


class Opened:
    """Collections, each open once however many use it. Safe from any thread.

    Nothing is read or written while others wait for the lock: only who wants the
    collection that somebody opens waits until it is open.

    Parameters
    ----------
    directory_of
        Where the collection of a name is; raises `UnknownCollection` if nowhere.
    """

    def __init__(self, directory_of: Callable[[str], Path]) -> None:
        self._directory_of = directory_of
        self._changed = threading.Condition()  # guards all below
        self._entries: dict[str, _Entry] = {}
        self._opening: set[str] = set()
        self._leaving: dict[str, _Entry | None] = {}
        self._still: set[str] = set()
        self._is_closed = False

    @contextmanager
    def using(
        self, name_of: Callable[[], str], *, writes: bool = False
    ) -> Iterator[Collection]:
        """A collection, opened if it was not, that stays open until the block ends.

        Parameters
        ----------
        name_of
            Tells its name, at once: others wait meanwhile. It is asked in the same
            moment in which the collection is taken, and again where that has gone since.
        writes
            Whether it is written to, for which who wants it `unwritten` is waited for.

        Raises
        ------
        Closed
            After `close`.
        UnknownCollection
            If there is none of that name, or it is `leaving`.
        DamagedData
            If its catalog fails its checks.
        """
        entry = self._entered(name_of, writes)
        try:
            yield entry.collection
        finally:
            with self._changed:
                entry.num_users -= 1
                entry.num_writers -= writes
                self._changed.notify_all()

    @contextmanager
    def leaving(self, name: str) -> Iterator[Callable[[], None]]:
        """From now on nobody gets a collection any more, until the block ends.

        Yields
        ------
        callable
            Waits until those who use it have left, and closes it; raises as
            `caller.check`. SQLite opens further connections by the file's path: it can
            be moved or removed only when nobody reads it.
        """
        with self._changed:
            self._wait_until(lambda: name not in self._opening)
            self.require_staying(name)
            entry = self._leaving[name] = self._entries.pop(name, None)

        def close() -> None:
            nonlocal entry
            if entry is None:
                return
            with self._changed:
                self._wait_until(lambda: not (entry and entry.num_users))
            entry.collection.close()
            entry = None

        try:
            yield close
        finally:
            with self._changed:
                del self._leaving[name]
                if entry is not None:  # it stays after all
                    self._entries[name] = entry
                self._changed.notify_all()

    @contextmanager
    def unwritten(self, name: str) -> Iterator[bool]:
        """Whether nobody is writing to it; then nobody begins to until the block ends.

        Those who are may end in a second, in which nobody begins: however many write by
        turns, there is an end.
        """

        def is_at_rest() -> bool:
            entry = self._entries.get(name)
            return not (entry and entry.num_writers)

        with self._changed:
            if name in self._still:
                is_mine = is_so = False
            else:
                is_mine = True
                self._still.add(name)
                is_so = self._changed.wait_for(is_at_rest, _LAST_SECONDS)
        try:
            yield is_so
        finally:
            if is_mine:
                with self._changed:
                    self._still.remove(name)
                    self._changed.notify_all()

    def is_leaving(self, name: str) -> bool:
        """Whether somebody is about to remove it."""
        return name in self._leaving

    def require_staying(self, name: str) -> None:
        """Raise `UnknownCollection` if somebody is about to remove it."""
        if self.is_leaving(name):
            raise UnknownCollection(f"The collection {name!r} is being removed.")

    def check_open(self) -> None:
        """Raise `Closed` after `close`."""
        if self._is_closed:
            raise Closed("The library is closed.")

    def close(self) -> None:
        """Close every collection, whoever uses it."""
        with self._changed:
            self._is_closed = True
            self._wait_until(lambda: not self._opening)
            entries = [*self._entries.values(), *self._leaving.values()]
            self._entries.clear()
        for entry in entries:
            if entry is not None:
                entry.collection.close()

    def _entered(self, name_of: Callable[[], str], writes: bool) -> _Entry:
        while True:
            with self._changed:
                name = self._name_when_ready(name_of, writes)
                self.require_staying(name)
                entry = self._entries.get(name)
                if entry is not None:
                    entry.num_users += 1
                    entry.num_writers += writes
                    return entry
                self._opening.add(name)
            made = None
            try:
                made = _Entry(Collection(self._directory_of(name)))
            except UnknownCollection:
                if name_of() == name:
                    raise
                # The alias points elsewhere by now.
            finally:
                with self._changed:
                    self._opening.remove(name)
                    if made is not None:
                        self._entries[name] = made
                    self._changed.notify_all()

    def _name_when_ready(self, name_of: Callable[[], str], writes: bool) -> str:
        """The name, once nobody opens the collection any more, or keeps it unwritten."""
        name = ""

        def is_ready() -> bool:
            nonlocal name
            self.check_open()
            name = name_of()
            return name not in self._opening and not (writes and name in self._still)

        self._wait_until(is_ready)
        return name

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            caller.check()
            self._changed.wait(_PATIENCE_SECONDS)
