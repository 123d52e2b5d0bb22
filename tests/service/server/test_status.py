"""The table of statuses, and its mirror in the client."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from tests.told import retry_seconds

from skylike.client import errors as client_errors
from skylike.service import errors
from skylike.service.server.status import STATUS_OF, rpc_status


def _children(base: type[Exception]) -> Iterator[type[Exception]]:
    for child in base.__subclasses__():
        yield child
        yield from _children(child)


SERVICE_ERRORS = sorted(_children(errors.SkylikeError), key=lambda one: one.__name__)


class _Failed(grpc.RpcError):
    """What the client's channel raises for a status."""

    def __init__(self, status: grpc.Status) -> None:
        self._status = status

    def code(self) -> grpc.StatusCode:
        return self._status.code

    def details(self) -> str:
        return self._status.details

    def trailing_metadata(self) -> Any:
        return self._status.trailing_metadata


@pytest.mark.parametrize("error", SERVICE_ERRORS)
def test_every_error_has_a_status_and_an_exception_of_the_client(
    error: type[errors.SkylikeError],
) -> None:
    """None falls through on either side; reason and message travel."""
    status = rpc_status(error("the message", reason="the_reason"), "id-1")
    assert status.code in set(STATUS_OF.values())
    mirrored = client_errors.from_rpc_error(_Failed(status), "here:1")
    if status.code is not grpc.StatusCode.INTERNAL:
        assert not isinstance(mirrored, client_errors.Internal)
    assert type(mirrored) is not client_errors.SkylikeClientError
    assert mirrored.reason == "the_reason"
    assert mirrored.request_id == "id-1"
    assert str(mirrored) == "the message"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.BadCutout, client_errors.BadInput),
        (errors.BadStamp, client_errors.BadInput),
        (errors.UnknownId, client_errors.NotFound),
        (errors.AlreadyExists, client_errors.AlreadyExists),
        (errors.ModelMismatch, client_errors.ModelMismatch),
        (errors.NotReady, client_errors.NotReady),
        (errors.Unauthenticated, client_errors.Unauthenticated),
        (errors.PermissionDenied, client_errors.PermissionDenied),
        (errors.Overloaded, client_errors.Overloaded),
        (errors.TooManyRequests, client_errors.Overloaded),
        (errors.Closed, client_errors.Unavailable),
        (errors.StorageFailed, client_errors.Internal),
        (errors.NoSpace, client_errors.Overloaded),
        (errors.DamagedData, client_errors.DataLoss),
    ],
)
def test_the_client_names_it_alike(
    error: type[errors.SkylikeError],
    expected: type[client_errors.SkylikeClientError],
) -> None:
    """Whatever the finer reason is."""
    status = rpc_status(error("why", reason="very_special"), "")
    assert type(client_errors.from_rpc_error(_Failed(status), "")) is expected


def test_the_details_are_googles() -> None:
    """One ErrorInfo in a Status, readable by any client."""
    status = rpc_status(errors.BadCutout("why"), "id-1")
    ((key, value),) = status.trailing_metadata
    assert key == "grpc-status-details-bin"
    message = status_pb2.Status.FromString(value)
    assert message.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    info = error_details_pb2.ErrorInfo()
    assert message.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("NOT_FITS", "skylike")
    assert info.metadata["kind"] == "BAD_INPUT"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Overloaded, grpc.StatusCode.UNAVAILABLE),
        (errors.TooManyRequests, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_overload_says_when_to_come_back(
    error: type[errors.Overloaded], code: grpc.StatusCode
) -> None:
    """As Google's RetryInfo, and as an attribute of the client's exception."""
    status = rpc_status(error("too much", retry_seconds=0.25), "id-1")
    assert status.code is code
    trailing = dict(status.trailing_metadata)
    assert trailing["grpc-retry-pushback-ms"] == "250"
    failed = _Failed(status)
    assert retry_seconds(failed) == 0.25
    mirrored = client_errors.from_rpc_error(failed, "")
    assert isinstance(mirrored, client_errors.Overloaded)
    assert mirrored.retry_seconds == 0.25
    full = rpc_status(errors.NoSpace("the disk is full"), "id-1")
    mirrored = client_errors.from_rpc_error(_Failed(full), "")
    assert isinstance(mirrored, client_errors.Overloaded)
    assert mirrored.retry_seconds is None


def test_what_is_not_ours_stays_inside() -> None:
    """No text of an unknown exception leaves the server."""
    status = rpc_status(RuntimeError("password=hunter2"), "id-1")
    assert status.code is grpc.StatusCode.INTERNAL
    assert "hunter2" not in status.details
    assert b"hunter2" not in status.trailing_metadata[0][1]
    assert "id-1" in status.details
    base = rpc_status(errors.SkylikeError("of no kind"), "id-1")
    assert base.code is grpc.StatusCode.INTERNAL


def test_messages_are_disarmed_and_fit_into_metadata() -> None:
    """Escapes are spelled out; the longest message stays far below 8 KiB."""
    hostile = rpc_status(errors.BadCutout("a\x1b[2J\nb"), "")
    assert hostile.details == "a\\x1b[2J\\nb"
    long = rpc_status(errors.BadCutout("星" * 5000), "id-1")
    assert len(long.details.encode()) <= 1000
    assert long.details.endswith("…")
    num_bytes = 3 * len(long.details.encode()) + len(long.trailing_metadata[0][1]) * 2
    assert num_bytes < 8192
