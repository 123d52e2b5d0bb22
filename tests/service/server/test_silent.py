"""Streams in which nothing is asked, and streams whose answers nobody takes."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2
from tests.told import info, refused

from skylike.service.config import Settings
from skylike.service.server.serve import Server
from skylike.v1 import search_pb2, search_pb2_grpc, types_pb2

IDLE_SECONDS = 0.5
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
OLDER = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SYMBOL = reflection_pb2.ServerReflectionRequest(list_services="")


@pytest.fixture(scope="module")
def server(served: SimpleNamespace) -> Iterator[Server]:
    settings = Settings(
        data=Path(), address="127.0.0.1:0", max_idle_seconds=IDLE_SECONDS
    )
    with Server(served.engine, settings) as made:
        made.ready()
        yield made


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as opened:
        yield opened


def _question(number: int, k: int = 3) -> search_pb2.AnalyzeStreamRequest:
    query = types_pb2.Query(object_id=f"ring-{number % 20}")
    asked = search_pb2.AnalyzeRequest(
        collection="sky", query=query, k=k, thumbnails=True
    )
    return search_pb2.AnalyzeStreamRequest(item_id=str(number), analyze=asked)


@pytest.mark.parametrize("num_asked", [0, 3])
def test_a_stream_that_asks_nothing_any_more_is_ended(
    channel: grpc.Channel, num_asked: int
) -> None:
    """What was asked is answered before, and the reason told; no thread is left."""
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    search = search_pb2_grpc.SearchServiceStub(channel)
    answers: Any = search.AnalyzeStream(iter(asked.get, None), timeout=30)
    for number in range(num_asked):
        asked.put(_question(number))
    for _ in range(num_asked):
        assert next(answers).HasField("analysis")
    call = refused(lambda: next(answers))
    asked.put(None)
    assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert info(call).reason == "IDLE"
    _until(lambda: "stream" not in {thread.name for thread in threading.enumerate()})


def test_a_stream_that_asks_now_and_then_goes_on(channel: grpc.Channel) -> None:
    """For longer than it may be silent."""

    def questions() -> Iterator[search_pb2.AnalyzeStreamRequest]:
        for number in range(6):
            time.sleep(IDLE_SECONDS / 3)
            yield _question(number)

    search = search_pb2_grpc.SearchServiceStub(channel)
    assert len(list(search.AnalyzeStream(questions(), timeout=30))) == 6


@pytest.mark.parametrize("method", [REFLECTION, OLDER])
def test_reflection_that_asks_nothing_any_more_is_ended(
    channel: grpc.Channel, method: str
) -> None:
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    ask = channel.stream_stream(
        method,
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    answers: Any = ask(iter(asked.get, None), timeout=30)
    asked.put(SYMBOL)
    assert next(answers).list_services_response.service
    call = refused(lambda: next(answers))
    asked.put(None)
    assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert info(call).reason == "IDLE"


def test_a_stream_whose_answers_nobody_takes_is_cut_off(
    channel: grpc.Channel, server: Server
) -> None:
    """GRPC tells the caller no more than that; log and metrics tell the reason."""
    search = search_pb2_grpc.SearchServiceStub(channel)
    answers: Any = search.AnalyzeStream(_question(i, 60) for i in range(500))
    method = "skylike.v1.SearchService/AnalyzeStream"
    cancelled = f'skylike_calls_total{{code="CANCELLED",method="{method}"}}'
    _until(lambda: cancelled in server.monitor.metrics().decode())
    told = server.monitor.metrics().decode()
    assert 'skylike_errors_total{reason="idle"}' in told
    call = refused(lambda: list(answers))
    assert call.code() is grpc.StatusCode.CANCELLED


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
