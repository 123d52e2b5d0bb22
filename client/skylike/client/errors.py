"""Everything a call can end with, as one tree.

::

    SkylikeClientError
    ├── BadInput             what was sent cannot be used
    ├── MissingPackage       a package that the answer's form needs is not installed
    ├── NotFound             no such collection or object
    ├── AlreadyExists        the id is taken
    ├── FailedPrecondition   the collection is not in the state the call needs
    │   ├── ModelMismatch    vectors or cutouts for another model
    │   └── NotReady         the collection has not been fitted yet
    ├── Unauthenticated      no API key, or none that counts
    ├── PermissionDenied     the API key allows less than was asked for
    ├── Unavailable          the server cannot be reached, or is stopping
    ├── DeadlineExceeded     no answer in time
    ├── Overloaded           the server or a limit of it is exhausted
    ├── DataLoss             stored data are damaged
    └── Internal             a fault of the server

Each carries ``reason``, the server's stable code such as ``not_fits``, and
``request_id``, under which the server's log tells more.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from skylike.client.hints import hint

_DETAILS_KEY = "grpc-status-details-bin"


class SkylikeClientError(Exception):
    """Base of every error of a call.

    Parameters
    ----------
    message
        One or two sentences for a person.
    reason
        Stable code in lower snake case.
    request_id
        Name of the call in the server's log; empty if it did not get there.
    status
        Name of the gRPC status, such as ``UNAVAILABLE``; empty for what the client
        found itself.
    """

    def __init__(
        self, message: str, *, reason: str, request_id: str = "", status: str = ""
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.request_id = request_id
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        # That of exceptions makes one of its message alone, and fails.
        return partial(type(self), reason=self.reason), self.args, self.__dict__


class BadInput(SkylikeClientError):
    """What was sent cannot be used; sending it again will not help."""


class MissingPackage(SkylikeClientError):
    """A package that the form of an answer needs is not installed."""


class NotFound(SkylikeClientError):
    """No such collection or object."""


class AlreadyExists(SkylikeClientError):
    """The id is taken."""


class FailedPrecondition(SkylikeClientError):
    """The collection is not in the state the call needs."""


class ModelMismatch(FailedPrecondition):
    """Vectors or cutouts are for another model than the collection's."""


class NotReady(FailedPrecondition):
    """The collection has not been fitted yet."""


class Unauthenticated(SkylikeClientError):
    """The service wants an API key, and got none that counts."""


class PermissionDenied(SkylikeClientError):
    """The API key allows less than was asked for."""


class Unavailable(SkylikeClientError):
    """The server cannot be reached, or is stopping; try again later."""


class DeadlineExceeded(SkylikeClientError):
    """No answer came in time."""


class Overloaded(SkylikeClientError):
    """The server, or a limit of it such as the message size, is exhausted."""

    retry_seconds: float | None = None
    """When the same call is answered, from now; None if the server did not say."""


class DataLoss(SkylikeClientError):
    """Stored data are damaged; the collection needs repair."""


class Internal(SkylikeClientError):
    """A fault of the server; its log tells more under the request id."""


# What the server says an error is comes first, its status second.
_BY_KIND: Mapping[str, type[SkylikeClientError]] = {
    "MODEL_MISMATCH": ModelMismatch,
    "NOT_READY": NotReady,
    "OVERLOADED": Overloaded,
}
_BY_STATUS: Mapping[grpc.StatusCode, type[SkylikeClientError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: BadInput,
    grpc.StatusCode.OUT_OF_RANGE: BadInput,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    # Of a server that stops, for what came too late to be looked at.
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.DATA_LOSS: DataLoss,
}


def from_rpc_error(
    error: grpc.RpcError, address: str, *, is_tls: bool = False
) -> SkylikeClientError:
    """The exception for a failed call to a service, with or without TLS."""
    # Every error of a call is a Call too, though its type does not say so.
    call: Any = error
    code: grpc.StatusCode = call.code()
    info, retry = _details(call.trailing_metadata() or ())
    kind = _class(code, info.metadata.get("kind", ""))
    message = call.details() or code.name
    if not info.reason:  # it comes from the connection, not from the service
        message = f"no answer from the service at {address}: {message}"
        if to_try := hint(message, is_tls):
            message = f"{message}. Perhaps: {to_try}"
    made = kind(
        message,
        reason=(info.reason or code.name).lower(),
        request_id=info.metadata.get("request_id", ""),
        status=code.name,
    )
    if isinstance(made, Overloaded) and retry.HasField("retry_delay"):
        made.retry_seconds = retry.retry_delay.ToNanoseconds() / 1e9
    return made


def from_item(code: int, kind: str, reason: str, message: str) -> SkylikeClientError:
    """The exception for one item of a stream, which names its status by number."""
    status = next((one for one in grpc.StatusCode if one.value[0] == code), None)
    status = status or grpc.StatusCode.UNKNOWN
    return _class(status, kind)(message, reason=reason.lower(), status=status.name)


def _class(code: grpc.StatusCode, kind: str) -> type[SkylikeClientError]:
    return _BY_KIND.get(kind) or _BY_STATUS.get(code, Internal)


def _details(
    metadata: Any,
) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.RetryInfo]:
    """What the server sent beside the message; empty where it did not."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for key, value in metadata:
        if key == _DETAILS_KEY:
            for detail in status_pb2.Status.FromString(value).details:
                for wanted in (info, retry):
                    detail.Unpack(wanted)
    return info, retry
