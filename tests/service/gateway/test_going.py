"""Callers over HTTP who do not wait for their answer."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from skylike.service.config import Settings, split_address
from skylike.service.gateway import Gateway
from skylike.service.monitoring import Monitor
from skylike.v1 import catalog_pb2

LONG = 60.0


class _Slow:
    """Answers nothing until it is let."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()

    def list_aliases(self, _request: Any, _context: Any) -> Any:
        self.asked.set()
        self.let.wait(LONG)
        return catalog_pb2.ListAliasesResponse()


@pytest.fixture
def slow() -> Iterator[tuple[_Slow, str]]:
    """One that takes long, and where it is."""
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        servicer = _Slow()
        method = grpc.unary_unary_rpc_method_handler(
            servicer.list_aliases,
            request_deserializer=catalog_pb2.ListAliasesRequest.FromString,
            response_serializer=catalog_pb2.ListAliasesResponse.SerializeToString,
        )
        service = "skylike.v1.CatalogService"
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(service, {"ListAliases": method}),
            ]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield servicer, f"127.0.0.1:{port}"
        finally:
            servicer.let.set()
            server.stop(None).wait()


def test_who_goes_before_the_answer_is_no_failure_of_the_service(
    slow: tuple[_Slow, str], served: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    """Counted as 499, with no traceback in the log."""
    servicer, target = slow
    settings = Settings(http_address="127.0.0.1:0", grace_seconds=1)
    monitor = Monitor(served.engine)
    gateway = Gateway(
        "127.0.0.1:0", target, None, settings, monitor, lambda *_: None, target
    )
    try:
        host, port = split_address(gateway.address)
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(b"GET /v1/aliases HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert servicer.asked.wait(20)
        gone = b'skylike_calls_total{code="499",method="GET /v1/aliases"} 1.0'
        until = time.monotonic() + 20
        while b'code="' not in (told := monitor.metrics()):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert gone in told
    finally:
        gateway.stop(1)
    assert "Traceback" not in capfd.readouterr().err
