"""The gateway over real sockets: asked by HTTP, compared with what gRPC says."""

import base64
import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from google.protobuf import json_format
from tests.service.gateway.conftest import problem_in

from skylike.service.config import Settings
from skylike.service.errors import BadSettings
from skylike.service.server.serve import Server
from skylike.v1 import search_pb2, search_pb2_grpc, types_pb2

FITS = {"Content-Type": "application/fits"}
ORIGIN = "https://sky.example"


@pytest.fixture(scope="module")
def server(served: SimpleNamespace) -> Iterator[Server]:
    settings = Settings(
        address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        cors_origins=(ORIGIN,),
        grace_seconds=1,
    )
    with Server(served.engine, settings) as server:
        server.ready()
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{server.addresses['http_address']}") as client:
        yield client


@pytest.fixture
def grpc_channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def _ways(content: bytes) -> dict[str, dict[str, Any]]:
    """All ways to ask about one file, about nothing else, for five neighbours."""
    about = {"collection": "sky", "k": "5"}
    query = {"cutout": {"fits": base64.b64encode(content).decode()}}
    form = {"file": ("new.fits", content)}
    return {
        "raw": {"content": content, "headers": FITS, "params": about},
        "form": {"files": form, "data": about},
        "form and address": {"files": form, "params": about},
        "JSON": {"json": {"collection": "sky", "k": 5, "query": query}},
    }


@pytest.mark.parametrize("way", ["raw", "form", "form and address", "JSON"])
@pytest.mark.parametrize("method", ["Neighbors", "Analyze"])
def test_an_upload_gets_the_answer_of_grpc(
    http: httpx.Client,
    grpc_channel: grpc.Channel,
    sky: SimpleNamespace,
    way: str,
    method: str,
) -> None:
    """Field for field, whatever way the file came."""
    content = sky.draw("ring", 77)
    request = getattr(search_pb2, f"{method}Request")(collection="sky", k=5)
    request.query.cutout.fits = content
    expected = getattr(search_pb2_grpc.SearchServiceStub(grpc_channel), method)(request)
    answer = http.post(f"/v1/{method.lower()}", **_ways(content)[way])
    assert answer.status_code == 200, answer.text
    found = type(expected)()
    json_format.Parse(answer.content, found)
    assert found == expected
    version = answer.json()["context"]["collection_version"]
    assert version == str(expected.context.collection_version)
    assert len(answer.json()["hits"]) == 5


def test_discoveries_are_chosen_among_p_values(http: httpx.Client) -> None:
    body = {"p_values": [0.5, 0.001, 0.03], "rate": 0.1}
    answer = http.post("/v1/discover", json=body).json()
    assert answer == {"selected": [False, True, True], "threshold": 0.03}
    refused = http.post("/v1/discover", json=body | {"rate": 2})
    assert (refused.status_code, refused.json()["reason"]) == (400, "BAD_RATE")


