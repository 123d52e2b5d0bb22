"""Health of collections, over a real socket: it follows the files on the disk."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.engine.resolve import seen_all
from skylike.service.library import Library
from skylike.service.server.items import analyzed
from skylike.service.server.serve import SERVICES, Server
from skylike.v1 import catalog_pb2, catalog_pb2_grpc, search_pb2, types_pb2

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SKY, SECOND = "skylike.v1.collection.sky", "skylike.v1.collection.second"


@pytest.fixture
def running(data: Path, model: Path) -> Iterator[SimpleNamespace]:
    """A server with two collections: ``library``, ``server``, ``health``, ``data``."""
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=0)
    with Library(data) as library:
        library.create("second", model)
        with (
            Server(engine := Engine(library), settings) as server,
            grpc.insecure_channel(server.address) as channel,
        ):
            server.ready()
            yield SimpleNamespace(
                library=library,
                engine=engine,
                server=server,
                channel=channel,
                health=health_pb2_grpc.HealthStub(channel),
                catalog=data / "collections" / "sky" / "catalog.sqlite3",
                models=data / "models",
            )


def _status(running: SimpleNamespace, name: str) -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    return int(running.health.Check(request).status)


def _becomes(running: SimpleNamespace, name: str, wanted: int) -> None:
    until = time.monotonic() + 20
    while _status(running, name) != wanted:
        assert time.monotonic() < until, f"{name} never became {wanted}"
        time.sleep(0.02)


def _look(running: SimpleNamespace, count: int) -> None:
    """Wait until the server has looked at all collections so often."""
    for _ in range(count):
        seen, until = running.server.monitor.rounds.found, time.monotonic() + 20
        while running.server.monitor.rounds.found is seen:
            assert time.monotonic() < until
            time.sleep(0.02)


def _overwrite(path: Path) -> None:
    """Every byte of a file, in place, as a broken disk would."""
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def _break_one(running: SimpleNamespace) -> None:
    """The object ring-7 of sky, as only who reads it finds out."""
    with sqlite3.connect(running.catalog) as other:
        other.execute("UPDATE objects SET crc = crc + 1 WHERE id = 'ring-7'")
    other.close()


def test_each_collection_is_told_and_listed(running: SimpleNamespace) -> None:
    answer = running.health.List(health_pb2.HealthListRequest())
    told = {name: one.status for name, one in answer.statuses.items()}
    assert told == dict.fromkeys(("", *SERVICES, SKY, SECOND), SERVING)
    with pytest.raises(grpc.RpcError) as caught:
        _status(running, "skylike.v1.collection.other")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_catalog_that_breaks_takes_its_collection_out_alone(
    running: SimpleNamespace,
) -> None:
    """Without any call; watchers are told; the server and the others serve on."""
    watch = running.health.Watch(health_pb2.HealthCheckRequest(service=SKY))
    assert next(watch).status == SERVING
    _overwrite(running.catalog)
    assert next(watch).status == NOT_SERVING
    for name in ("", *SERVICES, SECOND):
        assert _status(running, name) == SERVING


def test_a_catalog_that_goes_takes_its_collection_out(
    running: SimpleNamespace,
) -> None:
    running.catalog.unlink()
    _becomes(running, SKY, NOT_SERVING)
    assert _status(running, SECOND) == SERVING


def test_damage_that_a_call_meets_counts_though_a_look_may_not_see_it(
    running: SimpleNamespace,
) -> None:
    """One object of sixty; it stays so, for nothing has been mended."""
    _break_one(running)
    catalog = catalog_pb2_grpc.CatalogServiceStub(running.channel)
    request = catalog_pb2.GetObjectRequest(collection="sky", id="ring-7")
    with pytest.raises(grpc.RpcError) as caught:
        catalog.GetObject(request)
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS
    _becomes(running, SKY, NOT_SERVING)
    _look(running, 4)  # most of them at sound objects
    assert _status(running, SKY) == NOT_SERVING


@pytest.mark.parametrize("names", [("sky", "second"), ("second", "sky")])
def test_damage_counts_for_no_other_collection_that_was_asked_together(
    running: SimpleNamespace, names: tuple[str, str]
) -> None:
    """By questions of one stream, in whatever order."""
    _break_one(running)
    questions = [
        search_pb2.AnalyzeStreamRequest(
            item_id=name,
            analyze=search_pb2.AnalyzeRequest(
                collection=name, query=types_pb2.Query(object_id="ring-7")
            ),
        )
        for name in names
    ]
    monitor = running.server.monitor
    with monitor.items():
        answers = analyzed(questions, running.engine, seen_all, monitor, 2**20)
    told = {one.item_id: one.error.reason for one in answers}
    assert told == {"sky": "DAMAGED_DATA", "second": "UNKNOWN_ID"}
    _becomes(running, SKY, NOT_SERVING)
    _look(running, 2)
    assert _status(running, SECOND) == SERVING


def test_a_model_that_goes_takes_its_collections_out_until_it_is_back(
    running: SimpleNamespace, tmp_path: Path
) -> None:
    """Another file under its name is not that model."""
    [model] = running.models.glob("*.onnx")
    kept = shutil.copy(model, tmp_path / "kept.onnx")
    model.unlink()
    for name in (SKY, SECOND):
        _becomes(running, name, NOT_SERVING)
    model.write_bytes(b"something else")
    _look(running, 2)
    assert _status(running, SKY) == NOT_SERVING
    shutil.copy(kept, model)
    for name in (SKY, SECOND):
        _becomes(running, name, SERVING)


def test_collections_and_aliases_come_and_go(
    running: SimpleNamespace, model: Path
) -> None:
    """Who watches one that is gone is told that nobody knows it."""
    library = running.library
    library.create("third", model)
    library.point_alias("best", "third")
    third, best = "skylike.v1.collection.third", "skylike.v1.collection.best"
    watch = running.health.Watch(health_pb2.HealthCheckRequest(service=third))
    statuses = (answer.status for answer in watch)
    assert SERVING in statuses
    _becomes(running, best, SERVING)
    library.drop_alias("best")
    library.delete("third")
    assert next(statuses) == UNKNOWN
    for name in (third, best):
        with pytest.raises(grpc.RpcError) as caught:
            _status(running, name)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_watching_takes_no_thread_from_those_who_ask(data: Path) -> None:
    """Ten watch a server of one thread, and it answers."""
    settings = Settings(data=data, address="127.0.0.1:0", workers=1, grace_seconds=0)
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        server.ready()
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=SKY)
        watches = [health.Watch(request) for _ in range(10)]
        assert [next(watch).status for watch in watches] == [SERVING] * 10
        assert health.Check(request, timeout=10).status == SERVING


def test_a_collection_that_is_damaged_at_the_start_is_told(data: Path) -> None:
    """And the server starts for the others."""
    _overwrite(data / "collections" / "sky" / "catalog.sqlite3")
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=0)
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        running = SimpleNamespace(health=health_pb2_grpc.HealthStub(channel))
        assert _status(running, "") == NOT_SERVING
        server.ready()
        assert _status(running, "") == SERVING
        assert _status(running, SKY) == NOT_SERVING
        server.stop()


def test_all_of_it_stops_serving_with_the_server(running: SimpleNamespace) -> None:
    watch = running.health.Watch(health_pb2.HealthCheckRequest(service=SKY))
    assert next(watch).status == SERVING
    running.server.stop()
    assert next(watch).status == NOT_SERVING


def test_watchers_that_leave_while_they_are_told_hold_nobody_up(data: Path) -> None:
    """A hundred at once, and the server stops at once for who stays."""
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=60)
    request = health_pb2.HealthCheckRequest(service="")
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        leaving = [health.Watch(request) for _ in range(100)]
        assert [next(watch).status for watch in leaving] == [NOT_SERVING] * 100
        for number, watch in enumerate(leaving):
            watch.cancel()
            if number == 50:
                server.ready()
        staying = health.Watch(request)
        assert next(staying).status == SERVING
        start = time.monotonic()
        server.stop()
        assert [answer.status for answer in staying] == [NOT_SERVING]
        assert time.monotonic() - start < 30
