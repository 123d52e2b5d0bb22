"""What is told of a request: which part of it is wrong; HEAD; nothing to strangers."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from tests.service.gateway.conftest import Serving, problem_in

from skylike.service.config import Settings
from skylike.service.keys import Keys, Scope
from skylike.service.server.serve import Server


@pytest.fixture(scope="module")
def http(
    served: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    settings = Settings(
        data=tmp_path_factory.mktemp("told"),
        address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        grace_seconds=1,
    )
    with Server(served.engine, settings) as server:
        server.ready()
        base = f"http://{server.addresses['http_address']}"
        with httpx.Client(base_url=base, timeout=30) as client:
            yield client


@pytest.mark.parametrize(
    ("path", "part", "value", "wanted"),
    [
        ("analyze", "k", "ten", "a whole number"),
        ("analyze", "thumbnails", "yes", "true or false"),
        ("analyze", "axis_kind", "bands", "AXIS_KIND_SPECTRAL"),
        ("analyze", "options", "exact", "an object in JSON, which may have filter, exact"),
        ("analyze", "options", '{"filter": {"con": {}}}', 'no field named "con"'),
        ("objects", "labels", "ring", 'a list in JSON such as ["a", "b"]'),
        ("objects", "labels", '{"a": 1}', "a list in JSON"),
        ("objects", "position", "150, 2", "which may have ra_deg, dec_deg"),
        ("objects", "epoch_mjd", "now", "a number"),
        ("objects", "attributes", "mag=3", '{"NAME": {"number": ...}}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["form", "address"])
def test_a_part_that_is_wrong_is_named_with_what_it_has_to_be(
    http: httpx.Client,
    sky: SimpleNamespace,
    way: str,
    path: str,
    part: str,
    value: str,
    wanted: str,
) -> None:
    """In a form, and in the address beside the bytes of a file."""
    said = {"collection": "sky", part: value}
    content = sky.draw("ring", 5)
    if way == "form":
        files = {"file": ("ring.fits", content)}
        answer = http.post(f"/v1/{path}", files=files, data=said)
    else:
        headers = {"Content-Type": "application/fits"}
        answer = http.post(f"/v1/{path}", content=content, params=said, headers=headers)
    told = problem_in(answer)
    assert (answer.status_code, told["reason"]) == (400, "BAD_JSON")
    assert told["detail"].startswith(f"{part} is {value!r}: it has to be ")
    assert wanted in told["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/collections",
        "/v1/collections/sky",
        "/v1/object?collection=sky&id=ring-0",
        "/v1/thumbnail?collection=sky&id=ring-0",
        "/v1/collections/sky/cone?RA=150&DEC=2&SR=180",
        "/v1/health/live",
        "/v1/health/ready",
        "/v1/metrics",
        "/v1/docs",
        "/v1/openapi.json",
        "/v1/collections/other",
        "/v1/nothing",
        "/v1/analyze",
    ],
)
def test_head_tells_what_get_would(http: httpx.Client, path: str) -> None:
    """Status and headers, no body; also where GET is an error."""
    head, get = http.head(path), http.get(path)
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers.get("etag") == get.headers.get("etag")
    assert head.content == b""
    assert http.get("/v1/health/live").status_code == 200  # the connection lives on


def test_head_of_what_goes_on_ends(own: httpx.Client) -> None:
    """The events of a job, of which most are still in line, are not waited for."""
    fit = {"fit": {"collection": "sky"}}
    job = [own.post("/jobs", json=fit).json()["job"] for _ in range(8)][-1]
    head = own.head(f"/jobs/{job['job_id']}/events")
    assert head.status_code == 200
    assert head.headers["content-type"].startswith("text/event-stream")
    assert head.content == b""
    assert own.get(f"/jobs/{job['job_id']}").json()["job"]["state"] in (
        *("JOB_STATE_WAITING", "JOB_STATE_RUNNING"),
    )


def test_who_has_no_key_does_not_hear_which_paths_there_are(
    serving: Serving, data: Path
) -> None:
    """401 comes before 404 and 405, and nobody is sent elsewhere."""
    secret = Keys(data / "keys.json").add("reader", Scope.READ)
    asked = [
        ("GET", "nothing"),
        ("GET", "analyze"),
        ("PATCH", "collections"),
        ("GET", "collections"),
        ("GET", "collections/"),
        ("HEAD", "nothing"),
    ]
    with serving(data) as server:
        base = f"http://{server.addresses['http_address']}/v1"
        with httpx.Client(base_url=base) as http:
            for headers in ({}, {"Authorization": "Bearer skylike_none"}):
                answers = [http.request(*one, headers=headers) for one in asked]
                assert [one.status_code for one in answers] == [401] * len(asked)
                details = {json.dumps(one.json()["detail"]) for one in answers[:-1]}
                assert len(details) == 1
            known = {"Authorization": f"Bearer {secret}"}
            answers = [http.request(*one, headers=known) for one in asked]
            assert [one.status_code for one in answers] == [
                *(404, 405, 405, 200, 404, 404),
            ]
