"""What a call that failed tells in its details: the reason, and when to ask again."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

_KEY = "grpc-status-details-bin"


def refused(call: Callable[[], object]) -> Any:
    """The error with which a call ends, as what else gRPC makes of it: a call."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def refusal(call: Callable[[], object]) -> str:
    """The reason with which a call ends."""
    return reason(refused(call))


def reason(error: Any) -> str:
    """Our reason; empty where there is none."""
    return str(info(error).reason)


def info(error: Any) -> error_details_pb2.ErrorInfo:
    """Our ErrorInfo; empty where there is none."""
    found = error_details_pb2.ErrorInfo()
    _unpack(error, found)
    return found if found.domain == "skylike" else error_details_pb2.ErrorInfo()


def retry_seconds(error: Any) -> float:
    """When to ask again, by the RetryInfo that has to be there."""
    found = error_details_pb2.RetryInfo()
    assert _unpack(error, found), "there is no RetryInfo"
    return float(found.retry_delay.ToNanoseconds() / 1e9)


def _unpack(error: Any, detail: Message) -> bool:
    """Read the one detail of this kind; whether it is there."""
    for key, value in error.trailing_metadata() or ():
        if key == _KEY:
            details = status_pb2.Status.FromString(value).details
            return any([one.Unpack(detail) for one in details])
    return False
