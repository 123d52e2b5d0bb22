"""How much is worked on at once, who waits for it, and who is told to come later.

Few calls are worked on together: more would only share the same cores. The others stand
in line, and only as long as the line stays short in time: each kind of call is known by
how long it took lately, so that a call which would wait too long, or longer than its
caller does, is told so at once instead of at the end of its wait. Those that are sent
away are each given another time to come back at.

Many questions answered together take less than each alone. So whoever comes to its turn
may take along those who wait behind it and ask alike: the longer the line, the quicker it
moves.
"""

import functools
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from skylike.service import caller
from skylike.service.calls import Stage
from skylike.service.errors import Cancelled, DeadlineExceeded, Overloaded

_NEWEST = 0.1  # weight of the newest call in what its kind takes
_SOONEST, _LATEST = 0.1, 5.0  # seconds within which to come back
_TOGETHER_SECONDS = 0.1  # or the first would wait long for the last
_FEW = 4  # may wait however long it takes: that a call is slow is no overload
_ON_THE_WAY = 0.5  # seconds that a call may take from the door to the line


@dataclass(slots=True, eq=False, weakref_slot=True)
class Coming:
    """A call whose request is still on its way; forgotten with the call itself."""

    since: float


@dataclass(slots=True, eq=False)
class _Call:
    """A call in line, or at work.

    Attributes
    ----------
    kind
        Calls of one kind take about as long as each other.
    seconds
        How long it will be worked on, by what its kind took lately, and those it takes
        along.
    asked
        What it asks, if another may answer it.
    began
        When it came to its turn.
    along, num_together
        Those it took along and has not answered yet; how many they were, and itself.
    answers
        The one that another gave it.
    answered
        Those it answered, until it has ended.
    then
        What follows when it has ended, if another answered it.
    called
        Held until its turn, or until it is answered.
    """

    kind: str
    seconds: float
    asked: Any = None
    began: float = 0.0
    along: "list[_Call]" = field(default_factory=list)
    num_together: int = 1
    answers: list[Any] = field(default_factory=list)
    answered: "list[_Call]" = field(default_factory=list)
    then: Callable[[], None] | None = None
    called: threading.Lock = field(default_factory=threading.Lock)


class Turn:
    """The turn of a call, while it has its place."""

    def __init__(self, line: "Line", call: _Call) -> None:
        self._line = line
        self._call = call

    @property
    def answers(self) -> Sequence[Any]:
        """The answer, if another gave it already: then there is nothing left to do."""
        return self._call.answers

    def others(self, most: int, is_alike: Callable[[Any], bool]) -> list[Any]:
        """What those ask whom this call takes along: of its kind, the first in line."""
        self._line.take_along(self._call, most, is_alike)
        return [other.asked for other in self._call.along]

    def answer(self, answers: Sequence[Any]) -> None:
        """Give the `others` their answers; without, they come to their own turn."""
        along, self._call.along = self._call.along, []
        for other, answer in zip(along, answers, strict=True):
            other.answers.append(answer)
        self._call.answered = along


