"""Items that are computed together, as they come."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from skylike.service.batching import Batching


class Squares:
    """Squares numbers, when it is let; a negative one is an error."""

    def __init__(self) -> None:
        self.begun: list[list[int]] = []
        self.may_end = threading.Semaphore(0)

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.begun.append(list(items))
        assert self.may_end.acquire(timeout=20)
        if min(items) < 0:
            raise ValueError(f"{min(items)} is negative")
        return [item * item for item in items]


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)


def test_a_lone_item_is_computed_at_once_and_alone() -> None:
    squares = Squares()
    square = Batching(squares, 1, 8)
    squares.may_end.release(2)
    assert square(3) == 9
    assert square(4) == 16
    assert squares.begun == [[3], [4]]


def test_who_comes_meanwhile_is_in_the_next_batch() -> None:
    """Up to its size; each gets its own result."""
    squares = Squares()
    square = Batching(squares, 1, 4)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(square, 0)]
        _until(lambda: squares.begun == [[0]])
        for number in range(1, 7):
            calls.append(pool.submit(square, number))
            _until(lambda: len(square) == len(calls) - 1)
        squares.may_end.release(3)
        assert [call.result(20) for call in calls] == [n * n for n in range(7)]
    assert squares.begun == [[0], [1, 2, 3, 4], [5, 6]]
    squares.may_end.release()
    assert square(9) == 81


def test_several_may_be_under_way() -> None:
    squares = Squares()
    square = Batching(squares, 2, 4)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(square, 1), pool.submit(square, 2)]
        _until(lambda: len(squares.begun) == 2)
        calls.append(pool.submit(square, 3))
        _until(lambda: len(square) == 1)
        squares.may_end.release(3)
        assert [call.result(20) for call in calls] == [1, 4, 9]


def test_a_bad_item_fails_alone() -> None:
    squares = Squares()
    square = Batching(squares, 1, 4)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(square, 0)]
        _until(lambda: squares.begun == [[0]])
        for number in (1, -2, 3):
            calls.append(pool.submit(square, number))
            _until(lambda: len(square) == len(calls) - 1)
        squares.may_end.release(9)
        assert calls[1].result(20) == 1
        assert calls[3].result(20) == 9
        with pytest.raises(ValueError, match="-2 is negative"):
            calls[2].result(20)
        assert square(5) == 25
