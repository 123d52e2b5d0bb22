"""Who may ask over HTTP, how much, and how often."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.service.gateway.conftest import Serving, problem_in

from skylike.service.config import split_address
from skylike.service.gateway.reading import MOST_JSON_BYTES
from skylike.service.keys import Keys, Scope
from skylike.service.server.serve import Server

MOST = 2**20
FITS = {"Content-Type": "application/fits"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server(serving: Serving, data: Path) -> Iterator[Server]:
    with serving(data, max_message_bytes=MOST + 2**16) as server:
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{server.addresses['http_address']}") as client:
        yield client


def _send(server: Server, text: bytes) -> bytes:
    host, port = split_address(server.addresses["http_address"])
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(text)
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
        return answer


def test_a_body_beyond_the_limit_is_refused_before_it_is_there(
    server: Server, http: httpx.Client
) -> None:
    """By its announced length, with nothing sent of it; in chunks, as it grows."""
    said = f"POST /v1/analyze HTTP/1.1\r\nHost: [::1]\r\nContent-Length: {10**12}\r\n"
    answer = _send(server, f"{said}Content-Type: application/fits\r\n\r\n".encode())
    assert b"413" in answer.splitlines()[0]
    assert b'"TOO_LARGE"' in answer

    def chunks() -> Iterator[bytes]:
        for _ in range(MOST // 2**14 + 1):
            yield b"\0" * 2**14

    answered = http.post("/v1/analyze", content=chunks(), headers=FITS)
    assert problem_in(answered)["reason"] == "TOO_LARGE"
    form = {"file": ("big.fits", b"\0" * (MOST + 1))}
    told = problem_in(http.post("/v1/analyze", files=form))
    assert (told["status"], told["kind"]) == (413, "TOO_LARGE")


def test_a_body_at_the_limit_is_read(http: httpx.Client, sky: SimpleNamespace) -> None:
    content = sky.draw()
    padded = content + b"\0" * (MOST - len(content))
    answer = http.post(
        "/v1/embed", content=padded, headers=FITS, params={"collection": "sky"}
    )
    assert answer.status_code == 200, answer.text


def test_keys_count_here_as_over_grpc(serving: Serving, data: Path) -> None:
    """Without one 401, with one for less 403; health of the process is open."""
    secret = Keys(data / "keys.json").add("reader", Scope.READ)
    with serving(data) as server:
        base = f"http://{server.addresses['http_address']}/v1"
        with httpx.Client(base_url=base) as http:
            for path in ("/collections", "/metrics", "/health/list", "/thumbnail"):
                answer = http.get(path)
                assert problem_in(answer)["reason"] == "NO_KEY"
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
            for open_to_all in ("/health/live", "/health/ready", "/docs"):
                assert http.get(open_to_all).status_code == 200
            wrong = {b"Authorization": "Bearer wr\xf6ng".encode("latin-1")}
            assert http.get("/collections", headers=wrong).status_code == 401
            mine = {"Authorization": f"Bearer {secret}"}
            assert http.get("/collections", headers=mine).status_code == 200
            body = {"collection": "sky", "ids": ["ring-0"], "add": ["odd"]}
            answer = http.post("/labels", json=body, headers=mine)
            assert (answer.status_code, answer.json()["reason"]) == (
                403,
                "MISSING_SCOPE",
            )


def test_who_asks_too_often_is_told_when_to_come_back(
    serving: Serving, data: Path
) -> None:
    secret = Keys(data / "keys.json").add("reader", Scope.READ, rate=0.2)
    mine = {"Authorization": f"Bearer {secret}"}
    with serving(data) as server:
        url = f"http://{server.addresses['http_address']}/v1/aliases"
        assert httpx.get(url, headers=mine).status_code == 200
        answer = httpx.get(url, headers=mine)
    assert problem_in(answer)["reason"] == "TOO_MANY_REQUESTS"
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 5


@pytest.mark.parametrize("most_bytes", [2**16, 2**25])
def test_who_may_not_ask_is_refused_before_the_body_is_there(
    serving: Serving, data: Path, most_bytes: int
) -> None:
    """With nothing of it sent, and with all of it on its way."""
    Keys(data / "keys.json").add("reader", Scope.READ)
    with serving(data) as server:
        said = (
            b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n"
        )
        answer = _send(server, said + b"Content-Type: application/fits\r\n\r\n")
        assert b"401" in answer.splitlines()[0]
        assert b'"NO_KEY"' in answer
        url = f"http://{server.addresses['http_address']}/v1/analyze"
        for _ in range(20):
            told = httpx.post(url, content=b"\0" * most_bytes, headers=FITS)
            assert problem_in(told)["reason"] == "NO_KEY"


def test_bodies_that_are_being_sent_have_a_limit_together(
    serving: Serving, data: Path, sky: SimpleNamespace
) -> None:
    """Of one who sends slowly; the others are told to come later, until it has gone."""
    settings: Any = {"max_held_bytes": 2**20, "max_message_bytes": 2**21}
    content = sky.draw()
    content += b"\0" * (2**19 + 2**18 - len(content))
    with serving(data, **settings) as server:
        url = f"http://{server.addresses['http_address']}/v1/embed"
        host, port = split_address(server.addresses["http_address"])
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            slow.sendall(
                b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n"
                b"Content-Type: application/fits\r\n\r\n" + b"\0" * 2**19
            )
            ask: Any = {
                "content": content,
                "headers": FITS,
                "params": {"collection": "sky"},
            }
            until = time.monotonic() + 20
            while (answer := httpx.post(url, **ask)).status_code == 200:
                assert time.monotonic() < until  # what is sent slowly is not there yet
            assert problem_in(answer)["reason"] == "TOO_MANY_BYTES"
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        until = time.monotonic() + 20
        while (answer := httpx.post(url, **ask)).status_code == 503:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert answer.status_code == 200, answer.text


def test_every_endpoint_asks_for_a_key_before_the_body_is_there(
    serving: Serving, data: Path
) -> None:
    """With nothing sent of what is announced; but those that tell no more than that."""
    Keys(data / "keys.json").add("reader", Scope.READ)
    open_to_all = {"health/live", "health/ready", "openapi.json", "docs"}
    found = set()
    with serving(data) as server:
        assert server._gateway is not None
        app: Any = server._gateway._server.config.app
        for route in app._app._app.routes:
            path = route.path.removeprefix("/v1/")
            # What is no part of the interface are pages, which hold nothing.
            if path in open_to_all or not route.path.startswith("/v1/"):
                continue
            for verb in route.methods:
                found.add(f"{verb} {path}")
                said = f"{verb} {route.path} HTTP/1.1\r\nHost: localhost\r\n"
                answer = _send(
                    server, f"{said}Content-Length: 90000\r\n\r\n{{".encode()
                )
                assert b" 401 " in answer.splitlines()[0], (verb, path)
                assert b'"NO_KEY"' in answer
    assert found >= {"GET thumbnail", "GET jobs/{job_id}/events", "POST jobs"}


def test_json_has_a_limit_of_its_own(serving: Serving, data: Path) -> None:
    """By its announced length, with nothing sent of it; in chunks, as it grows."""
    beyond = b" " * (MOST_JSON_BYTES + 1)
    with serving(data) as server:
        url = f"http://{server.addresses['http_address']}/v1/neighbors"
        said = f"POST /v1/neighbors HTTP/1.1\r\nHost: [::1]\r\nContent-Length: {len(beyond)}\r\n"
        answer = _send(server, f"{said}Content-Type: application/json\r\n\r\n".encode())
        assert b" 413 " in answer.splitlines()[0]
        chunks = iter([beyond[: MOST_JSON_BYTES // 2], beyond, b""])
        answered = httpx.post(url, content=chunks, headers=JSON)
        assert problem_in(answered)["reason"] == "TOO_LARGE"
        at_limit = b"{}" + b" " * (MOST_JSON_BYTES - 2)
        answered = httpx.post(url, content=at_limit, headers=JSON)
        assert problem_in(answered)["reason"] == "EMPTY_QUERY"


def test_others_are_answered_while_much_json_is_read(
    serving: Serving, data: Path
) -> None:
    """The process tells that it lives again and again, long before that is done."""
    many = b"0.5," * (MOST_JSON_BYTES // 4 - 100) + b"0.5"
    body = b'{"query":{"vector":{"values":[' + many + b"]}}}"
    with serving(data) as server, ThreadPoolExecutor(1) as pool:
        base = f"http://{server.addresses['http_address']}/v1"
        reading = pool.submit(
            httpx.post, f"{base}/neighbors", content=body, headers=JSON, timeout=60
        )
        longest, number = 0.0, 0
        with httpx.Client(base_url=base, timeout=60) as http:
            begun = time.monotonic()
            while not reading.done():
                asked = time.monotonic()
                assert http.get("/health/live").status_code == 200
                longest = max(longest, time.monotonic() - asked)
                number += 1
            lasted = time.monotonic() - begun
        assert reading.result().status_code == 409
    assert longest < lasted / 2, (longest, lasted, number)
