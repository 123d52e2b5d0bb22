"""What surrounds every call, outermost first: identity, log and metrics, then errors.

Only calls that are answered by callbacks instead of a thread (watching health) pass
untouched.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import grpc
import structlog

from skylike.service.calls import Call
from skylike.service.monitoring import Monitor
from skylike.service.server.status import is_ours, rpc_status

REQUEST_ID_KEY = "x-request-id"

_log = structlog.get_logger()
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Asked every few seconds by those who watch over a server.
_PROBES = "/grpc.health."
_WELL = grpc.StatusCode.OK.name
_GONE, _LATE = grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED
# Of a caller who has gone, gRPC tells first that no more is asked, then that it has gone.
_MOMENT_SECONDS = 0.01

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_OF_STREAMS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class Layer(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in stubs only
    """An interceptor that surrounds a call, of one message or of many, by `around`."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[_Handler, _Handler]] = {}

    def around(
        self, rpc: str, request: Any, context: grpc.ServicerContext
    ) -> AbstractContextManager[Any]:
        """While a call is answered; gives the request, or the stream of them, to answer."""
        raise NotImplementedError

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], _Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        """The method with `around` around it."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        # Methods have the same handler at every call, which is put around it once.
        rpc = handler_call_details.method
        known = self._made.get(rpc)
        if known is None or known[0] is not handler:
            known = self._made[rpc] = handler, self.surrounded(rpc, handler)
        return known[1]

    def surrounded(self, rpc: str, handler: "_Handler") -> "_Handler":
        """Put `around` around a method, whatever kind it is of."""
        inner: Any = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        if hasattr(inner, "experimental_non_blocking"):
            return handler

        def method(request: Any, context: grpc.ServicerContext) -> Any:
            with self.around(rpc, request, context) as inside:
                return inner(inside, context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with self.around(rpc, request, context) as inside:
                yield from inner(inside, context)

        if pool := getattr(inner, "experimental_thread_pool", None):
            method.experimental_thread_pool = pool  # type: ignore[attr-defined]
        make = _OF_STREAMS[handler.request_streaming, handler.response_streaming]
        return make(
            stream if handler.response_streaming else method,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


class RequestLog(Layer):
    """Names every call, measures it, and logs how it ended.

    The caller's ``x-request-id`` is kept if it is one plain word, else a new one is
    made. It comes back as metadata: of a stream of questions ahead of the answers, else
    behind the answer, since to send it ahead costs as much as to refuse the call.
    """

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self._monitor = monitor

    @contextmanager
    def around(
        self, rpc: str, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Answer within the request's own log context."""
        request_id = request_id_of(context.invocation_metadata())
        metadata = ((REQUEST_ID_KEY, request_id),)
        is_stream = isinstance(request, Iterator)
        if is_stream:
            context.send_initial_metadata(metadata)
        else:
            context.set_trailing_metadata(metadata)
        is_logged = not rpc.startswith(_PROBES)
        with self._monitor.call(
            rpc.removeprefix("/"),
            request_id,
            well=_WELL,
            is_logged=is_logged,
        ) as call:
            try:
                yield _measured(request, call)
                if is_stream:
                    time.sleep(_MOMENT_SECONDS)
            except GeneratorExit:  # nobody takes what a stream answers any more
                call.code = _GONE.name
                raise
            finally:
                if call.code == _WELL and not context.is_active():
                    is_late = context.time_remaining() <= 0
                    call.code = (_LATE if is_late else _GONE).name


class ErrorMapping(Layer):
    """Turns exceptions into statuses."""

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self._monitor = monitor

    @contextmanager
    def around(
        self, rpc: str, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Answer, or abort with the status of what went wrong."""
        try:
            yield request
        except grpc.RpcError:  # who sends the stream has gone: there is none to tell
            raise
        except Exception as error:
            request_id = structlog.contextvars.get_contextvars()["request_id"]
            status = rpc_status(error, request_id)
            self._monitor.failed(error, status.code.name)
            if is_ours(status.code):
                _log.exception("failed")
            context.abort_with_status(status)


def _measured(request: Any, call: Call) -> Any:
    """A message, or the stream of them, whose bytes the call counts."""
    if isinstance(request, Iterator):
        return _counted(request, call)
    call.request_bytes = request.ByteSize()
    return request


def _counted(requests: Iterator[Any], call: Call) -> Iterator[Any]:
    for request in requests:
        call.request_bytes += request.ByteSize()
        yield request


def request_id_of(metadata: "Sequence[tuple[str, str | bytes]]") -> str:
    """The request id that a caller sent if it is one plain word, else a new one."""
    for key, value in metadata:
        if key == REQUEST_ID_KEY and _REQUEST_ID.fullmatch(str(value)):
            return str(value)
    return secrets.token_hex(16)
