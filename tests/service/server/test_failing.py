"""What callers are told when the service itself cannot go on: its disk, its end."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from tests.told import info, refused

from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.v1 import catalog_pb2, catalog_pb2_grpc


@pytest.fixture
def running(data: Path) -> Iterator[SimpleNamespace]:
    """A server of its own: ``library``, and the ``catalog`` service."""
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=0)
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        server.ready()
        catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        yield SimpleNamespace(library=library, catalog=catalog)


def test_a_disk_that_does_not_write_is_a_fault_of_ours_and_logged(
    running: SimpleNamespace, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing that a caller can mend, nor a full disk; here a folder that is a file."""
    (data / "collections").rename(data / "away")
    (data / "collections").write_bytes(b"")
    request = catalog_pb2.CreateCollectionRequest(collection="new", model_of="sky")
    call = refused(lambda: running.catalog.CreateCollection(request))
    (data / "collections").unlink()
    (data / "away").rename(data / "collections")
    assert call.code() is grpc.StatusCode.INTERNAL
    assert (info(call).reason, info(call).metadata["kind"]) == (
        "STORAGE_FAILED",
        "STORAGE_FAILED",
    )
    assert "Traceback" in capfd.readouterr().err


def test_who_asks_what_is_closing_is_told_to_ask_again(
    running: SimpleNamespace,
) -> None:
    running.library.close()
    request = catalog_pb2.CountObjectsRequest(collection="sky")
    call = refused(lambda: running.catalog.CountObjects(request))
    assert call.code() is grpc.StatusCode.UNAVAILABLE
    assert info(call).reason == "CLOSED"
