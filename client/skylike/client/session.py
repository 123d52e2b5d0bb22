"""What every question has in common: a deadline, a limit of size, another attempt."""

import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self, TypeVar

from google.protobuf.message import Message

from skylike.client import errors, inputs, queries
from skylike.client.connection import Target
from skylike.client.credentials import Tls
from skylike.client.retry import Patience
from skylike.client.transport import Asynchronous, Rpc, Transport
from skylike.v1 import types_pb2

DEFAULT_ADDRESS = "127.0.0.1:50051"
MAX_MESSAGE_BYTES = 64 * 2**20

# `HealthCheckRequest()` and `HealthCheckResponse(status=SERVING)` on the wire: the
# package that knows these messages would be a dependency for these three bytes.
_HEALTH = Rpc("/grpc.health.v1.Health/Check", bytes)
_WHOLE_SERVER, _SERVING = b"", b"\x08\x01"
_POLL_SECONDS = 0.05

_T = TypeVar("_T")
_Made = TypeVar("_Made")


class Session:
    """Makes calls to one service; its children know which there are."""

    _transport: type[Transport] = Asynchronous

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: float = 30.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        tls: Tls | None = None,
        api_key: str | None = None,
    ) -> None:
        self._target = Target(address, timeout, max_message_bytes, tls, api_key)
        self._way: Transport = self._transport(self._target)
        self._patience = Patience()

    def __reduce__(self) -> tuple[Any, ...]:
        return self._target.remake(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._target.told})"

    @property
    def address(self) -> str:
        """HOST:PORT of the service."""
        return self._target.address

    def within(self, seconds: float) -> Self:
        """The same client over the same connection, with another timeout in seconds."""
        other = object.__new__(type(self))
        other.__dict__ |= self.__dict__
        other._target = dataclasses.replace(self._target, timeout=seconds)
        return other

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; running calls are cancelled."""
        await self._way.close()

    async def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until the service answers queries.

        Parameters
        ----------
        timeout
            Seconds; the client's own by default.

        Raises
        ------
        errors.DeadlineExceeded
            If it does not within the time.
        """
        limit = self._target.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            try:
                status = await self._way.ask(_HEALTH, _WHOLE_SERVER, left, patient=True)
                if status == _SERVING:
                    self._patience.answered()
                    return
            except errors.SkylikeClientError as error:
                passes = (errors.Unavailable, errors.DeadlineExceeded)
                if not isinstance(error, passes) or error.reason == "closed":
                    raise
            await self._way.sleep(_POLL_SECONDS)
        raise errors.DeadlineExceeded(
            f"the service at {self.address} is not ready after {limit:g} s",
            reason="deadline_exceeded",
        )

    async def _call(
        self, rpc: Rpc[_T], request: Message, *, is_safe: bool = True
    ) -> _T:
        """The answer to a call; made again where that is safe and may help."""
        self._require_sendable(request)
        deadline = time.monotonic() + self._target.timeout
        failed = 0
        while True:
            left = deadline - time.monotonic()
            try:
                answer = await self._way.ask(rpc, request, left)
            except errors.SkylikeClientError as error:
                failed += 1
                seconds = self._patience.pause(error, failed, is_safe=is_safe)
                if seconds is None or time.monotonic() + seconds >= deadline:
                    raise
                await self._way.sleep(seconds)
            else:
                self._patience.answered()
                return answer

    async def _pages(self, rpc: Rpc[Any], request: Any) -> AsyncIterator[Any]:
        """The answers to a call page by page, as they are needed."""
        while True:
            page = await self._call(rpc, request)
            yield page
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def _listen(self, rpc: Rpc[_T], request: Message) -> AsyncIterator[_T]:
        """The answers of a call that goes on; it has no deadline."""
        async for answer in self._way.converse(rpc, request):
            yield answer

    async def _about(
        self,
        kind: Callable[..., _Made],
        query: queries.Source | None,
        object_id: str | None,
        collection: str | None,
        **rest: Any,
    ) -> _Made:
        """What every question begins with: about what, and to which collection."""
        name = inputs.sendable(collection or "")
        made = await self._query(query, object_id)
        return kind(collection=name, query=made, **rest)

    async def _query(
        self, query: queries.Source | None, object_id: str | None
    ) -> types_pb2.Query:
        if (query is None) == (object_id is None):
            raise TypeError("give either a query or an object_id")
        asked = queries.ObjectId(object_id) if query is None else query  # type: ignore[arg-type]
        largest = self._target.max_message_bytes
        return await self._way.apart(lambda: inputs.to_query(asked, largest))

    def _require_sendable(self, request: Message) -> None:
        size, largest = request.ByteSize(), self._target.max_message_bytes
        if size > largest:
            raise errors.BadInput(
                f"the request has {size} bytes; the service takes at most {largest}: "
                "send less at a time",
                reason="upload_limit",
            )
