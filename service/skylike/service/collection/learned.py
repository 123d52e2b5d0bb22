"""`Learned`: what takes long to learn is learned once, whoever asks for it at once."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from skylike.service import caller

_LOOK_SECONDS = 0.1  # for whether who waits for another still wants it

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Learned(Generic[_Key, _Value]):
    """What was learned and asked for last, by its key. Safe from any thread.

    Parameters
    ----------
    num
        How much is kept.
    """

    def __init__(self, num: int) -> None:
        self._num = num
        self._lock = threading.Lock()  # held for moments; never while one learns
        self._known: dict[_Key, _Value] = {}
        self._learning: dict[_Key, threading.Event] = {}

    def known(self, key: _Key) -> _Value | None:
        """What is kept of a key."""
        with self._lock:
            return self._known.get(key)

    def of(
        self,
        key: _Key,
        learn: Callable[[_Value | None], _Value],
        is_current: Callable[[_Value], bool] = lambda _: True,
    ) -> _Value:
        """What is known of a key, learned anew where that is not current any more.

        Parameters
        ----------
        key
            Of what.
        learn
            Called with what was known, if anything was, by one thread at a time; others
            who ask for the same wait for it, as long as their callers do. If it fails,
            each of them tries by itself.
        is_current
            Whether what is known will do.

        Raises
        ------
        Cancelled, DeadlineExceeded
            If the caller did not wait that long; and what `learn` raises.
        """
        while True:
            with self._lock:
                known = self._known.get(key)
                if known is not None and is_current(known):
                    self._keep(key, known)
                    return known
                other = self._learning.get(key)
                if other is None:
                    mine = self._learning[key] = threading.Event()
                    break
            while not other.wait(_LOOK_SECONDS):
                caller.check()
            caller.check()
        try:
            found = learn(known)
            with self._lock:
                self._keep(key, found)
            return found
        finally:
            with self._lock:
                del self._learning[key]
            mine.set()

    def _keep(self, key: _Key, value: _Value) -> None:
        self._known.pop(key, None)
        self._known[key] = value  # the last that was asked for
        while len(self._known) > self._num:
            del self._known[next(iter(self._known))]
