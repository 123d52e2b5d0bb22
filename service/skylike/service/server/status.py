"""The one table that turns an error into a gRPC status.

Every status carries one `google.rpc.ErrorInfo`: the error's reason in upper snake
case, the domain ``skylike``, and as metadata the request id and the kind of error:
the default reason of its class in the table. There are many reasons and few kinds;
clients choose their exception by the kind. Where asking later helps, a
`google.rpc.RetryInfo` says when.
"""

import math
from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2

from skylike.service import errors
from skylike.service.logs import printable

DOMAIN = "skylike"
DETAILS_KEY = "grpc-status-details-bin"
_PUSHBACK_KEY = "grpc-retry-pushback-ms"

# Where a class is missing, its nearest base counts.
STATUS_OF: dict[type[errors.SkylikeError], grpc.StatusCode] = {
    errors.BadInput: grpc.StatusCode.INVALID_ARGUMENT,
    # As gRPC says it itself of a message.
    errors.TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.ModelMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    # Not UNAVAILABLE: a retry does not help, somebody has to run a fit first.
    errors.NotReady: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Closed: grpc.StatusCode.UNAVAILABLE,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Overloaded: grpc.StatusCode.UNAVAILABLE,
    # Not UNAVAILABLE: clients repeat that by themselves, and would ask even more.
    errors.TooManyRequests: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unreachable: grpc.StatusCode.UNAVAILABLE,
    errors.Cancelled: grpc.StatusCode.CANCELLED,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.InUse: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BadModel: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BadSettings: grpc.StatusCode.FAILED_PRECONDITION,
    # Not UNAVAILABLE: a disk that fails is not mended by asking it again.
    errors.StorageFailed: grpc.StatusCode.INTERNAL,
    errors.NoSpace: grpc.StatusCode.RESOURCE_EXHAUSTED,
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
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller is told of an error.

    Attributes
    ----------
    code
        The status.
    reason, kind
        In upper snake case.
    message
        One line.
    """

    code: grpc.StatusCode
    reason: str
    kind: str
    message: str

    @property
    def is_ours(self) -> bool:
        """Whether it is nothing that a caller can mend."""
        return is_ours(self.code)


def is_ours(code: grpc.StatusCode) -> bool:
    """Whether what went wrong is nothing that a caller can mend."""
    return code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)


def tell(error: Exception, request_id: str) -> Told:
    """What to tell of an error; what is not a `SkylikeError` keeps its text inside."""
    kind = next((base for base in type(error).__mro__ if base in STATUS_OF), None)
    if kind is None or not isinstance(error, errors.SkylikeError):
        text = f"something went wrong inside; the log tells more of {request_id}"
        return Told(grpc.StatusCode.INTERNAL, "INTERNAL", "INTERNAL", text)
    text = _clip(printable(str(error)))
    return Told(STATUS_OF[kind], error.reason.upper(), kind.reason.upper(), text)


def rpc_status(error: Exception, request_id: str) -> RpcStatus:
    """The status of a call that ended with an error."""
    told = tell(error, request_id)
    trailing: dict[str, str | bytes] = {}
    details: list[message.Message] = [
        error_details_pb2.ErrorInfo(
            reason=told.reason,
            domain=DOMAIN,
            metadata={"kind": told.kind, "request_id": request_id},
        )
    ]
    if isinstance(error, errors.Overloaded):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(error.retry_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        # What clients of gRPC obey that repeat calls by themselves.
        trailing[_PUSHBACK_KEY] = str(math.ceil(error.retry_seconds * 1e3))
    status = status_pb2.Status(
        code=told.code.value[0],
        message=told.message,
        details=[_packed(one) for one in details],
    )
    trailing[DETAILS_KEY] = status.SerializeToString()
    return RpcStatus(told.code, told.message, tuple(trailing.items()))


def _packed(detail: message.Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _clip(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return message
    return encoded[: _MAX_MESSAGE_BYTES - 3].decode(errors="ignore") + "…"
