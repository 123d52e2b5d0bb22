"""Calls for which there is no room are refused before they are read."""

from collections.abc import Callable
from typing import Any, TypeAlias

import grpc

from skylike.service.errors import Overloaded
from skylike.service.server.admission import Admission
from skylike.service.server.interceptors import request_id_of
from skylike.service.server.refusal import Refusals

_PROBES = "/grpc.health."  # have threads of their own, and are always answered

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Door(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in stubs only
    """Refuses calls for which there is no room before they are read."""

    def __init__(self, admission: Admission, refusals: Refusals) -> None:
        self._admission = admission
        self._refusals = refusals

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], _Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        """The handler of a call, or one that refuses it."""
        handler = continuation(handler_call_details)
        rpc = handler_call_details.method
        if handler is None or rpc.startswith(_PROBES):
            return handler
        is_stream = handler.request_streaming or handler.response_streaming
        try:
            self._admission.let_in(rpc, is_stream)
        except Overloaded as error:
            request_id = request_id_of(handler_call_details.invocation_metadata)
            return self._refusals.handler(rpc, request_id, error)
        return handler
