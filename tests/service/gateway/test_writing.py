"""What changes over HTTP: objects, collections, aliases, jobs."""

import base64
import json
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.service.gateway.conftest import Serving

from skylike.service.keys import Keys, Scope

FITS = {"Content-Type": "application/fits"}


def _object(http: httpx.Client, id: str) -> dict[str, Any]:
    answer = http.get("/object", params={"collection": "sky", "id": id})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["object"]
    return found


@pytest.mark.parametrize("way", ["form", "raw", "JSON"])
def test_an_upload_becomes_an_object_with_all_that_was_said_of_it(
    own: httpx.Client, sky: SimpleNamespace, way: str
) -> None:
    content = sky.draw("ring", 5)
    attributes = {"mag": {"number": 20.25}, "field": {"text": "NGC 1"}}
    told: dict[str, Any] = {
        "id": "night/1 é",
        "epoch_mjd": 61000.5,
        "position": {"ra_deg": 10.5, "dec_deg": -3},
        "attributes": attributes,
        "labels": ["a ring", "odd"],
    }
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in {**told, "collection": "sky"}.items()
    }
    cutout = {"fits": base64.b64encode(content).decode()}
    answer = own.post(
        "/objects",
        **{
            "form": {"files": {"file": ("new.fits", content)}, "data": texts},
            "raw": {"content": content, "headers": FITS, "params": texts},
            "JSON": {
                "json": {"collection": "sky", "objects": [{**told, "cutout": cutout}]}
            },
        }[way],
    )
    assert answer.status_code == 200, answer.text
    found = _object(own, "night/1 é")
    # The service has measured some more.
    found["attributes"] = {name: found["attributes"][name] for name in attributes}
    assert {name: found[name] for name in told} == told
    assert found["thumbnail_png"]
    about = {"collection": "sky", "k": "1"}
    hits = own.post("/neighbors", content=content, headers=FITS, params=about).json()
    assert hits["hits"][0]["object"]["id"] == "night/1 é"


def test_a_form_may_carry_how_to_search(
    own: httpx.Client, sky: SimpleNamespace
) -> None:
    """The filter and the rest of the options are JSON, in the form or the address."""
    options = {
        "filter": {"attribute_in": {"name": "kind", "values": [{"text": "long"}]}},
        "exact": True,
    }
    answer = own.post(
        "/analyze",
        files={"file": sky.draw("ring", 5)},
        data={"collection": "sky", "options": json.dumps(options)},
    )
    hits = answer.json()["hits"]
    assert len(hits) == 10
    assert all(hit["object"]["id"].startswith("long-") for hit in hits)


def test_a_write_with_a_name_is_done_once(
    own: httpx.Client, sky: SimpleNamespace
) -> None:
    """Named by the header, quoted or not, or in the options, which are one and the same."""
    send: dict[str, Any] = {
        "files": {"file": sky.draw("ring", 5)},
        "data": {
            "collection": "sky",
            "id": "new",
            "options": '{"ack": "ACK_LEVEL_ASYNC"}',
        },
    }
    first = own.post("/objects", **send, headers={"Idempotency-Key": '"night-7"'})
    assert first.json()["was_done"] is False
    for again in ('"night-7"', "night-7"):
        answer = own.post("/objects", **send, headers={"Idempotency-Key": again})
        assert answer.json()["was_done"] is True
    version = first.json()["context"]["collection_version"]
    assert answer.json()["context"]["collection_version"] == version
    taken = own.post("/objects", **send, headers={"Idempotency-Key": "another"})
    assert (taken.status_code, taken.json()["kind"]) == (409, "ALREADY_EXISTS")
    body = {"collection": "sky", "ids": ["new"], "options": {"request_id": "gone"}}
    assert own.post("/objects/delete", json=body).json()["num_objects"] == "1"
    named = own.post("/objects/delete", json=body, headers={"Idempotency-Key": "gone"})
    assert named.json()["was_done"] is True