@pytest.mark.parametrize(
    "path", ["embed", "neighbors", "cluster", "anomaly", "analyze"]
)
@pytest.mark.parametrize(
    "query",
    [
        {"object_id": "ring-0"},
        {"sky": {"position": {"ra_deg": 150.0, "dec_deg": 4.0}}},
        {"vector": {"values": [1.0] * 24}},
        {"examples": {"like_ids": ["ring-0", "ring-1"]}},
    ],
)
def test_every_question_takes_every_kind_of_query(
    http: httpx.Client, path: str, query: dict[str, Any]
) -> None:
    answer = http.post(f"/v1/{path}", json={"collection": "sky", "query": query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["context"]["collection"] == "sky"


def test_vectors_are_numbers_and_go_back_as_they_came(http: httpx.Client) -> None:
    body = {"collection": "sky", "query": {"object_id": "ring-0"}}
    vector = http.post("/v1/embed", json=body).json()["vector"]
    assert np.linalg.norm(vector["values"]) == pytest.approx(1, abs=1e-6)
    again = http.post(
        "/v1/neighbors", json={"collection": "sky", "query": {"vector": vector}}
    ).json()
    assert again["hits"][0]["object"]["id"] == "ring-0"


def test_the_catalog_is_listed_counted_and_filtered(http: httpx.Client) -> None:
    page = http.get("/v1/collections", params={"page_size": 2}).json()
    assert len(page["collections"]) == 2
    rest = http.get("/v1/collections", params={"page_token": page["next_page_token"]})
    assert rest.json()["collections"]
    sky = http.get("/v1/collections/sky").json()["collection"]
    assert sky["num_objects"] == "60"
    kind = {"attribute_in": {"name": "kind", "values": [{"text": "ring"}]}}
    body = {"collection": "sky", "filter": kind}
    assert http.post("/v1/objects/count", json=body).json()["num_objects"] == "20"
    found = http.post("/v1/objects/list", json=body | {"page_size": 7}).json()
    assert len(found["objects"]) == 7
    one = http.get("/v1/object", params={"collection": "sky", "id": "ring-0"}).json()
    assert one["object"]["attributes"]["number"] == {"integer": "0"}
    clusters = http.get("/v1/clusters", params={"collection": "sky"}).json()["clusters"]
    members = http.post("/v1/clusters/members", json=body | {"label": 0}).json()
    ids = {one["object"]["id"] for one in members["members"]}
    assert ids <= {f"ring-{number}" for number in range(20)}
    every = http.post("/v1/clusters/members", json={"collection": "sky"}).json()
    first = [one["object"]["id"] for one in every["members"][:5]]
    assert first == clusters[0]["exemplar_ids"]
    page = http.post("/v1/anomalies/list", json=body | {"page_size": 3}).json()
    assert (page["fit_version"], len(page["anomalies"])) == ("1", 3)
    token = {"page_token": page["next_page_token"]}
    rest = http.post("/v1/anomalies/list", json=body | token).json()
    assert (len(rest["anomalies"]), rest["next_page_token"]) == (17, "")
    refused = http.post("/v1/anomalies/list", json={"collection": "sky"} | token)
    assert refused.status_code == 400
    assert refused.json()["reason"] == "BAD_PAGE_TOKEN"


def test_a_thumbnail_is_kept_by_browsers_until_it_is_another(
    http: httpx.Client,
) -> None:
    ask = {"collection": "sky", "id": "ring-0"}
    answer = http.get("/v1/thumbnail", params=ask)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["cache-control"] == "private, no-cache"
    mark = answer.headers["etag"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    for known in (mark, f"W/{mark}", f'"other", {mark}', "*"):
        again = http.get("/v1/thumbnail", params=ask, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b""), known
    other = http.get("/v1/thumbnail", params={**ask, "id": "long-0"}).headers["etag"]
    for unknown in (other, f'"x{mark}x"', mark.strip('"')):
        again = http.get(
            "/v1/thumbnail", params=ask, headers={"If-None-Match": unknown}
        )
        assert again.content == answer.content, unknown


def test_a_thumbnail_of_a_version_is_kept_without_asking(
    own: httpx.Client, sky: SimpleNamespace
) -> None:
    """Until there is another version: then the address is another, and the picture."""
    ask = {"collection": "sky", "id": "ring-0"}
    collection = own.get("/collections/sky").json()["collection"]
    version = collection["context"]["collection_version"]
    kept = own.get("/thumbnail", params=ask | {"version": version})
    assert kept.headers["cache-control"] == "private, max-age=86400, immutable"
    own.put("/aliases/best", params={"collection": "sky"})
    for other in (
        {"version": str(int(version) + 1)},  # not there yet
        {"version": "1" * 5000},
        {"version": "\u0663"},
        {"version": ""},
        {},
        {"version": version, "collection": "best"},  # may point elsewhere
    ):
        answer = own.get("/thumbnail", params=ask | other)
        assert answer.headers["cache-control"] == "private, no-cache", other
        assert answer.content == kept.content
    replaced = own.post(
        "/objects",
        content=sky.draw("long", 3),
        headers=FITS,
        params=ask | {"replace": "true"},
    )
    assert replaced.status_code == 200, replaced.text
    newer = replaced.json()["context"]["collection_version"]
    assert newer != version
    again = own.get("/thumbnail", params=ask | {"version": newer})
    assert again.content != kept.content
    assert again.headers["cache-control"] == "private, max-age=86400, immutable"


@pytest.mark.parametrize(
    ("verb", "path", "options", "status", "reason"),
    [
        ("POST", "analyze", {"content": b"GIF89a", "headers": FITS}, 400, "NOT_FITS"),
        ("POST", "analyze", {"content": b"", "headers": FITS}, 400, "EMPTY_FILE"),
        ("POST", "analyze", {"content": b"x"}, 400, "BAD_FORM"),
        ("POST", "analyze", {"data": {"collection": "sky"}}, 400, "BAD_FORM"),
        ("POST", "analyze", {"files": {"other": b"x"}}, 400, "BAD_FORM"),
        ("POST", "analyze", {"json": {"k": "many"}}, 400, "BAD_JSON"),
        ("POST", "analyze", {"json": {"wrong": 1}}, 400, "BAD_JSON"),
        ("POST", "analyze", {"json": []}, 400, "BAD_JSON"),
        ("POST", "analyze", {"json": {}}, 400, "EMPTY_QUERY"),
        ("POST", "analyze", {"json": {}, "params": {"k": "3"}}, 400, "BAD_FORM"),
        (
            "POST",
            "neighbors",
            {"json": {"collection": "sky", "query": {"object_id": "nobody"}}},
            404,
            "UNKNOWN_ID",
        ),
        (
            "POST",
            "cluster",
            {"json": {"collection": "bare", "query": {"object_id": "ring-0"}}},
            409,
            "NOT_FITTED",
        ),
        (
            "POST",
            "neighbors",
            {"json": {"collection": "sky", "query": {"vector": {"values": [1]}}}},
            409,
            "DIMENSION",
        ),
        ("GET", "collections/other", {}, 404, "UNKNOWN_COLLECTION"),
        ("GET", "collections", {"params": {"page_size": "-1"}}, 400, "BAD_PAGE_SIZE"),
        ("GET", "collections", {"params": {"size": "1"}}, 400, "BAD_JSON"),
        ("GET", "thumbnail", {"params": {"collection": "empty"}}, 404, "UNKNOWN_ID"),
        ("GET", "nothing", {}, 404, "HTTP_404"),
        ("GET", "analyze", {}, 405, "HTTP_405"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_with_its_reason(
    http: httpx.Client,
    verb: str,
    path: str,
    options: dict[str, Any],
    status: int,
    reason: str,
) -> None:
    if reason in ("NOT_FITS", "EMPTY_FILE"):
        options = options | {"params": {"collection": "sky"}}
    answer = http.request(verb, f"/v1/{path}", **options)
    told = problem_in(answer)
    assert (answer.status_code, told["reason"]) == (status, reason)


def test_deep_and_broken_json_is_refused(http: httpx.Client) -> None:
    """Nested fifty thousand times, cut off, with half a character."""
    deep = '{"options": {"filter": ' + '{"negated": ' * 50_000
    for text in (deep, '{"k": ', '{"collection": "\\ud800"}', "\x00", '"\xff"'):
        answer = http.post(
            "/v1/neighbors",
            content=text.encode("latin-1"),
            headers={"Content-Type": "application/json"},
        )
        assert problem_in(answer)["reason"] in ("BAD_JSON", "EMPTY_QUERY"), text[:40]
        assert answer.status_code == 400


def test_request_ids_come_back_and_go_on(http: httpx.Client) -> None:
    """The caller's if it is a plain word, else a new one."""
    for sent, kept in (("night-7.alert_3", True), ("two words", False)):
        answer = http.get("/v1/collections/no", headers={"x-request-id": sent})
        assert (answer.headers["x-request-id"] == sent) is kept
        problem_in(answer)


def test_health_and_metrics_are_told(http: httpx.Client) -> None:
    assert http.get("/v1/health/live").json() == {"status": "SERVING"}
    assert http.get("/v1/health/ready").json() == {"status": "SERVING"}
    health = http.get("/v1/health/list").json()["statuses"]
    assert health["skylike.v1.collection.sky"] == {"status": "SERVING"}
    text = http.get("/v1/metrics").text
    assert 'skylike_calls_total{code="200",method="GET /v1/health/list"} 1.0' in text
    assert 'method="grpc.health.v1.Health/List"' in text
    http.get("/v1/nothing/of/ours")
    assert "of/ours" not in http.get("/v1/metrics").text


def test_only_named_pages_may_ask(http: httpx.Client, served: SimpleNamespace) -> None:
    for origin, expected in ((ORIGIN, ORIGIN), ("https://other.example", None)):
        answer = http.get("/v1/health/live", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == expected
    settings = Settings(address="127.0.0.1:0", http_address="127.0.0.1:0")
    with Server(served.engine, settings) as server:
        answer = httpx.get(
            f"http://{server.addresses['http_address']}/v1/health/live",
            headers={"Origin": ORIGIN},
        )
        assert "access-control-allow-origin" not in answer.headers
        server.stop()


def test_the_page_needs_nothing_from_elsewhere(http: httpx.Client) -> None:
    """No script, no address of another host; every endpoint is on it."""
    answer = http.get("/v1/docs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    for absent in ("<script", "http://", "https://", "src="):
        assert absent not in answer.text
    document = http.get("/v1/openapi.json").json()
    for path in document["paths"]:
        assert path in answer.text
    pointers = set(re.findall(r'"\$ref": *"([^"]*)"', json.dumps(document)))
    schemas = {
        f"#/components/schemas/{name}" for name in document["components"]["schemas"]
    }
    assert pointers <= schemas
    assert set(re.findall(r"<a href=#(\w+)>", answer.text)) <= set(
        re.findall(r"<h3 id=(\w+)>", answer.text)
    )
    # What is no message has a schema that no message of the same name replaces.
    resolved = document["components"]["schemas"]["Resolved"]["properties"]
    name = resolved["position"]["$ref"].rpartition("/")[2]
    assert name not in types_pb2.DESCRIPTOR.message_types_by_name
    hit = document["components"]["schemas"]["Hit"]["properties"]
    assert hit["score"]["description"] == "Cosine similarity to the query, -1 to 1."
    assert "requestBody" in document["paths"]["/v1/analyze"]["post"]


def test_text_of_a_header_is_never_a_page(
    http: httpx.Client, sky: SimpleNamespace
) -> None:
    """What a file says of itself comes back as JSON, cut to what prints."""
    hostile = sky.draw("ring", 1, BUNIT="<script>x</script>", OBJECT="<img src=x>")
    about = {"collection": "sky", "name": "<script>\x1b[31m"}
    answer = http.post("/v1/embed", content=hostile, headers=FITS, params=about)
    assert answer.json()["reading"]["unit"] == "<script>x</script>"
    bad = http.post("/v1/embed", content=b"SIMPLE  = ", headers=FITS, params=about)
    assert "\x1b" not in problem_in(bad)["detail"]
    nothing = http.get("/v1/<script>alert(1)</script>")
    for told in (answer, bad, nothing):
        assert told.headers["content-type"].partition(";")[0].endswith("json")
        assert told.headers["x-content-type-options"] == "nosniff"


def test_a_taken_address_is_refused(server: Server, served: SimpleNamespace) -> None:
    taken = server.addresses["http_address"]
    settings = Settings(address="127.0.0.1:0", http_address=taken)
    with pytest.raises(BadSettings, match="cannot listen"):
        Server(served.engine, settings)


def test_it_says_when_it_is_not_ready(served: SimpleNamespace) -> None:
    settings = Settings(address="127.0.0.1:0", http_address="127.0.0.1:0")
    with Server(served.engine, settings) as server:
        base = f"http://{server.addresses['http_address']}/v1/health"
        assert httpx.get(f"{base}/ready").status_code == 503
        assert httpx.get(f"{base}/live").status_code == 200
        server.ready()
        assert httpx.get(f"{base}/ready").status_code == 200
