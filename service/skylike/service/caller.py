"""Who waits for an answer, so that no work is done for nobody.

Whoever answers a call says, for as long as it lasts, how to find out whether its caller
still waits; whoever works for it asks before every expensive stage. Each thread has a
caller of its own; work without one, such as a command's, goes on to its end.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_check: ContextVar[Callable[[], None] | None] = ContextVar("caller", default=None)


@contextmanager
def waits(still: Callable[[], None]) -> Iterator[None]:
    """Within it, `check` calls `still`, which raises once the caller has gone."""
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
        If it has gone.
    DeadlineExceeded
        If its deadline has passed.
    """
    still = _check.get()
    if still is not None:
        still()
