"""Who waits for an answer, so that no work is done for nobody.

Whoever answers a call, or does a job, says for as long as it lasts how to find out
whether that is still wanted; whoever works for it asks before every expensive stage, and
now and then in long ones. Each thread has a caller of its own; work without one, such as
a command's, goes on to its end.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

_PAUSE = 256  # items; what is done with each takes microseconds

_Item = TypeVar("_Item")

_check: ContextVar[Callable[[], None] | None] = ContextVar("caller", default=None)


@contextmanager
def waits(still: Callable[[], None]) -> Iterator[None]:
    """Within it, `check` calls `still`, which raises once nobody waits any more."""
    token = _check.set(still)
    try:
        yield
    finally:
        _check.reset(token)


def check() -> None:
    """Go on only for a caller that still waits.

    Raises
    ------
    Cancelled
        If it has gone, or has asked to stop.
    DeadlineExceeded
        If its deadline has passed.
    """
    still = _check.get()
    if still is not None:
        still()


def each(items: Iterable[_Item]) -> Iterator[_Item]:
    """Items of something long, with a `check` now and then."""
    for number, item in enumerate(items):
        if number % _PAUSE == 0:
            check()
        yield item
