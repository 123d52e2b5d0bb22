"""What those that go on at the same time tell each other, threads or tasks."""

import asyncio
import math
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")
_FOREVER_SECONDS = 1e9


class Mailbox(Protocol[_T]):
    """What one puts in and another takes out, both of the same transport."""

    def put(self, item: _T) -> None:
        """Put one in; never waits. May be called by any thread."""

    async def get(self, seconds: float = math.inf) -> _T:
        """Wait for the next one; `TimeoutError` if none comes."""


class ThreadsMailbox:
    """For threads, one of which waits."""

    def __init__(self) -> None:
        self._items: SimpleQueue[Any] = SimpleQueue()

    def put(self, item: Any) -> None:
        """Put one in."""
        self._items.put(item)

    async def get(self, seconds: float = math.inf) -> Any:
        """Wait for the next one."""
        try:
            return self._items.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        except Empty:
            raise TimeoutError from None


class TasksMailbox:
    """For tasks of the event loop that runs, one of which waits."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def put(self, item: Any) -> None:
        """Put one in."""
        with suppress(RuntimeError):  # nobody is there any more: the loop is closed
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)

    async def get(self, seconds: float = math.inf) -> Any:
        """Wait for the next one."""
        async with asyncio.timeout(seconds if seconds < _FOREVER_SECONDS else None):
            return await self._items.get()
