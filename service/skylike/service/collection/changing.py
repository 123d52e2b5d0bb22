"""`Changing`: one write after the other, each of which replaces the view."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from skylike.service.collection import loading
from skylike.service.collection.comparing import Comparing
from skylike.service.collection.shelf import Shelf
from skylike.service.collection.view import View


class Changing(Comparing):
    """What all writes to a collection have in common."""

    _shelf: Shelf
    _writing: threading.Lock

    @contextmanager
    def held_at(self, basis: tuple[int, int]) -> Iterator[bool]:
        """Let writers wait until the block ends; whether this is its `basis`."""
        with self._writing:
            yield self._view.basis == basis

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The write lock; a view that cannot follow the catalog is loaded anew."""
        with self._writing:
            before = self._view.version
            try:
                yield
            except BaseException:
                if self._catalog.state().version != before:
                    # What was written is durable; a view without it would be sealed
                    # as whole.
                    self._view = loading.load(self.name, self._catalog, self._shelf)
                raise

    def _swap(self, change: Callable[[View], View]) -> View:
        """Replace the view; what `change` publishes fits the view at that moment."""
        with self._writing:
            self._view = change(self._view)
            return self._view
