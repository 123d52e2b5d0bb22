"""How much is worked on at once, who waits for it, and who is told to come later.

Few calls are worked on together: more would only share the same cores. The others stand
in line, and only as long as the line stays short in time: each kind of call is known by
how long it took lately, so that a call which would wait too long, or longer than its
caller does, is told so at once instead of at the end of its wait. Those that are sent
away are each given another time to come back at.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from skylike.service import caller
from skylike.service.calls import Stage
from skylike.service.errors import DeadlineExceeded, Overloaded

_NEWEST = 0.1  # weight of the newest call in what its kind takes
_SOONEST, _LATEST = 0.1, 5.0  # seconds within which to come back
_ON_THE_WAY = 0.5  # seconds that a call may take from the door to the line
_MEGABYTE = 2**20


@dataclass(slots=True, eq=False)
class _Call:
    """A call in line, or at work.

    Attributes
    ----------
    seconds
        How long it will be worked on, by what its kind took lately.
    began
        When it came to its turn.
    turn
        Held until then.
    """

    seconds: float
    began: float = 0.0
    turn: threading.Lock = field(default_factory=threading.Lock)


class Line:
    """A line of calls in front of a few places where they are worked on.

    Parameters
    ----------
    places
        How many calls are worked on at the same time.
    max_wait_seconds
        How long a call may have to wait: this long, or as long as itself takes.
    max_length
        How many calls may wait, however short they are.
    """

    def __init__(self, places: int, max_wait_seconds: float, max_length: int) -> None:
        self._places = places
        self._max_wait_seconds = max_wait_seconds
        self._max_length = max_length
        self._guard = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._working: set[_Call] = set()
        self._coming: deque[float] = deque()
        self._seconds: dict[str, float] = {}
        self._next_return = 0.0

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    @contextmanager
    def turn(self, kind: str, seconds_left: float) -> Iterator[None]:
        """Wait for a place, and keep it meanwhile.

        Parameters
        ----------
        kind
            Calls of one kind take about as long as each other.
        seconds_left
            Until the caller's deadline; infinite if there is none.

        Raises
        ------
        Overloaded
            At once, if the wait would be too long.
        Cancelled, DeadlineExceeded
            If the caller did not wait that long.
        """
        call = self._join(kind, seconds_left)
        if not call.began:
            with Stage("queue"):
                self._await(call, seconds_left)
        took = None
        try:
            caller.check()
            began = time.monotonic()
            yield
            took = time.monotonic() - began
        finally:
            self._leave(call, kind, took)

    def announce(self, kind: str) -> None:
        """Say that a call comes, whose request has to be read first.

        Raises
        ------
        Overloaded
            If it would have to wait too long.
        """
        with self._guard:
            now = time.monotonic()
            # Some never come: their callers went, or may not ask this.
            while self._coming and self._coming[0] < now - _ON_THE_WAY:
                self._coming.popleft()
            if len(self._working) + len(self._coming) >= self._places:
                self._require_short(kind, math.inf, now)
            self._coming.append(now)

    def _join(self, kind: str, seconds_left: float) -> _Call:
        with self._guard:
            now = time.monotonic()
            if self._coming:
                self._coming.popleft()
            call = _Call(self._seconds.get(kind, 0.0))
            if len(self._working) < self._places:
                call.began = now
                self._working.add(call)
                return call
            self._require_short(kind, seconds_left, now)
            call.turn.acquire()
            self._waiting.append(call)
            return call

    def _require_short(self, kind: str, seconds_left: float, now: float) -> None:
        seconds = self._seconds.get(kind, 0.0)
        wait = self._expected_wait(now) + len(self._coming) * seconds / self._places
        longest = min(max(self._max_wait_seconds, seconds), seconds_left - seconds)
        if wait > longest or len(self._waiting) >= self._max_length:
            raise Overloaded(
                f"{len(self._waiting)} calls wait already, for about {wait:.2f} s: "
                "send fewer at the same time, or this one later",
                retry_seconds=self._return_in(now, wait, seconds),
            )

    def _expected_wait(self, now: float) -> float:
        """Of one who joins now: of those at work, half is done or more."""
        ahead = sum(call.seconds for call in self._waiting)
        ahead += sum(max(now - call.began, call.seconds / 2) for call in self._working)
        return ahead / self._places

    def _return_in(self, now: float, wait: float, seconds: float) -> float:
        """One place after another, so that they do not all come back together."""
        soonest = now + max(wait, _SOONEST)
        self._next_return = max(self._next_return, soonest) + seconds / self._places
        self._next_return = min(self._next_return, now + _LATEST)
        return self._next_return - now

    def _await(self, call: _Call, seconds_left: float) -> None:
        if call.turn.acquire(timeout=min(seconds_left, threading.TIMEOUT_MAX)):
            return
        with self._guard:
            if call in self._waiting:  # its turn may have come with its deadline
                self._waiting.remove(call)
                raise DeadlineExceeded("the deadline passed while the call waited")

    def _leave(self, call: _Call, kind: str, took: float | None) -> None:
        """Make room; only calls that were answered tell how long their kind takes."""
        with self._guard:
            if took is not None:
                before = self._seconds.setdefault(kind, took)
                self._seconds[kind] = before + _NEWEST * (took - before)
            self._working.remove(call)
            if self._waiting:
                following = self._waiting.popleft()
                following.began = time.monotonic()
                self._working.add(following)
                following.turn.release()


class Load:
    """The bytes of requests that are held, in line or at work.

    Parameters
    ----------
    max_bytes
        A request is taken up to this sum; a single one always is.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._guard = threading.Lock()
        self._held = 0

    def require_room(self, num_bytes: int = 0) -> None:
        """Raise `Overloaded` if a request is too much; a single one never is."""
        if self._held and self._held + num_bytes > self._max_bytes:
            raise Overloaded(
                f"requests of {self._held / _MEGABYTE:.0f} MiB are held already, and "
                f"this one has {num_bytes / _MEGABYTE:.1f}: send fewer at the same "
                "time, or this one later",
                retry_seconds=1.0,
                reason="too_many_bytes",
            )

    @contextmanager
    def holding(self, num_bytes: int) -> Iterator[None]:
        """Count a request for as long as it is held.

        Raises
        ------
        Overloaded
            If too much is held already.
        """
        with self._guard:
            self.require_room(num_bytes)
            self._held += num_bytes
        try:
            yield
        finally:
            with self._guard:
                self._held -= num_bytes
