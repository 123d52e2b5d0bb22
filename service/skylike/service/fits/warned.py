"""What libraries warn of, caught and counted instead of printed."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from skylike.service.fits.header import printable

_here = threading.local()
_changing = threading.Lock()
_blocks = 0
_caught: Any = None
_show: Any = warnings.showwarning


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """Collect the warnings of a block: after it the list holds each text once.

    Blocks may run in many threads at once, and each gets its own. How warnings are
    shown is the whole process's, so what other threads warn of meanwhile is lost.
    """
    texts: list[str] = []
    outer = getattr(_here, "caught", None)
    caught = _here.caught = []
    _enter()
    try:
        yield texts
    finally:
        _leave()
        _here.caught = outer
    texts += dict.fromkeys(map(printable, caught))


def _enter() -> None:
    global _blocks, _caught, _show
    with _changing:
        if _blocks == 0:
            _caught, _show = warnings.catch_warnings(), warnings.showwarning
            _caught.__enter__()
            warnings.simplefilter("always")
            warnings.showwarning = _keep
        _blocks += 1


def _leave() -> None:
    global _blocks, _caught
    with _changing:
        _blocks -= 1
        if _blocks == 0 and _caught is not None:
            _caught.__exit__(None, None, None)
            _caught = None


def _keep(message: Warning | str, *where: Any, **others: Any) -> None:
    caught = getattr(_here, "caught", None)
    if caught is not None:
        caught.append(str(message))
    elif _blocks == 0:  # put back by somebody who began to catch within a block
        _show(message, *where, **others)
