"""Calls of the gRPC server, by name, with the messages of the contract."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from skylike.service.errors import Cancelled
from skylike.service.gateway.lanes import Lanes
from skylike.v1 import catalog_pb2, job_pb2, search_pb2, teaching_pb2

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
HasGone: TypeAlias = Callable[[], Awaitable[bool]]

# Whoever asks over HTTP cannot say how long it will wait.
_SECONDS = 120.0
LOOK_SECONDS = 0.5
"""After which it is looked whether somebody still waits."""

_MOST_WAITING = 16  # answers that nobody has taken yet

_METHODS: dict[str, MethodDescriptor] = {
    f"{service.name}/{method.name}": method
    for file in (search_pb2, catalog_pb2, teaching_pb2, job_pb2, health_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@dataclass(frozen=True)
class Rpc:
    """One method that takes a message, and gives one or many.

    Attributes
    ----------
    name
        Such as ``SearchService/Analyze``.
    """

    name: str

    @property
    def descriptor(self) -> MethodDescriptor:
        """What the contract says of it."""
        return _METHODS[self.name]

    @property
    def path(self) -> str:
        """As gRPC has it on the wire: ``/package.Service/Method``."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    def new_request(self) -> Any:
        """A request, empty."""
        return message_factory.GetMessageClass(self.descriptor.input_type)()

    async def __call__(
        self,
        lanes: Lanes,
        request: Message,
        metadata: Metadata,
        has_gone: HasGone,
    ) -> Any:
        """Ask, and give up when who waits for the answer has gone.

        Raises
        ------
        grpc.RpcError
            As the server says.
        Cancelled
            If who waits has gone.
        Overloaded
            If too many such calls go on.
        """
        with lanes.of(self.name).place() as channel:
            method = self._on(channel.unary_unary)
            call: Any = method.future(request, timeout=_SECONDS, metadata=metadata)
            await _ended(call, has_gone)
        if call.cancelled():
            raise Cancelled("the caller has gone")
        return call.result()

    async def stream(
        self, lanes: Lanes, request: Message, metadata: Metadata
    ) -> AsyncGenerator[Any, None]:
        """Ask, and give each answer; None whenever there was none for a while.

        Raises
        ------
        grpc.RpcError
            As the server says.
        Overloaded
            If too many such calls go on.
        """
        with lanes.of(self.name).place() as channel:
            call = self._on(channel.unary_stream)(request, metadata=metadata)
            async with aclosing(_taken(call, self.name)) as replies:
                async for reply in replies:
                    yield reply

    def _on(self, kind: Any) -> Any:
        return kind(
            self.path,
            message_factory.GetMessageClass(
                self.descriptor.input_type
            ).SerializeToString,
            message_factory.GetMessageClass(self.descriptor.output_type).FromString,
        )


async def _ended(call: Any, has_gone: HasGone) -> None:
    """Wait for the end of a call, or cancel it when nobody else does."""
    loop = asyncio.get_running_loop()
    is_done = asyncio.Event()
    call.add_done_callback(lambda _: loop.call_soon_threadsafe(is_done.set))
    try:
        while not is_done.is_set():
            try:
                await asyncio.wait_for(is_done.wait(), LOOK_SECONDS)
            except TimeoutError:
                if await has_gone():
                    call.cancel()
    finally:
        call.cancel()  # does nothing to one that is done


async def _taken(call: Any, name: str) -> AsyncGenerator[Any, None]:
    """Each answer of a call; None whenever there was none for a while."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    room = threading.Semaphore(_MOST_WAITING)

    def give(one: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the gateway has ended
            loop.call_soon_threadsafe(arrived.put_nowait, one)

    def take() -> None:
        try:
            for reply in call:
                give(reply)
                room.acquire()
            give(None)
        except grpc.RpcError as error:
            give(error)

    threading.Thread(target=take, name=name, daemon=True).start()
    try:
        while True:
            try:
                one = await asyncio.wait_for(arrived.get(), LOOK_SECONDS)
            except TimeoutError:
                yield None
                continue
            if one is None:
                return
            if isinstance(one, grpc.RpcError):
                raise one
            yield one
            room.release()
    finally:
        call.cancel()
        room.release()
