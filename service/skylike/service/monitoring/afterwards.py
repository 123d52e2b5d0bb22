"""What has to be told of a call, but nobody waits for.

A line of the log takes as long as a quick answer. The thread that would write it at once is
the one that takes in the next call, and of several threads Python lets one go on at a time:
so it is written a moment later, together with those of the other calls of that moment.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

# Seconds. To be woken more often costs calls more than what is done then.
_MOMENT = 0.05

_log = structlog.get_logger()


class Afterwards:
    """Does what it is given, in that order, a moment later. Safe from any thread."""

    def __init__(self) -> None:
        self._given: deque[Callable[[], None]] = deque()
        self._is_any = threading.Event()
        self._one = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._go_on, name="tells", daemon=True)
        self._thread.start()

    def __call__(self, work: Callable[[], None]) -> None:
        """Have something done."""
        self._given.append(work)
        if self._is_closed:
            self.now()
        elif not self._is_any.is_set():
            self._is_any.set()

    def now(self) -> None:
        """Do all that was given until now, in this thread."""
        with self._one:
            while self._given:
                work = self._given.popleft()
                try:
                    work()
                except Exception:  # of one; the others are done
                    _log.exception("failed")

    def close(self) -> None:
        """Do what is left; what is given from now on is done at once."""
        self._is_closed = True
        self._is_any.set()
        self._thread.join()
        self.now()

    def _go_on(self) -> None:
        while not self._is_closed:
            self._is_any.wait()
            time.sleep(_MOMENT)
            self._is_any.clear()
            self.now()