@pytest.mark.parametrize(
    ("path", "keys", "body"),
    [
        ("/labels", ["one"], {"options": {"request_id": "two"}}),
        ("/labels", ['""'], {}),
        ("/labels", ["one", "two"], {}),
        ("/labels", ["x" * 129], {}),
        ("/collections", ["one"], {}),
        ("/jobs", ["one"], {"compact": {"collection": "sky"}, "request_id": "two"}),
        ("/jobs", ["x" * 129], {"compact": {"collection": "sky"}}),
    ],
)
def test_names_that_cannot_be_kept_are_refused(
    own: httpx.Client, path: str, keys: list[str], body: dict[str, Any]
) -> None:
    """Also of writes that are done again each time: a promise would be broken."""
    headers = httpx.Headers([("Idempotency-Key", key) for key in keys])
    answer = own.post(
        path,
        json={"collection": "sky", **body} if path == "/labels" else body,
        headers=headers,
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "BAD_REQUEST_ID")


def test_a_job_with_a_name_is_started_once(own: httpx.Client) -> None:
    """Another job under the same name is refused."""
    work = {"compact": {"collection": "sky"}}
    named = {"Idempotency-Key": '"night-7"'}
    jobs = [
        own.post("/jobs", json=body, headers=headers).json()["job"]["job_id"]
        for body, headers in (
            (work, named),
            (work, named),
            ({**work, "request_id": "night-7"}, {}),
            (work, {}),
        )
    ]
    assert jobs[0] == jobs[1] == jobs[2] != jobs[3]
    other = own.post("/jobs", json={"fit": {"collection": "sky"}}, headers=named)
    assert other.json()["reason"] == "REQUEST_ID_REUSED"


def test_objects_are_changed_and_deleted(own: httpx.Client) -> None:
    ids = ["ring-0", "ring-1", "nobody"]
    body = {"collection": "sky", "ids": ids}
    told = own.post("/labels", json={**body, "add": ["odd"]}).json()
    assert told["num_objects"] == "2"
    set_ = {"attributes": {"mag": {"number": 1}}, "remove": ["kind"]}
    assert own.post("/attributes", json={**body, **set_}).json()["num_objects"] == "2"
    found = _object(own, "ring-0")
    assert found["labels"] == ["odd"]
    assert found["attributes"]["mag"] == {"number": 1.0}
    assert "kind" not in found["attributes"]
    assert own.post("/objects/delete", json=body).json()["num_objects"] == "2"
    gone = own.get("/object", params={"collection": "sky", "id": "ring-0"})
    assert (gone.status_code, gone.json()["reason"]) == (404, "UNKNOWN_ID")


def test_all_objects_are_scrolled_by_tokens(own: httpx.Client) -> None:
    seen: list[str] = []
    token = ""
    while True:
        body = {"collection": "sky", "page_size": 25, "page_token": token}
        page = own.post("/objects/list", json=body).json()
        seen += [one["id"] for one in page["objects"]]
        token = page["next_page_token"]
        if not token:
            break
    assert len(seen) == len(set(seen)) == 60
    body["page_token"] = "forged"
    assert own.post("/objects/list", json=body).json()["reason"] == "BAD_PAGE_TOKEN"


def test_collections_and_aliases_come_and_go(own: httpx.Client) -> None:
    made = own.post("/collections", json={"collection": "new", "model_of": "sky"})
    assert made.json()["collection"]["num_objects"] == "0"
    again = own.post("/collections", json={"collection": "new", "model_of": "sky"})
    assert (again.status_code, again.json()["kind"]) == (409, "ALREADY_EXISTS")
    live = "/aliases/live"
    assert own.put(live, params={"collection": "sky"}).json() == {
        "alias": {"alias": "live", "collection": "sky"}
    }
    own.put(live, params={"collection": "new"})
    assert own.post(f"{live}/rollback").json()["alias"]["collection"] == "sky"
    assert own.get("/aliases").json()["aliases"] == [
        {"alias": "live", "collection": "sky"}
    ]
    body = {"collection": "live", "page_size": 1}
    assert own.post("/objects/list", json=body).json()["context"]["collection"] == "sky"
    assert own.delete(live).json() == {}
    assert own.delete("/collections/new").json() == {}
    assert own.delete("/collections/new").status_code == 404


def _events(answer: httpx.Response) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line)
        if fields and "" not in fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


