"""Bytes that are no message are a bad request, told like any other.

gRPC answers them with INTERNAL and no reason. In a stream whose answer is on its way at
that moment it also never gets rid of the call, for which a stopping server then waits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from skylike.service.errors import BadRequest
from skylike.service.server.interceptors import Layer


class Parsing(Layer):
    """Lets methods see messages only; the innermost layer, since it raises `BadRequest`."""

    def surrounded(self, rpc: str, handler: Any) -> Any:
        """Let what cannot be parsed come through to `around`."""
        made: Any = super().surrounded(rpc, handler)
        if made is handler:  # watching health has no layers: it stays gRPC's to parse
            return handler
        parse = _lenient(handler.request_deserializer)
        return made._replace(request_deserializer=parse)

    @contextmanager
    def around(
        self, rpc: str, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Give the message, or the stream of them; raise where another thing comes."""
        yield map(_sound, request) if isinstance(request, Iterator) else _sound(request)


class _Unparsed:
    """What came instead of a message."""

    def __init__(self, data: bytes) -> None:
        self._num_bytes = len(data)

    def ByteSize(self) -> int:  # noqa: N802  # as messages call it
        """How many bytes came."""
        return self._num_bytes


def _lenient(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def parsed(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return _Unparsed(data)

    return parsed


def _sound(request: Any) -> Any:
    if isinstance(request, _Unparsed):
        raise BadRequest(
            f"the {request.ByteSize()} bytes that came are no message of the kind that "
            "the method takes: make them by the contract's protos",
            reason="bad_message",
        )
    return request
