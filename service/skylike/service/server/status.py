"""The one table that turns an error into a gRPC status.

Every status carries one `google.rpc.ErrorInfo`: the error's reason in upper snake
case, the domain ``skylike``, and as metadata the request id and the kind of error:
the default reason of its class in the table. There are many reasons and few kinds;
clients choose their exception by the kind.
"""

from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from skylike.service import errors
from skylike.service.logs import printable

DOMAIN = "skylike"
DETAILS_KEY = "grpc-status-details-bin"

# Where a class is missing, its nearest base counts.
STATUS_OF: dict[type[errors.SkylikeError], grpc.StatusCode] = {
    errors.BadInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.ModelMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    # Not UNAVAILABLE: a retry does not help, somebody has to run a fit first.
    errors.NotReady: grpc.StatusCode.FAILED_PRECONDITION,
    errors.InUse: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BadModel: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BadSettings: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StorageFailed: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DamagedData: grpc.StatusCode.DATA_LOSS,
}

# HTTP/2 metadata hold 8 KiB by default. The message travels twice: once
# percent-encoded (3 bytes each at worst), once in base64 within the details.
_MAX_MESSAGE_BYTES = 1000


@dataclass(frozen=True, slots=True)
class RpcStatus(grpc.Status):
    """What `grpc.ServicerContext.abort_with_status` takes."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


def rpc_status(error: Exception, request_id: str) -> RpcStatus:
    """The status for an error; what is not a `SkylikeError` keeps its text inside."""
    kind = next((base for base in type(error).__mro__ if base in STATUS_OF), None)
    if kind is None or not isinstance(error, errors.SkylikeError):
        code, kind_name, reason = grpc.StatusCode.INTERNAL, "internal", "internal"
        message = f"something went wrong inside; the log tells more of {request_id}"
    else:
        code, kind_name, reason = STATUS_OF[kind], kind.reason, error.reason
        message = _clip(printable(str(error)))
    detail = any_pb2.Any()
    detail.Pack(
        error_details_pb2.ErrorInfo(
            reason=reason.upper(),
            domain=DOMAIN,
            metadata={"kind": kind_name.upper(), "request_id": request_id},
        )
    )
    status = status_pb2.Status(code=code.value[0], message=message, details=[detail])
    return RpcStatus(code, message, ((DETAILS_KEY, status.SerializeToString()),))


def _clip(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return message
    return encoded[: _MAX_MESSAGE_BYTES - 3].decode(errors="ignore") + "…"
