"""Messages that cannot be read or sent are errors with a reason, like any other.

gRPC answers bytes that are no message with INTERNAL and no reason. In a stream whose
answer is on its way at that moment it also never gets rid of the call, for which a
stopping server then waits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from skylike.service.errors import BadRequest, TooLarge
from skylike.service.server.interceptors import Layer

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Parsing(Layer):
    """Lets methods see messages only, and answer only by what may be sent.

    The innermost layer, since it raises what others tell.

    Parameters
    ----------
    max_bytes
        Of an answer.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes

    def surrounded(self, rpc: str, handler: Any) -> Any:
        """Let what cannot be parsed come through to `around`, and look at answers."""
        made: Any = super().surrounded(rpc, handler)
        if made is handler:  # watching health has no layers: it stays gRPC's to parse
            return handler
        parse = _lenient(handler.request_deserializer)
        (kind,) = (kind for kind in _KINDS if getattr(made, kind))
        inner = getattr(made, kind)

        def method(request: Any, context: grpc.ServicerContext) -> bytes:
            return self._sent(inner(request, context))

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            yield from map(self._sent, inner(request, context))

        bounded: Any = stream if made.response_streaming else method
        if pool := getattr(inner, "experimental_thread_pool", None):
            bounded.experimental_thread_pool = pool
        return made._replace(
            request_deserializer=parse,
            response_serializer=bytes,  # what they are already: it copies nothing
            **{kind: bounded},
        )

    def _sent(self, answer: Any) -> bytes:
        """An answer as it is sent: to learn its size it is written, and that once."""
        written: bytes = answer.SerializeToString()
        _require_few(len(written), self._max_bytes)
        return written

    @contextmanager
    def around(
        self, rpc: str, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Give the message, or the stream of them; raise where another thing comes."""
        yield map(_sound, request) if isinstance(request, Iterator) else _sound(request)


def require_sendable(answer: Any, max_bytes: int) -> None:
    """Raise `TooLarge` for an answer that gRPC would refuse to send, without a reason."""
    _require_few(answer.ByteSize(), max_bytes)


def _require_few(num_bytes: int, max_bytes: int) -> None:
    if num_bytes > max_bytes:
        raise TooLarge(
            f"the answer has {num_bytes} bytes; at most {max_bytes} may be sent: ask for "
            "fewer at a time",
            reason="answer_too_large",
        )


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