def test_a_job_is_started_watched_and_told(own: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "sky.snapshot"
    work = {"snapshot": {"collection": "sky", "path": str(path)}}
    job = own.post("/jobs", json=work).json()["job"]
    watched = own.get(f"/jobs/{job['job_id']}/events")
    assert watched.headers["content-type"].startswith("text/event-stream")
    events = _events(watched)
    assert {event for event, _, _ in events} == {"job"}
    assert [id for _, id, _ in events] == [told["state"] for _, _, told in events]
    assert events[-1][2]["state"] == "JOB_STATE_DONE"
    assert path.is_file()
    now = own.get(f"/jobs/{job['job_id']}").json()["job"]
    assert now == events[-1][2]
    assert own.get("/jobs").json()["jobs"] == [now]
    assert now["collection"] == "sky"
    assert now["create_time"] <= now["start_time"] <= now["end_time"]
    rejects = own.get(f"/jobs/{job['job_id']}/rejects?page_size=3").json()
    assert rejects == {"rejects": [], "next_page_token": "", "total_size": "0"}
    known = {"Last-Event-ID": "JOB_STATE_DONE"}
    assert own.get(watched.url.path[3:], headers=known).status_code == 204
    for path_of_none in ("/jobs/none", "/jobs/none/events", "/jobs/none/rejects"):
        answer = own.get(path_of_none)
        assert (answer.status_code, answer.json()["reason"]) == (404, "UNKNOWN_JOB")


def _images(folder: Path, sky: SimpleNamespace, number: int) -> str:
    """Enough of them for a job to take a while."""
    folder.mkdir()
    for i in range(number):
        (folder / f"{i}.fits").write_bytes(sky.draw("ring", i))
    return str(folder)


def test_a_job_is_cancelled(
    own: httpx.Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """One that waits behind another; who watches it is told."""
    images = _images(tmp_path / "images", sky, 200)
    work = {"index": {"collection": "sky", "sources": [images], "workers": 1}}
    running = own.post("/jobs", json=work).json()["job"]["job_id"]
    waiting = own.post("/jobs", json={"fit": {"collection": "sky"}}).json()["job"]
    with own.stream("GET", f"/jobs/{waiting['job_id']}/events") as watched:
        own.post(f"/jobs/{waiting['job_id']}/cancel").raise_for_status()
        told = watched.read().decode()
    assert "JOB_STATE_CANCELLED" in told
    assert own.post(f"/jobs/{running}/cancel").status_code == 200


def test_who_stops_watching_holds_nothing(
    own: httpx.Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """Neither a thread of the service nor a call of it: each ends as cancelled."""
    for name in "ab":
        work = {"collection": "sky", "sources": [_images(tmp_path / name, sky, 300)]}
        job = own.post("/jobs", json={"index": {**work, "workers": 1}}).json()["job"]
    for _ in range(3):
        with own.stream("GET", f"/jobs/{job['job_id']}/events") as answer:
            assert next(answer.iter_lines()) == "event: job"
    method = 'method="skylike.v1.JobService/WatchJob"'
    cancelled = f'skylike_calls_total{{code="CANCELLED",{method}}} 3.0'
    until = time.monotonic() + 10
    while cancelled not in (told := own.get("/metrics").text):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert f"skylike_calls_in_flight{{{method}}} 0.0" in told


def test_watches_take_no_room_from_the_rest(
    serving: Serving, data: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """As many as there may be are answered; one more is told to come later."""
    images = _images(tmp_path / "images", sky, 400)
    work = {"index": {"collection": "sky", "sources": [images], "workers": 1}}
    with (
        serving(data, roots=[tmp_path], max_calls=8) as server,
        ExitStack() as watching,
    ):
        base = f"http://{server.addresses['http_address']}/v1"
        http = watching.enter_context(httpx.Client(base_url=base, timeout=20))
        for _ in range(2):
            job = http.post("/jobs", json=work).json()["job"]["job_id"]
        events = f"/jobs/{job}/events"

        def watch(stack: ExitStack) -> httpx.Response:
            return stack.enter_context(http.stream("GET", events))

        first = ExitStack()
        assert watch(first).status_code == 200
        assert watch(watching).status_code == 200
        for _ in range(3):
            answer = http.get(events)
            assert (answer.status_code, answer.json()["reason"]) == (
                503,
                "TOO_MANY_WATCHES",
            )
        assert http.get("/health/ready").status_code == 200
        assert http.get("/collections").status_code == 200
        first.close()
        until = time.monotonic() + 20
        while watch(watching).status_code == 503:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_nothing_that_is_said_is_passed_over(
    own: httpx.Client, sky: SimpleNamespace
) -> None:
    """Bodies where the address says it all, fields beside a file that there are not."""
    answer = own.request("DELETE", "/collections/sky", json={"collection": "other"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BAD_FORM")
    for texts in ({"ids": "[]"}, {"query": "{}"}, {"objects": "[]"}):
        about = {"collection": "sky", "id": "new", **texts}
        answer = own.post("/objects", files={"file": sky.draw()}, data=about)
        assert (answer.status_code, answer.json()["reason"]) == (400, "BAD_FORM"), texts
    twice = {"collection": "sky", "id": ["a", "b"]}
    answer = own.post("/objects", content=sky.draw(), headers=FITS, params=twice)
    assert answer.json()["reason"] == "BAD_FORM"
    once: dict[str, Any] = {"collection": "sky", "id": "a"}
    form: dict[str, Any] = {"files": {"file": sky.draw()}}
    answers = [
        own.post("/objects", **form, data=once, params={"id": "b"}),
        own.post("/objects", **form, data={**once, "id": ["a", "b"]}),
        own.get("/collections/sky", params={"collection": "other"}),
    ]
    for answer, name in zip(answers, ("id", "id", "collection"), strict=True):
        assert answer.status_code == 400
        assert f"{name!r} is said twice" in answer.json()["detail"]
    files = [("file", sky.draw()), ("file", sky.draw())]
    unparted = {"Content-Type": "multipart/form-data"}
    for many in (
        own.post("/objects", files=files),
        own.post("/objects", content=b"x", headers=unparted),
    ):
        assert (many.status_code, many.json()["reason"]) == (400, "BAD_FORM")
    about = {"collection": "sky", "id": "new", "attributes": "{"}
    answer = own.post("/objects", files={"file": sky.draw()}, data=about)
    assert answer.json()["reason"] == "BAD_JSON"
    assert own.get("/collections/sky").json()["collection"]["num_objects"] == "60"


def test_each_scope_may_do_what_it_may_over_grpc(
    serving: Serving, data: Path, sky: SimpleNamespace
) -> None:
    keys = Keys(data / "keys.json")
    secrets = {scope: keys.add(str(scope), scope) for scope in Scope}
    calls = {
        ("POST", "/labels"): Scope.WRITE,
        ("POST", "/attributes"): Scope.WRITE,
        ("POST", "/objects"): Scope.WRITE,
        ("POST", "/objects/delete"): Scope.WRITE,
        ("POST", "/objects/count"): Scope.READ,
        ("POST", "/collections"): Scope.ADMIN,
        ("DELETE", "/collections/none"): Scope.ADMIN,
        ("PUT", "/aliases/live"): Scope.ADMIN,
        ("DELETE", "/aliases/live"): Scope.ADMIN,
        ("POST", "/aliases/live/rollback"): Scope.ADMIN,
        ("POST", "/jobs"): Scope.ADMIN,
        ("POST", "/jobs/none/cancel"): Scope.ADMIN,
        ("GET", "/jobs/none/events"): Scope.READ,
        ("GET", "/jobs/none/rejects"): Scope.READ,
        ("GET", "/collections/none/cone?RA=1&DEC=1&SR=1"): Scope.READ,
    }
    with serving(data) as server:
        base = f"http://{server.addresses['http_address']}/v1"
        with httpx.Client(base_url=base) as http:
            for (verb, path), needed in calls.items():
                body: Any = (
                    {"json": {}} if path.count("/") < 3 and verb == "POST" else {}
                )
                for scope, secret in secrets.items():
                    mine = {"Authorization": f"Bearer {secret}"}
                    answer = http.request(verb, path, headers=mine, **body)
                    is_refused = answer.status_code == 403
                    assert is_refused is (scope < needed), (path, scope, answer.text)
                assert http.request(verb, path, **body).status_code == 401, path


def test_a_watched_job_does_not_keep_a_server_from_stopping(
    serving: Serving, data: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    images = _images(tmp_path / "images", sky, 400)
    work = {"index": {"collection": "sky", "sources": [images], "workers": 1}}
    with serving(data, roots=[tmp_path], grace_seconds=30) as server:
        base = f"http://{server.addresses['http_address']}/v1"
        with httpx.Client(base_url=base, timeout=60) as http:
            for _ in range(3):
                job = http.post("/jobs", json=work).json()["job"]["job_id"]
            with http.stream("GET", f"/jobs/{job}/events") as watched:
                assert next(watched.iter_lines()) == "event: job"
                begun = time.monotonic()
                assert server._gateway is not None
                server._gateway.stop(30)
                assert time.monotonic() - begun < 10
