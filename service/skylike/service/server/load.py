"""How many bytes of requests are held."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from skylike.service.errors import Overloaded

_LOOK_SECONDS = 1.0  # for whether somebody who waits for room has gone
_MEGABYTE = 2**20


class Load:
    """The bytes of requests that are held, in line or at work. Safe from any thread.

    Parameters
    ----------
    max_bytes
        Requests are taken up to this sum; a single one always is.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._held = 0

    def require_room(self) -> None:
        """Raise `Overloaded` if nothing more can be taken."""
        self._require(1)

    @contextmanager
    def holding(self, num_bytes: int) -> Iterator[None]:
        """Count a request for as long as it is held.

        Raises
        ------
        Overloaded
            If too much is held already.
        """
        with self._changed:
            self._require(num_bytes)
            self._held += num_bytes
        try:
            yield
        finally:
            self.let_go(num_bytes)

    def take(self, num_bytes: int, still: Callable[[], bool]) -> bool:
        """Count a request once there is room for it, until `let_go`.

        Whether it was taken: not if `still` tells meanwhile that nobody waits for it.
        """
        with self._changed:
            while self._is_too_much(num_bytes):
                if not still():
                    return False
                self._changed.wait(_LOOK_SECONDS)
            self._held += num_bytes
        return True

    def let_go(self, num_bytes: int) -> None:
        """Count a request no more."""
        with self._changed:
            self._held -= num_bytes
            self._changed.notify_all()

    def _is_too_much(self, num_bytes: int) -> bool:
        return self._held > 0 and self._held + num_bytes > self._max_bytes

    def _require(self, num_bytes: int) -> None:
        if self._is_too_much(num_bytes):
            raise Overloaded(
                f"requests of {self._held / _MEGABYTE:.0f} MiB are held already: send "
                "fewer at the same time, or this one later",
                retry_seconds=1.0,
                reason="too_many_bytes",
            )
