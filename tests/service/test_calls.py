"""What is told of a call, and what that costs."""

import contextvars
import timeit

import pytest

from skylike.service import calls
from skylike.service.calls import Stage


def test_a_stage_that_comes_twice_is_counted_together() -> None:
    def answer() -> calls.Call:
        call = calls.begin("OK")
        for _ in range(2):
            with Stage("search"):
                sum(range(1000))
        calls.spent("queue", 0.25)
        calls.about("sky", "f00")
        return call

    call = contextvars.Context().run(answer)
    assert list(call.seconds) == ["search", "queue"]
    assert call.seconds["queue"] == 0.25
    assert (call.collection, call.model_id) == ("sky", "f00")


def test_a_stage_that_fails_is_counted_and_fails() -> None:
    def answer() -> calls.Call:
        call = calls.begin("OK")
        with pytest.raises(ZeroDivisionError), Stage("decode"):
            _ = 1 / 0
        return call

    assert "decode" in contextvars.Context().run(answer).seconds


def test_where_nobody_asks_nothing_is_kept() -> None:
    """As in bulk work, which uses the same parts."""

    def work() -> None:
        with Stage("decode"):
            pass
        calls.about("sky", "f00")
        assert calls.current() is None

    contextvars.Context().run(work)


def test_a_stage_costs_less_than_two_microseconds() -> None:
    """Best of several: what else runs on the machine only adds."""

    def answer() -> float:
        calls.begin("OK")

        def stage() -> None:
            with Stage("embed"):
                pass

        return min(timeit.repeat(stage, number=2000, repeat=20)) / 2000

    assert contextvars.Context().run(answer) < 2e-6