class Line:
    """A line of calls in front of a few places where they are worked on.

    Parameters
    ----------
    places
        How many calls are worked on at the same time.
    max_wait_seconds
        How long a call may have to wait behind some others: this long, or as long as
        itself takes.
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
        self._coming: WeakSet[Coming] = WeakSet()
        self._seconds: dict[str, float] = {}
        self._next_return = 0.0

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    @contextmanager
    def turn(
        self,
        kind: str,
        seconds_left: float,
        coming: Coming | None = None,
        *,
        is_patient: bool = False,
        asked: Any = None,
    ) -> Iterator[Turn]:
        """Wait for a place, and keep it meanwhile.

        Parameters
        ----------
        kind
            Calls of one kind take about as long as each other.
        seconds_left
            Until the caller's deadline; infinite if there is none.
        coming
            What `announce` gave, if the call was announced.
        is_patient
            Whether it waits however long it takes.
        asked
            What others who come to their turn may answer, if they ask alike.

        Raises
        ------
        Overloaded
            At once, if the wait would be too long.
        Cancelled, DeadlineExceeded
            If the caller did not wait that long.
        """
        call = _Call(kind, self._seconds.get(kind, 0.0), asked)
        self._join(call, seconds_left, coming, is_patient)
        if not call.began:
            with Stage("queue"):
                self._await(call, seconds_left)
        if call.answers:
            try:
                yield Turn(self, call)
            finally:
                assert call.then is not None
                call.then()
            return
        took = None
        try:
            caller.check()
            began = time.monotonic()
            try:
                yield Turn(self, call)
            except (Cancelled, DeadlineExceeded):  # it would have taken longer still
                took = max(time.monotonic() - began, self._seconds.get(kind, 0.0))
                raise
            took = time.monotonic() - began
        finally:
            self._end(call, took)

    def take_along(
        self, call: _Call, most: int, is_alike: Callable[[Any], bool]
    ) -> None:
        """Take others out of the line, for a call at its turn; see `Turn`."""
        with self._guard:
            if call.seconds:
                most = min(most, int(_TOGETHER_SECONDS / call.seconds))
            alike = (
                one
                for one in self._waiting
                if one.kind == call.kind and one.asked and is_alike(one.asked)
            )
            call.along = list(itertools.islice(alike, most))
            call.num_together += len(call.along)
            for one in call.along:
                self._waiting.remove(one)
                call.seconds += one.seconds

    def announce(self, kind: str) -> Coming:
        """Say that a call comes, whose request has to be read first.

        Returns
        -------
        Coming
            To be kept as long as the call goes on.

        Raises
        ------
        Overloaded
            If it would have to wait too long.
        """
        with self._guard:
            now = time.monotonic()
            if len(self._working) + len(self._coming) >= self._places:
                self._require_short(kind, math.inf, now)
            coming = Coming(now)
            self._coming.add(coming)
            return coming

    def forget(self, coming: Coming) -> None:
        """Say that an announced call does not come."""
        with self._guard:
            self._coming.discard(coming)

    def _join(
        self, call: _Call, seconds_left: float, coming: Coming | None, is_patient: bool
    ) -> None:
        with self._guard:
            now = time.monotonic()
            if coming is not None:
                self._coming.discard(coming)
            if len(self._working) < self._places:
                call.began = now
                self._working.add(call)
                return
            if not is_patient:
                self._require_short(call.kind, seconds_left, now)
            call.called.acquire()
            self._waiting.append(call)

    def _require_short(self, kind: str, seconds_left: float, now: float) -> None:
        seconds = self._seconds.get(kind, 0.0)
        wait = self._expected_wait(seconds, now)
        is_short = len(self._waiting) + self._on_the_way(now) < _FEW
        longest = math.inf if is_short else max(self._max_wait_seconds, seconds)
        longest = min(longest, seconds_left - seconds)
        if wait > longest or len(self._waiting) >= self._max_length:
            raise Overloaded(
                f"{len(self._waiting)} calls wait already, for about {wait:.2f} s: "
                "send fewer at the same time, or this one later",
                retry_seconds=self._return_in(now, wait, seconds),
            )

    def _expected_wait(self, seconds: float, now: float) -> float:
        """Of one that joins now, and takes so long itself."""
        ahead = sum(call.seconds for call in self._waiting)
        ahead += self._on_the_way(now) * seconds
        # Of those at work, half is done or more.
        left = [max(now - one.began, one.seconds / 2) for one in self._working]
        left += [0.0] * (self._places - len(left))
        # Who waits goes where there is room first: all places that become free until
        # then have done their share of it.
        left.sort()
        done, wait = 0.0, math.inf
        for number, one in enumerate(left, start=1):
            if wait <= one:
                break
            done += one
            wait = (ahead + done) / number
        return wait

    def _on_the_way(self, now: float) -> int:
        return sum(now - one.since < _ON_THE_WAY for one in self._coming)

    def _return_in(self, now: float, wait: float, seconds: float) -> float:
        """One place after another, so that they do not all come back together."""
        soonest = now + max(wait, _SOONEST)
        self._next_return = max(self._next_return, soonest) + seconds / self._places
        self._next_return = min(self._next_return, now + _LATEST)
        return self._next_return - now

    def _await(self, call: _Call, seconds_left: float) -> None:
        if call.called.acquire(timeout=min(seconds_left, threading.TIMEOUT_MAX)):
            return
        with self._guard:
            if call in self._waiting:  # its turn may have come with its deadline
                self._waiting.remove(call)
                raise DeadlineExceeded("the deadline passed while the call waited")
        call.called.acquire()  # another has taken it along, or made room for it

    def _end(self, call: _Call, took: float | None) -> None:
        """Make room once those whom the call answered have ended, one after the other.

        Woken all at once, they would keep out each other, and the thread that takes in
        calls; beside who comes next, all of them would take longer.
        """
        # Or they would keep each other, and gRPC's calls, which it has only so many of.
        answered, call.answered = call.answered, []
        if not answered:
            self._leave(call, took)
            return
        for one, following in itertools.pairwise(answered):
            one.then = following.called.release
        answered[-1].then = functools.partial(self._leave, call, took)
        answered[0].called.release()

    def _leave(self, call: _Call, took: float | None) -> None:
        """Make room; calls that failed do not tell how long their kind takes."""
        with self._guard:
            if took is not None:
                took /= call.num_together
                before = self._seconds.setdefault(call.kind, took)
                self._seconds[call.kind] = before + _NEWEST * (took - before)
            self._working.remove(call)
            # Who was taken along and got no answer is the first again.
            self._waiting.extendleft(reversed(call.along))
            if self._waiting:
                following = self._waiting.popleft()
                following.began = time.monotonic()
                self._working.add(following)
                following.called.release()
