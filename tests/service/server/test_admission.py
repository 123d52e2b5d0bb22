"""More calls than a server can answer, and callers that do not wait."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.told import refused, retry_seconds

from skylike.service.config import Settings
from skylike.service.server.serve import Server
from skylike.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    types_pb2,
)


@pytest.fixture(scope="module")
def narrow(served: SimpleNamespace) -> Iterator[Server]:
    """A server that does one thing at a time."""
    settings = Settings(
        data=Path(), address="127.0.0.1:0", workers=1, max_wait_seconds=0.2
    )
    with Server(served.engine, settings) as server:
        yield server


@pytest.fixture
def channel(narrow: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(narrow.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def large(sky: SimpleNamespace) -> search_pb2.AnalyzeRequest:
    """A question that takes some 20 ms."""
    cutout = types_pb2.Cutout(fits=sky.draw(size=700))
    return search_pb2.AnalyzeRequest(
        collection="sky", query=types_pb2.Query(cutout=cutout)
    )


def test_too_many_calls_are_refused_at_once_and_the_others_answered(
    channel: grpc.Channel, large: search_pb2.AnalyzeRequest
) -> None:
    """Each with when to come back; health answers; afterwards all are answered again."""
    ask: Any = search_pb2_grpc.SearchServiceStub(channel).Analyze
    for _ in range(3):
        ask(large, timeout=20)
    ended: dict[Any, float] = {}
    calls: list[Any] = []

    def number(code: grpc.StatusCode) -> int:
        return sum(call.code() is code for call in list(ended))

    # A quick machine takes more of them, a slow one answers later.
    while number(grpc.StatusCode.UNAVAILABLE) <= 20 or number(grpc.StatusCode.OK) <= 5:
        assert len(calls) < 4000
        began = time.monotonic()
        call = ask.future(large, timeout=20)
        call.add_done_callback(
            lambda call, began=began: ended.update({call: time.monotonic() - began})
        )
        calls.append(call)
        time.sleep(0.001)
    health = health_pb2_grpc.HealthStub(channel)
    began = time.monotonic()
    health.Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert time.monotonic() - began < 2
    codes = [call.code() for call in calls]
    sent_away = [call for call in calls if call.code() is grpc.StatusCode.UNAVAILABLE]
    answered = [call for call in calls if call.code() is grpc.StatusCode.OK]
    assert len(sent_away) + len(answered) == len(calls), codes
    for call in sent_away:
        assert 0.1 <= retry_seconds(call) <= 5
    _until(lambda: len(ended) == len(calls))  # the last callback is called last
    waits = sorted(ended[call] for call in sent_away)
    assert waits[len(waits) // 2] < 0.1
    assert max(ended[call] for call in answered) < 5
    for _ in range(5):
        ask(large, timeout=20)


def test_a_write_is_given_up_with_its_caller(
    channel: grpc.Channel, narrow: Server, sky: SimpleNamespace
) -> None:
    """Cancelled, or past its deadline: nothing is stored, and its place is free."""
    catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
    cutout = types_pb2.Cutout(fits=sky.draw(size=1000))

    def objects(name: str, count: int) -> catalog_pb2.AddObjectsRequest:
        return catalog_pb2.AddObjectsRequest(
            collection="bare",
            objects=[
                catalog_pb2.NewObject(id=f"{name}-{i}", cutout=cutout)
                for i in range(count)
            ],
        )

    def add(name: str, count: int) -> None:
        """As soon as there is room."""
        while True:
            try:
                catalog.AddObjects(objects(name, count), timeout=60)
            except grpc.RpcError as error:
                call: Any = error
                assert call.code() is grpc.StatusCode.UNAVAILABLE
                time.sleep(retry_seconds(call))
            else:
                return

    def is_stored(id: str) -> bool:
        request = catalog_pb2.GetObjectRequest(collection="bare", id=id)
        try:
            catalog.GetObject(request, timeout=20)
        except grpc.RpcError as error:
            call: Any = error
            assert call.code() is grpc.StatusCode.NOT_FOUND
            return False
        return True

    began = time.monotonic()
    add("kept", 3)
    seconds = (time.monotonic() - began) / 3
    many = 15  # as a message holds
    cancelled = catalog.AddObjects.future(objects("cancelled", many), timeout=60)
    writing = 'calls_in_flight{method="skylike.v1.CatalogService/AddObjects"} 1.0'
    _until(lambda: writing in narrow.monitor.metrics().decode())
    cancelled.cancel()
    add("between", 1)
    late = refused(
        lambda: catalog.AddObjects(objects("late", many), timeout=3 * seconds)
    )
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    add("after", 1)
    assert is_stored("kept-0")
    assert is_stored("after-0")
    assert not is_stored("cancelled-0")
    assert not is_stored("late-0")


def test_those_who_write_by_turns_are_not_told_to_come_later(
    channel: grpc.Channel, sky: SimpleNamespace
) -> None:
    """Each write takes longer than a question may wait."""
    catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
    cutout = types_pb2.Cutout(fits=sky.draw(size=1000))
    writes = [
        catalog_pb2.AddObjectsRequest(
            collection="bare",
            objects=[
                catalog_pb2.NewObject(id=f"turn-{writer}-{row}", cutout=cutout)
                for row in range(10)
            ],
            replace=True,
        )
        for writer in range(3)
    ]
    for _ in range(2):
        began = time.monotonic()
        calls = [catalog.AddObjects.future(write, timeout=60) for write in writes]
        for call in calls:
            assert len(call.result().objects) == 10
        assert time.monotonic() - began > 3 * 0.2


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)
