"""What is told of calls a moment after they ended."""

import threading

from skylike.service.monitoring.afterwards import Afterwards


def test_all_is_done_in_order_whatever_becomes_of_one() -> None:
    """By one thread, which is not that of the call."""
    afterwards = Afterwards()
    done: list[int] = []
    threads = set()
    last = threading.Event()

    def fail() -> None:
        raise OSError("nobody reads the log")

    def work(number: int) -> None:
        done.append(number)
        threads.add(threading.current_thread())
        if number == 99:
            last.set()

    for number in range(100):
        if number == 50:
            afterwards(fail)
        afterwards(lambda number=number: work(number))  # type: ignore[misc]
    assert last.wait(20)
    assert done == list(range(100))
    assert threading.current_thread() not in threads
    afterwards.close()


def test_what_is_left_is_done_at_the_end_and_what_comes_then_at_once() -> None:
    """Nothing is lost when a service stops."""
    afterwards = Afterwards()
    done: list[int] = []
    for number in range(10):
        afterwards(lambda number=number: done.append(number))  # type: ignore[misc]
    afterwards.close()
    assert done == list(range(10))
    afterwards(lambda: done.append(10))
    assert done == list(range(11))


def test_who_asks_for_what_was_counted_waits_for_nothing() -> None:
    """All that ended before is in it."""
    afterwards = Afterwards()
    done: list[int] = []
    for number in range(1000):
        afterwards(lambda number=number: done.append(number))  # type: ignore[misc]
        if number % 100 == 99:
            afterwards.now()
            assert len(done) == number + 1
    afterwards.close()
