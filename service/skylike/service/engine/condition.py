"""`Condition`: whether the collections can be used, as their files say now."""

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from skylike.service import caller
from skylike.service.collection import Collection
from skylike.service.errors import DamagedData, SkylikeError, UnknownCollection
from skylike.service.library import Library

# Opening a large collection, only to find its damage again, takes time.
_PATIENCE_SECONDS = 30


class _Failure(NamedTuple):
    """A collection that could not be opened, or that a call found damaged.

    It counts while the collection is the same that was open then, or until a time.
    """

    error: SkylikeError
    collection: Collection | None = None
    until: float = 0


class Condition:
    """What is wrong with each collection of a library. Safe from any thread."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._failures: dict[str, _Failure] = {}
        self._lock = threading.Lock()

    def look(self) -> Mapping[str, SkylikeError | None]:
        """Read a little of every collection's truth, and look at its model's file.

        The first look opens everything, so that no query has to wait for that.

        Returns
        -------
        dict
            Why a collection cannot be used, None if it can, by its name and by those
            of its aliases.

        Raises
        ------
        Cancelled
            If the caller has asked to stop; see `caller`.
        Closed
            If the library is.
        OSError
            If the disk does not list the collections.
        """
        found = {}
        for name in self._library.names():
            caller.check()
            with contextlib.suppress(UnknownCollection):  # it was removed meanwhile
                found[name] = self._look_at(name)
        with self._lock:
            for gone in self._failures.keys() - found.keys():
                del self._failures[gone]
        aliases = self._library.aliases().items()
        return found | {alias: found.get(name) for alias, name in aliases}

    def doubt(self, name: str, error: DamagedData) -> None:
        """Remember damage that was met: the next look does not read everything.

        Of a collection by its name or an alias. That of a model need not be remembered,
        for a look sees it every time.
        """
        with contextlib.suppress(SkylikeError), self._library.using(name) as collection:
            self._library.encoder_of(collection)
            self._remember(collection.name, _Failure(error, collection))

    def _look_at(self, name: str) -> SkylikeError | None:
        with self._lock:
            failure = self._failures.get(name)
        if failure and time.monotonic() < failure.until:
            return failure.error
        with contextlib.ExitStack() as until_seen:
            try:
                collection = until_seen.enter_context(self._library.using(name))
            except UnknownCollection:
                raise
            except SkylikeError as error:
                until = time.monotonic() + _PATIENCE_SECONDS
                self._remember(name, _Failure(error, until=until))
                return error
            if failure and failure.collection is collection:
                return failure.error
            try:
                collection.check()
                self._library.encoder_of(collection).check_file()
            except SkylikeError as error:
                if isinstance(error, DamagedData):
                    self.doubt(name, error)
                return error
        return None

    def _remember(self, name: str, failure: _Failure) -> None:
        with self._lock:
            self._failures[name] = failure
