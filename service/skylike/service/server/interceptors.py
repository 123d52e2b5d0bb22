"""What surrounds every unary call, outermost first: identity and log, then errors.

Streaming calls (health watch, reflection) pass untouched.
"""

import re
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import grpc
import structlog

from skylike.service.server.status import rpc_status

REQUEST_ID_KEY = "x-request-id"

_log = structlog.get_logger()
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Method = Callable[[Any, grpc.ServicerContext], Any]


class _Layer(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in stubs only
    """An interceptor that wraps unary methods by `call`."""

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], _Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        inner: _Method = handler.unary_unary
        rpc = handler_call_details.method

        def method(request: Any, context: grpc.ServicerContext) -> Any:
            return self.call(rpc, inner, request, context)

        return grpc.unary_unary_rpc_method_handler(
            method,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def call(
        self, rpc: str, inner: _Method, request: Any, context: grpc.ServicerContext
    ) -> Any:
        raise NotImplementedError


class RequestLog(_Layer):
    """Names every call and logs how it ended.

    The caller's ``x-request-id`` is kept if it is one plain word, else a new one is
    made; the answer carries it in its initial metadata.
    """

    def call(
        self, rpc: str, inner: _Method, request: Any, context: grpc.ServicerContext
    ) -> Any:
        """Answer within the request's own log context."""
        start = time.monotonic()
        request_id = request_id_of(context.invocation_metadata())
        context.send_initial_metadata(((REQUEST_ID_KEY, request_id),))
        structlog.contextvars.bind_contextvars(
            request_id=request_id, rpc=rpc, code="OK"
        )
        try:
            return inner(request, context)
        finally:
            # "code" and "reason" of a failure were bound on the way out.
            _log.info(
                "answered",
                request_bytes=request.ByteSize(),
                milliseconds=round(1000 * (time.monotonic() - start), 1),
            )


class ErrorMapping(_Layer):
    """Turns exceptions into statuses; drops calls whose caller is gone."""

    def call(
        self, rpc: str, inner: _Method, request: Any, context: grpc.ServicerContext
    ) -> Any:
        """Answer, or abort with the status of what went wrong."""
        if not context.is_active():  # it waited in the queue past its deadline
            structlog.contextvars.bind_contextvars(code="CANCELLED")
            context.abort(grpc.StatusCode.CANCELLED, "the caller has gone")
        try:
            return inner(request, context)
        except Exception as error:
            request_id = structlog.contextvars.get_contextvars()["request_id"]
            status = rpc_status(error, request_id)
            structlog.contextvars.bind_contextvars(
                code=status.code.name, reason=getattr(error, "reason", "internal")
            )
            if status.code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS):
                _log.exception("failed")
            context.abort_with_status(status)


def request_id_of(metadata: "Sequence[tuple[str, str | bytes]]") -> str:
    """The request id that a caller sent if it is one plain word, else a new one."""
    for key, value in metadata:
        if key == REQUEST_ID_KEY and _REQUEST_ID.fullmatch(str(value)):
            return str(value)
    return uuid.uuid4().hex
