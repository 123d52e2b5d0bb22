"""How a call travels: of threads that wait, or on an event loop.

The two do the same under the same names, so that what is built on them is written once,
as coroutines. Those of `Blocking` never wait for a loop: they block, and `drive` runs
such a coroutine where it stands.
"""

import asyncio
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from skylike.client import errors
from skylike.client.connection import Connection, Target, closed

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_FOREVER_SECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Rpc(Generic[_T_co]):
    """A method of the service.

    Attributes
    ----------
    path
        Such as ``/skylike.v1.SearchService/Embed``.
    parse
        Makes the answer of its bytes.
    """

    path: str
    parse: Callable[[bytes], _T_co]


class Mailbox(Protocol[_T]):
    """What one puts in and another takes out, both of the same transport."""

    @property
    def put(self) -> Callable[[_T], None]:
        """Put one in; never waits."""

    async def get(self, seconds: float = math.inf) -> _T:
        """Wait for the next one; `TimeoutError` if none comes."""


@dataclass(frozen=True, slots=True)
class Conversation(Generic[_T]):
    """A call that goes on: an asynchronous iterable of its answers.

    Attributes
    ----------
    cancel
        Ends it at once. May be called by any thread.
    """

    _address: str
    _received: AsyncIterator[_T]
    cancel: Callable[[], Any]

    async def __aiter__(self) -> AsyncIterator[_T]:
        try:
            with _told(self._address):
                async for answer in self._received:
                    yield answer
        finally:
            self.cancel()


class Transport(ABC):
    """Asks, waits, and does things at the same time.

    Parameters
    ----------
    target
        The service.
    """

    def __init__(self, target: Target) -> None:
        self._connection = Connection(target)
        self._address = target.address

    async def ask(
        self,
        rpc: Rpc[_T],
        request: Message | bytes,
        seconds: float,
        *,
        patient: bool = False,
    ) -> _T:
        """The answer to a call, or a `SkylikeClientError`.

        Parameters
        ----------
        rpc, request
            The call.
        seconds
            After which it fails.
        patient
            Whether to wait for a connection where there is none.
        """
        with _told(self._address):
            method = self._channel().unary_unary(
                rpc.path, request_serializer=_to_bytes, response_deserializer=rpc.parse
            )
            answer: _T = await self._settled(
                method(
                    request,
                    # None for ever: very large numbers overflow in gRPC.
                    timeout=seconds if seconds < _FOREVER_SECONDS else None,
                    metadata=self._connection.metadata,
                    wait_for_ready=patient or None,
                )
            )
            return answer

    def converse(
        self, rpc: Rpc[_T], requests: Message | AsyncIterator[Message]
    ) -> "Conversation[_T]":
        """Begin a call that goes on: one request or many, many answers, no deadline."""
        with _told(self._address):
            channel = self._channel()
            is_one = isinstance(requests, Message)
            method = (channel.unary_stream if is_one else channel.stream_stream)(
                rpc.path, request_serializer=_to_bytes, response_deserializer=rpc.parse
            )
            call = method(
                requests if is_one else self._sent(requests),
                metadata=self._connection.metadata,
            )
        return Conversation(self._address, self._received(call), call.cancel)

    @abstractmethod
    def _channel(self) -> Any: ...

    @abstractmethod
    async def _settled(self, call: Any) -> Any: ...

    @abstractmethod
    def _sent(self, requests: Any) -> Any: ...

    @abstractmethod
    def _received(self, call: Any) -> AsyncIterator[Any]: ...

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait."""

    @abstractmethod
    async def apart(self, work: Callable[[], _T]) -> _T:
        """Do what takes its time, such as reading a file."""

    @abstractmethod
    def start(self, work: Coroutine[Any, Any, None]) -> Callable[[], Any]:
        """Do something meanwhile; gives what ends it early, where that is possible."""

    @abstractmethod
    def mailbox(self) -> Mailbox[Any]:
        """For those that go on at the same time."""

    @abstractmethod
    async def close(self) -> None:
        """End all calls."""


class Blocking(Transport):
    """Of threads that wait."""

    def _channel(self) -> Any:
        return self._connection.blocking()

    async def _settled(self, call: Any) -> Any:
        return call

    def _sent(self, requests: Any) -> Any:
        return iterate(requests)

    async def _received(self, call: Any) -> AsyncIterator[Any]:
        for answer in call:
            yield answer

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    async def apart(self, work: Callable[[], _T]) -> _T:
        """Do it here."""
        return work()

    def start(self, work: Coroutine[Any, Any, None]) -> Callable[[], Any]:
        """Do it in a thread, which nothing ends early."""
        threading.Thread(target=drive, args=(work,), daemon=True).start()
        return lambda: None

    def mailbox(self) -> Mailbox[Any]:
        """For threads."""
        return _ThreadsMailbox()

    async def close(self) -> None:
        """Close this process's channel."""
        for channel in self._connection.close():
            channel.close()


class Asynchronous(Transport):
    """On an event loop."""

    def _channel(self) -> Any:
        return self._connection.asynchronous()

    async def _settled(self, call: Any) -> Any:
        return await call

    def _sent(self, requests: Any) -> Any:
        return requests

    async def _received(self, call: Any) -> AsyncIterator[Any]:
        async for answer in call:
            yield answer

    async def sleep(self, seconds: float) -> None:
        """Let others work."""
        await asyncio.sleep(seconds)

    async def apart(self, work: Callable[[], _T]) -> _T:
        """Do it in a thread."""
        return await asyncio.to_thread(work)

    def start(self, work: Coroutine[Any, Any, None]) -> Callable[[], Any]:
        """Do it in a task."""
        return asyncio.get_running_loop().create_task(work).cancel

    def mailbox(self) -> Mailbox[Any]:
        """For tasks."""
        return _TasksMailbox()

    async def close(self) -> None:
        """Close this process's channels."""
        for channel in self._connection.close():
            await channel.close()


class _ThreadsMailbox:
    def __init__(self) -> None:
        self._items: SimpleQueue[Any] = SimpleQueue()
        self.put = self._items.put

    async def get(self, seconds: float = math.inf) -> Any:
        try:
            return self._items.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        except Empty:
            raise TimeoutError from None


class _TasksMailbox:
    def __init__(self) -> None:
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self.put = self._items.put_nowait

    async def get(self, seconds: float = math.inf) -> Any:
        async with asyncio.timeout(seconds if seconds < _FOREVER_SECONDS else None):
            return await self._items.get()


def drive(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine that stands on `Blocking` to its end."""
    try:
        work.send(None)
    except StopIteration as done:
        result: _T = done.value
        return result
    work.close()
    raise AssertionError("something waits for an event loop where there is none")


def iterate(items: AsyncIterator[_T]) -> Iterator[_T]:
    """The items of an asynchronous generator that stands on `Blocking`."""
    try:
        while True:
            try:
                item = drive(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        drive(items.aclose())  # type: ignore[attr-defined]


async def _next(items: AsyncIterator[_T]) -> _T:
    return await anext(items)


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn gRPC's errors into ours."""
    try:
        yield
    except grpc.RpcError as error:
        raise errors.from_rpc_error(error, address) from error
    except (ValueError, grpc.aio.UsageError) as error:  # of a closed channel
        raise closed() from error


def _to_bytes(request: Message | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()
