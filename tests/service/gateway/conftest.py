"""A gateway of its own for each test that writes, or wants other settings."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from skylike.service.config import load
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server

Serving: TypeAlias = Callable[..., AbstractContextManager[Server]]


@contextlib.contextmanager
def _serving(data: Path, **settings: Any) -> Iterator[Server]:
    anywhere = {"address": "127.0.0.1:0", "http_address": "127.0.0.1:0"}
    given = {"data": data, "grace_seconds": 1, **anywhere, **settings}
    with (
        Library(data) as library,
        Server(Engine(library), load(given, environment={})) as server,
    ):
        server.ready()
        yield server


@pytest.fixture
def serving() -> Serving:
    """Serves a data directory; takes more settings."""
    return _serving


@pytest.fixture
def own(data: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """Asks a gateway whose archive may be changed, and whose root is ``tmp_path``."""
    with _serving(data, roots=[tmp_path]) as server:
        base = f"http://{server.addresses['http_address']}/v1"
        with httpx.Client(base_url=base, timeout=30) as client:
            yield client


def problem_in(answer: httpx.Response) -> dict[str, Any]:
    """The body of an answer that is a problem, which says the same as its headers."""
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    assert told["request_id"] == answer.headers["x-request-id"]
    return told
