"""The line in front of the places where calls are worked on."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from skylike.service import caller
from skylike.service.errors import Cancelled, DeadlineExceeded, Overloaded
from skylike.service.server.line import Coming, Line
from skylike.service.server.load import Load

FOREVER = float("inf")
FEW = 4


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as made:
        yield made


class Work:
    """Calls that stay at work until they are told to end."""

    def __init__(self, line: Line, pool: ThreadPoolExecutor) -> None:
        self.line = line
        self.order: list[int] = []
        self._pool = pool
        self._may_end = threading.Semaphore(0)

    def come(
        self,
        number: int = 0,
        seconds_left: float = FOREVER,
        still: Callable[[], None] = lambda: None,
        coming: Coming | None = None,
        is_patient: bool = False,
    ) -> "Future[None]":
        def call() -> None:
            turn = self.line.turn("ask", seconds_left, coming, is_patient=is_patient)
            with caller.waits(still), turn:
                self.order.append(number)
                assert self._may_end.acquire(timeout=20)

        return self._pool.submit(call)

    def end(self, count: int = 1) -> None:
        self._may_end.release(count)


def _teach(line: Line, seconds: float) -> None:
    """Let a line see a call that takes so long, since it measures that itself."""
    with line.turn("ask", FOREVER):
        time.sleep(seconds)


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)


def test_few_are_worked_on_and_the_others_follow_in_order(
    pool: ThreadPoolExecutor,
) -> None:
    """Places are taken at once; who waits comes in the order of coming."""
    work = Work(Line(2, max_wait_seconds=10, max_length=8), pool)
    calls = []
    for number in range(6):
        calls.append(work.come(number))
        _until(lambda: len(work.order) + len(work.line) == len(calls))
    assert len(work.order) == 2
    work.end(6)
    for call in calls:
        call.result(20)
    assert sorted(work.order[:2]) == [0, 1]
    assert sorted(work.order) == list(range(6))
    assert len(work.line) == 0


def test_who_would_wait_too_long_is_told_so_at_once(pool: ThreadPoolExecutor) -> None:
    """By what calls took lately; each is given another time to come back at."""
    line = Line(1, max_wait_seconds=0.05, max_length=100)
    _teach(line, 0.2)
    work = Work(line, pool)
    calls = [work.come() for _ in range(1 + FEW)]
    _until(lambda: len(work.order) == 1 and len(line) == FEW)
    later = []
    for _ in range(3):
        # Nobody who is at work ends meanwhile: who waited would wait for ever.
        with pytest.raises(Overloaded) as caught, line.turn("ask", FOREVER):
            pass
        later.append(caught.value.retry_seconds)
    assert 0.1 <= later[0] < later[1] < later[2] <= 5
    # A kind of call that is not known yet is short, as far as one knows.
    with pytest.raises(Overloaded), line.turn("other", FOREVER):
        pass
    work.end(1 + FEW)
    for call in calls:
        call.result(20)


def test_a_few_may_wait_however_long_it_takes(pool: ThreadPoolExecutor) -> None:
    """That one call is slow is no overload; its caller may have less time all the same."""
    line = Line(1, max_wait_seconds=0.01, max_length=100)
    work = Work(line, pool)
    calls = [work.come()]
    _until(lambda: len(work.order) == 1)
    time.sleep(0.1)
    calls += [work.come() for _ in range(FEW)]
    _until(lambda: len(line) == FEW)
    with pytest.raises(Overloaded), line.turn("ask", FOREVER):
        pass
    work.end(1 + FEW)
    for call in calls:
        call.result(20)


def test_who_cannot_be_answered_in_time_does_not_wait(
    pool: ThreadPoolExecutor,
) -> None:
    """With less time left than the wait and the work take."""
    line = Line(1, max_wait_seconds=10, max_length=100)
    _teach(line, 0.2)
    work = Work(line, pool)
    call = work.come()
    _until(lambda: len(work.order) == 1)
    with pytest.raises(Overloaded), line.turn("ask", seconds_left=0.2):
        pass
    patient = work.come(seconds_left=20)
    _until(lambda: len(line) == 1)
    work.end(2)
    call.result(20)
    patient.result(20)


def test_a_deadline_ends_the_wait(pool: ThreadPoolExecutor) -> None:
    """And the place in line is free again."""
    line = Line(1, max_wait_seconds=10, max_length=100)
    work = Work(line, pool)
    call = work.come()
    _until(lambda: len(work.order) == 1)
    with pytest.raises(DeadlineExceeded), line.turn("ask", seconds_left=0.1):
        pass
    assert len(line) == 0
    work.end()
    call.result(20)


def test_who_has_gone_takes_no_place(pool: ThreadPoolExecutor) -> None:
    """It is dropped when its turn comes, and counts for nothing."""
    line = Line(1, max_wait_seconds=10, max_length=100)

    def gone() -> None:
        raise Cancelled("gone")

    work = Work(line, pool)
    first = work.come(1)
    _until(lambda: len(work.order) == 1)
    second = work.come(2, still=gone)
    _until(lambda: len(line) == 1)
    third = work.come(3)
    _until(lambda: len(line) == 2)
    work.end(2)
    first.result(20)
    third.result(20)
    with pytest.raises(Cancelled):
        second.result(20)
    assert work.order == [1, 3]


def test_those_on_the_way_count(pool: ThreadPoolExecutor) -> None:
    """Whoever comes meanwhile is told that the line is full, until they came."""
    line = Line(1, max_wait_seconds=0.15, max_length=100)
    _teach(line, 0.1)
    work = Work(line, pool)
    coming = [line.announce("ask") for _ in range(FEW)]
    with pytest.raises(Overloaded):
        line.announce("ask")
    calls = [work.come(coming=one) for one in coming]
    _until(lambda: len(work.order) == 1 and len(line) == FEW - 1)
    work.end(FEW)
    for call in calls:
        call.result(20)
    line.announce("ask")


def test_who_turned_back_on_the_way_counts_no_more() -> None:
    """Nobody has to tell: what stood for it is gone with the call."""
    line = Line(1, max_wait_seconds=0.15, max_length=100)
    _teach(line, 0.1)
    for _ in range(100):
        line.announce("ask")


def test_a_long_call_keeps_its_place_and_no_other(pool: ThreadPoolExecutor) -> None:
    """The others are enough for those that are short."""
    line = Line(2, max_wait_seconds=0.1, max_length=100)
    _teach(line, 0.02)
    work = Work(line, pool)
    long = work.come()
    _until(lambda: len(work.order) == 1)
    time.sleep(0.5)
    short = [work.come()]
    _until(lambda: len(work.order) == 2)
    short.append(work.come())
    _until(lambda: len(line) == 1)
    work.end(3)
    for call in (long, *short):
        call.result(20)


def test_who_is_patient_waits_however_long(pool: ThreadPoolExecutor) -> None:
    """And is not refused where others are."""
    line = Line(1, max_wait_seconds=0.01, max_length=100)
    _teach(line, 0.2)
    work = Work(line, pool)
    calls = [work.come(number, is_patient=True) for number in range(2 + FEW)]
    _until(lambda: len(work.order) + len(line) == 2 + FEW)
    with pytest.raises(Overloaded), line.turn("ask", FOREVER):
        pass
    work.end(2 + FEW)
    for call in calls:
        call.result(20)


def test_a_call_that_ran_out_of_time_tells_how_long_it_took(
    pool: ThreadPoolExecutor,
) -> None:
    """Or the line would believe that such calls are short."""
    line = Line(1, max_wait_seconds=0.01, max_length=100)

    def run_out() -> None:
        with line.turn("ask", FOREVER):
            time.sleep(0.3)
            raise DeadlineExceeded("late")

    with pytest.raises(DeadlineExceeded):
        run_out()
    work = Work(line, pool)
    call = work.come()
    _until(lambda: len(work.order) == 1)
    with pytest.raises(Overloaded), line.turn("ask", seconds_left=0.2):
        pass
    work.end()
    call.result(20)


def test_a_line_has_an_end(pool: ThreadPoolExecutor) -> None:
    """However short calls are: each keeps a thread."""
    line = Line(1, max_wait_seconds=1000, max_length=2)
    work = Work(line, pool)
    calls = [work.come() for _ in range(3)]
    _until(lambda: len(work.order) == 1 and len(line) == 2)
    with pytest.raises(Overloaded), line.turn("ask", FOREVER):
        pass
    work.end(3)
    for call in calls:
        call.result(20)


def test_bytes_are_counted_while_they_are_held() -> None:
    """A single request is taken whatever its size, a second only if both fit."""
    load = Load(100)
    with load.holding(500), pytest.raises(Overloaded, match="send fewer") as caught:
        load.require_room()
    assert caught.value.reason == "too_many_bytes"
    with load.holding(60), load.holding(40):
        with pytest.raises(Overloaded):
            load.require_room()
        with pytest.raises(Overloaded), load.holding(1):
            pass
    with load.holding(100):
        pass


def test_who_may_wait_takes_bytes_when_there_is_room(pool: ThreadPoolExecutor) -> None:
    """And none if nobody waits for it any more."""
    load = Load(100)
    with load.holding(60):
        waiting = pool.submit(load.take, 50, lambda: True)
        has_gone = pool.submit(load.take, 50, lambda: False)
        assert has_gone.result(20) is False
        assert not waiting.done()
    assert waiting.result(20) is True
    with pytest.raises(Overloaded), load.holding(60):
        pass
    load.let_go(50)
    with load.holding(60):
        pass


class Asking:
    """A call in line that takes others along, or is taken along."""

    def __init__(self, line: Line, pool: ThreadPoolExecutor) -> None:
        self._line = line
        self._pool = pool

    def come(
        self, asked: str, kind: str = "ask", *, answers: bool = True
    ) -> "Future[tuple[str, int]]":
        """The answer, and how many others this call answered."""

        def call() -> tuple[str, int]:
            with self._line.turn(kind, 20, asked=asked) as turn:
                if turn.answers:
                    return str(turn.answers[0]), 0
                others = turn.others(3, lambda other: other != "else")
                if not answers:
                    raise ValueError(asked)
                turn.answer([other.upper() for other in others])
                return asked.upper(), len(others)

        return self._pool.submit(call)


def _waiting(line: Line, pool: ThreadPoolExecutor, *come: Callable[[], object]) -> None:
    """Let some come one after the other while the only place is taken."""
    with line.turn("ask", FOREVER):
        for number, one in enumerate(come, start=1):
            one()
            _until(lambda number=number: len(line) == number)  # type: ignore[misc]


def test_who_comes_to_its_turn_answers_those_behind_it(
    pool: ThreadPoolExecutor,
) -> None:
    """Of its own kind, as many as it takes; each gets the answer to what it asked."""
    line = Line(1, max_wait_seconds=10, max_length=100)
    asking = Asking(line, pool)
    found: list[Future[tuple[str, int]]] = []
    kinds = ["ask", "other", "ask", "ask", "ask", "ask"]
    _waiting(
        line,
        pool,
        *(
            lambda n=n, kind=kind: found.append(asking.come(f"q{n}", kind))
            for n, kind in enumerate(kinds)
        ),
    )
    told = [one.result(20) for one in found]
    assert [answer for answer, _ in told] == [f"Q{n}" for n in range(6)]
    assert [count for _, count in told] == [3, 0, 0, 0, 0, 0]
    assert len(line) == 0


def test_who_was_taken_along_in_vain_is_the_next(pool: ThreadPoolExecutor) -> None:
    """What breaks for one breaks for nobody else."""
    line = Line(1, max_wait_seconds=10, max_length=100)
    asking = Asking(line, pool)
    found: list[Future[tuple[str, int]]] = []
    _waiting(
        line,
        pool,
        lambda: found.append(asking.come("bad", answers=False)),
        lambda: found.append(asking.come("second")),
        lambda: found.append(asking.come("third")),
    )
    with pytest.raises(ValueError, match="bad"):
        found[0].result(20)
    assert [one.result(20) for one in found[1:]] == [("SECOND", 1), ("THIRD", 0)]
    assert len(line) == 0


def test_those_who_are_answered_end_before_the_next_begins(
    pool: ThreadPoolExecutor,
) -> None:
    """One after the other: beside each other all would take longer."""
    line = Line(1, max_wait_seconds=10, max_length=100)
    ended: list[str] = []
    may_end = threading.Semaphore(0)

    def call(asked: str) -> None:
        with line.turn("ask", 20, asked=asked) as turn:
            if turn.answers:
                assert may_end.acquire(timeout=20)
            elif others := turn.others(2, lambda _: True):
                turn.answer(others)
            ended.append(asked)

    found: list[Future[None]] = []
    _waiting(
        line,
        pool,
        *(lambda q=q: found.append(pool.submit(call, q)) for q in "abcd"),
    )
    for already in ("a", "ab"):
        _until(lambda already=already: "".join(ended) == already)  # type: ignore[misc]
        time.sleep(0.05)
        assert "".join(ended) == already
        may_end.release()
    for one in found:
        one.result(20)
    assert "".join(ended) == "abcd"


def test_calls_that_were_answered_together_are_forgotten(
    pool: ThreadPoolExecutor,
) -> None:
    """At once: gRPC refuses more when there are many that nobody has let go of."""

    class Asked:
        pass

    line = Line(1, max_wait_seconds=10, max_length=100)
    known: weakref.WeakSet[Asked] = weakref.WeakSet()

    def call() -> None:
        asked = Asked()
        known.add(asked)
        with line.turn("ask", 20, asked=asked) as turn:
            if not turn.answers:
                others = turn.others(3, lambda _: True)
                turn.answer([None] * len(others))

    found: list[Future[None]] = []
    gc.collect()
    gc.disable()
    try:
        _waiting(line, pool, *[lambda: found.append(pool.submit(call))] * 4)
        for one in found:
            one.result(20)
        _until(lambda: not known)
    finally:
        gc.enable()


def test_who_asks_something_else_is_left_in_line(pool: ThreadPoolExecutor) -> None:
    """And comes to its own turn."""
    line = Line(1, max_wait_seconds=10, max_length=100)
    asking = Asking(line, pool)
    found: list[Future[tuple[str, int]]] = []
    _waiting(
        line,
        pool,
        *(lambda q=q: found.append(asking.come(q)) for q in ("a", "else", "b")),
    )
    told = [one.result(20) for one in found]
    assert [answer for answer, _ in told] == ["A", "ELSE", "B"]
    assert [count for _, count in told] == [1, 0, 0]


def test_what_takes_long_is_not_taken_along(pool: ThreadPoolExecutor) -> None:
    """Or the first of them would wait for the last."""
    line = Line(1, max_wait_seconds=10, max_length=100)
    _teach(line, 0.2)
    asking = Asking(line, pool)
    found: list[Future[tuple[str, int]]] = []
    _waiting(
        line,
        pool,
        *(lambda n=n: found.append(asking.come(f"q{n}")) for n in range(2)),
    )
    assert [one.result(20) for one in found] == [("Q0", 0), ("Q1", 0)]
