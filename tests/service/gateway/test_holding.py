"""Calls over HTTP that take long: what is quick goes on beside them, and at the end."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.service.gateway.conftest import problem_in
from tests.told import refused

from skylike.service.config import Settings
from skylike.service.engine import CollectionInfo, Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.v1 import catalog_pb2, catalog_pb2_grpc

FITS = {"Content-Type": "application/fits"}
MANY = 12


class Held(Engine):
    """Embeds nothing, and describes nothing, before it is let."""

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.asked, self.let = threading.Semaphore(0), threading.Event()

    def describe(self, name: str) -> CollectionInfo:
        self.asked.release()
        assert self.let.wait(60)
        return super().describe(name)

    def embed(self, *arguments: Any, **named: Any) -> Any:
        self.asked.release()
        assert self.let.wait(60)
        return super().embed(*arguments, **named)


class Holding:
    """A server of such an engine, and who asks it."""

    def __init__(self, engine: Held, server: Server, pool: ThreadPoolExecutor) -> None:
        self.engine, self.server = engine, server
        self._pool = pool
        base = f"http://{server.addresses['http_address']}/v1"
        self.http = httpx.Client(
            base_url=base, timeout=30, limits=httpx.Limits(max_connections=None)
        )

    def ask(self, fits: bytes) -> Any:
        asked: Any = {"content": fits, "headers": FITS, "params": {"collection": "sky"}}
        return self._pool.submit(self.http.post, "/embed", **asked)

    def get(self, path: str) -> Any:
        return self._pool.submit(self.http.get, path)


@pytest.fixture
def holding(data: Path) -> Iterator[Holding]:
    settings = Settings(
        data=data,
        address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        workers=8,
        max_calls=8,
        grace_seconds=20,
    )
    with contextlib.ExitStack() as closing:
        pool = closing.enter_context(ThreadPoolExecutor(MANY))
        engine = Held(closing.enter_context(Library(data)))
        server = closing.enter_context(Server(engine, settings))
        closing.callback(engine.let.set)
        server.ready()
        made = Holding(engine, server, pool)
        closing.enter_context(made.http)
        yield made


def test_a_flood_of_what_is_slow_keeps_nothing_else_waiting(
    holding: Holding, sky: Any
) -> None:
    """What there is no room for is told so at once; health and pictures are answered."""
    asked = [holding.ask(sky.draw()) for _ in range(MANY)]
    assert holding.engine.asked.acquire(timeout=20)
    assert holding.http.get("/health/ready", timeout=5).status_code == 200
    assert holding.http.get("/health/list", timeout=5).status_code == 200
    picture = {"collection": "sky", "id": "ring-0"}
    assert holding.http.get("/thumbnail", params=picture, timeout=5).status_code == 200
    while sum(one.done() for one in asked) < MANY - 2:
        time.sleep(0.01)
    for one in asked:
        if one.done():
            assert problem_in(one.result())["reason"] == "OVERLOADED"
            assert "retry-after" in one.result().headers
    holding.engine.let.set()
    answers = [one.result().status_code for one in asked]
    assert sorted(answers) == [200] * 2 + [503] * (MANY - 2)


def test_metrics_that_wait_for_a_collection_keep_nothing_else_waiting(
    holding: Holding,
) -> None:
    """As while one is being opened."""
    metrics = holding.get("/metrics")
    assert holding.engine.asked.acquire(timeout=20)
    for path in ("/health/live", "/health/ready", "/aliases"):
        assert holding.http.get(path, timeout=5).status_code == 200
    assert not metrics.done()
    holding.engine.let.set()
    assert "skylike_collection_usable" in metrics.result().text


def test_a_server_that_stops_refuses_both_and_answers_what_it_has_let_in(
    holding: Holding, sky: Any
) -> None:
    """New calls of gRPC too, while those over HTTP are still answered; then it ends."""
    channel = grpc.insecure_channel(holding.server.address)
    with channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest()
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        asked = holding.ask(sky.draw())
        assert holding.engine.asked.acquire(timeout=20)
        stopping = threading.Thread(target=holding.server.stop)
        stopping.start()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        call = refused(
            lambda: _until_refused(
                lambda: catalog.ListAliases(catalog_pb2.ListAliasesRequest())
            )
        )
        # gRPC itself says CANCELLED of what comes in the very moment of stopping.
        codes = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert call.code() in codes
        aliases = f"{holding.http.base_url}aliases"
        # Who is not accepted any more may hear of it as late as when it reads.
        with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
            _until_refused(lambda: httpx.get(aliases))
        assert stopping.is_alive()
        holding.engine.let.set()
        assert asked.result().status_code == 200
        stopping.join(10)
        assert not stopping.is_alive()


def _until_refused(ask: Callable[[], object]) -> None:
    """Ask until it raises; not for as long as the grace."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        ask()
