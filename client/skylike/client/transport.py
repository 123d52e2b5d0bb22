"""How a call travels: of threads that wait, or on an event loop.

The two do the same under the same names, so that what is built on them is written once,
as coroutines. Those of `Blocking` never wait for a loop: they block, and `drive` runs
such a coroutine where it stands. Both use the channels of gRPC that threads use: those
of `grpc.aio` do not survive a fork, and belong to one event loop.
"""

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from skylike.client import errors
from skylike.client.connection import Connection, Target, closed
from skylike.client.mailbox import Mailbox, TasksMailbox, ThreadsMailbox

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


@dataclass(frozen=True, slots=True)
class Conversation(Generic[_T]):
    """A call that goes on: an asynchronous iterable of its answers.

    Attributes
    ----------
    cancel
        Ends it at once. May be called by any thread.
    """

    _connection: Connection
    _received: AsyncIterator[_T]
    cancel: Callable[[], Any]

    async def __aiter__(self) -> AsyncIterator[_T]:
        try:
            with _told(self._connection):
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
        with _told(self._connection):
            method = self._connection.channel().unary_unary(
                rpc.path, request_serializer=_to_bytes, response_deserializer=rpc.parse
            )
            answer: _T = await self._answer(
                method,
                request,
                # None for ever: very large numbers overflow in gRPC.
                timeout=seconds if seconds < _FOREVER_SECONDS else None,
                metadata=self._connection.metadata,
                wait_for_ready=patient or None,
            )
            return answer

    def converse(
        self, rpc: Rpc[_T], requests: Message | Iterator[Message]
    ) -> "Conversation[_T]":
        """Begin a call that goes on and has many answers; it has no deadline.

        Parameters
        ----------
        rpc
            The call.
        requests
            The only one, or as many as come; another thread waits for them.
        """
        with _told(self._connection):
            channel = self._connection.channel()
            is_one = isinstance(requests, Message)
            method: Any = (channel.unary_stream if is_one else channel.stream_stream)(
                rpc.path, request_serializer=_to_bytes, response_deserializer=rpc.parse
            )
            call = method(requests, metadata=self._connection.metadata)
        return Conversation(self._connection, self._answers(call), call.cancel)

    async def close(self) -> None:
        """End all calls."""
        self._connection.close()

    @abstractmethod
    async def _answer(self, method: Any, request: Any, **how: Any) -> Any: ...

    @abstractmethod
    def _answers(self, call: Any) -> AsyncIterator[Any]: ...

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


class Blocking(Transport):
    """Of threads that wait."""

    async def _answer(self, method: Any, request: Any, **how: Any) -> Any:
        return method(request, **how)

    async def _answers(self, call: Any) -> AsyncIterator[Any]:
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
        return ThreadsMailbox()


class Asynchronous(Transport):
    """On an event loop."""

    async def _answer(self, method: Any, request: Any, **how: Any) -> Any:
        call = method.future(request, **how)
        settled = self.mailbox()
        call.add_done_callback(settled.put)
        try:
            await settled.get()
        except asyncio.CancelledError:
            call.cancel()
            raise
        return call.result()

    async def _answers(self, call: Any) -> AsyncIterator[Any]:
        heard = self.mailbox()

        def hear() -> None:
            try:
                for answer in call:
                    heard.put((answer, None))
                heard.put((None, StopAsyncIteration))
            except Exception as error:  # else nobody would know that it has ended
                heard.put((None, error))

        threading.Thread(target=hear, daemon=True).start()
        while True:
            answer, end = await heard.get()
            if end is StopAsyncIteration:
                return
            if end is not None:
                raise end
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
        return TasksMailbox()


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
def _told(connection: Connection) -> Iterator[None]:
    """Turn gRPC's errors into ours."""
    try:
        yield
    except grpc.RpcError as error:
        raise errors.from_rpc_error(
            error, connection.address, is_tls=connection.is_tls
        ) from error
    except ValueError as error:  # so gRPC tells of a channel that is closed
        if connection.is_closed:
            raise closed() from error
        raise


def _to_bytes(request: Message | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()
