"""Bytes that are no message, sent to every kind of method."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from tests.told import info, refused

from skylike.service.config import Settings
from skylike.service.server.serve import Server

_AS_BYTES: Any = (None, None)
GARBAGE = b"\xff\xff"
_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
# Asks for the file of SearchService: an answer that takes a moment to send.
_SOUND = b"\x22\x18skylike.v1.SearchService"


@pytest.fixture
def channel(served: SimpleNamespace) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(served.address) as opened:
        yield opened


def test_they_are_a_bad_request(channel: grpc.Channel) -> None:
    """With a reason and a request id, like any other."""
    ask = channel.unary_unary("/skylike.v1.SearchService/Embed", *_AS_BYTES)
    call = refused(lambda: ask(GARBAGE, metadata=(("x-request-id", "night-7"),)))
    assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "2 bytes" in call.details()
    assert info(call).reason == "BAD_MESSAGE"
    assert info(call).metadata["request_id"] == "night-7"


def test_they_end_a_stream_with_an_error(channel: grpc.Channel) -> None:
    """Not as if no more questions came."""
    ask = channel.stream_stream("/skylike.v1.SearchService/AnalyzeStream", *_AS_BYTES)
    with pytest.raises(grpc.RpcError, match="2 bytes"):
        list(ask(iter([GARBAGE])))


def test_a_server_that_got_them_in_streams_stops(served: SimpleNamespace) -> None:
    """Left to gRPC, some of these calls would keep it from stopping for ever."""
    settings = Settings(data=Path(), address="127.0.0.1:0", grace_seconds=0.5)
    with (
        Server(served.engine, settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        ask = channel.stream_stream(_REFLECTION, *_AS_BYTES)
        for number in range(20):
            replies = ask(iter([*[_SOUND] * (number % 4), GARBAGE, _SOUND]))
            with pytest.raises(grpc.RpcError):
                list(replies)
        stopping = threading.Thread(target=server._ports.stop(0.5).wait, daemon=True)
        stopping.start()
        stopping.join(5)
        assert not stopping.is_alive()
