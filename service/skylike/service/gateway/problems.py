"""The one table that turns an error into an HTTP status, and its body.

Errors are ``application/problem+json`` (RFC 9457), with the reason and kind that they
have over gRPC, and the request id.
"""

import http
import json
import math
from dataclasses import dataclass
from typing import Any, Final

import grpc
from fastapi import Response
from google.rpc import error_details_pb2, status_pb2
from starlette.exceptions import HTTPException

from skylike.service import errors
from skylike.service.logs import printable

MEDIA_TYPE = "application/problem+json"
DESCRIBED: Final[dict[str, Any]] = {
    "description": "A problem",
    "content": {MEDIA_TYPE: {"schema": {}}},
}
"""For the OpenAPI page."""

_DETAILS_KEY = "grpc-status-details-bin"

# The classes of the table of gRPC statuses. Where one is missing, its nearest base counts.
STATUS_OF: dict[type[errors.SkylikeError], int] = {
    errors.BadInput: 400,
    errors.TooLarge: 413,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.ModelMismatch: 409,
    errors.NotReady: 409,
    errors.Closed: 503,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.Overloaded: 503,
    errors.TooManyRequests: 429,
    errors.Unreachable: 502,
    errors.InUse: 409,
    errors.BadModel: 500,
    errors.BadSettings: 500,
    errors.StorageFailed: 500,
    errors.NoSpace: 507,
    errors.DamagedData: 500,
    errors.DeadlineExceeded: 504,
    errors.Cancelled: 499,  # nobody is there to read it; logs and metrics tell it
}
_BY_KIND = {kind.reason.upper(): status for kind, status in STATUS_OF.items()}
# Of the connection, before any of our own code has seen the call.
_BY_CODE: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: 413,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.CANCELLED: 499,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What a caller is told of an error."""

    status: int
    reason: str
    kind: str
    detail: str
    retry_seconds: float | None = None

    def body(self, request_id: str) -> dict[str, str | int]:
        """The fields of RFC 9457, and ours."""
        return {
            "type": "about:blank",
            "title": _title(self.status),
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
            "kind": self.kind,
            "request_id": request_id,
        }

    def response(self, request_id: str) -> Response:
        """The whole answer."""
        headers = {}
        if self.retry_seconds is not None:
            headers["Retry-After"] = str(math.ceil(self.retry_seconds))
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(
            json.dumps(self.body(request_id)), self.status, headers, MEDIA_TYPE
        )


def problem_of(error: Exception) -> Problem:
    """What to tell of an error; what is none of ours keeps its text inside."""
    if isinstance(error, grpc.RpcError):
        return _of_rpc(error)
    if isinstance(error, HTTPException):  # no such path, or not by this verb
        reason = f"HTTP_{error.status_code}"
        return Problem(error.status_code, reason, reason, str(error.detail)[:1000])
    kind = next((base for base in type(error).__mro__ if base in STATUS_OF), None)
    if kind is None or not isinstance(error, errors.SkylikeError):
        return Problem(500, "INTERNAL", "INTERNAL", "something went wrong inside")
    reason, kind_name = error.reason.upper(), kind.reason.upper()
    seconds = error.retry_seconds if isinstance(error, errors.Overloaded) else None
    text = printable(str(error))[:1000]
    return Problem(STATUS_OF[kind], reason, kind_name, text, seconds)


def _of_rpc(error: grpc.RpcError) -> Problem:
    call: grpc.Call = error  # type: ignore[assignment]  # every one of a call is both
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for key, value in call.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            for detail in status_pb2.Status.FromString(value).details:
                for wanted in (info, retry):
                    detail.Unpack(wanted)
    code, text = call.code(), call.details() or ""
    if not info.reason:
        return Problem(_BY_CODE.get(code, 500), code.name, code.name, text)
    seconds = None
    if retry.HasField("retry_delay"):
        seconds = retry.retry_delay.ToNanoseconds() / 1e9
    kind = info.metadata["kind"]
    return Problem(_BY_KIND.get(kind, 500), info.reason, kind, text, seconds)


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"
