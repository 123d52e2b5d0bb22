"""Web pages do not get in by way of a browser on this machine."""

from pathlib import Path

import httpx
import pytest
from tests.service.gateway.conftest import Serving

LABEL = {"collection": "sky", "ids": ["ring-0"], "add": ["hostile"]}
OURS = "https://sky.example"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"])
def test_the_names_of_this_machine_are_answered(own: httpx.Client, host: str) -> None:
    assert own.get("/collections", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[", "a:b:c"],
)
@pytest.mark.parametrize("path", ["/collections", "/docs", "/health/live", "/nothing"])
def test_a_name_that_somebody_lets_point_here_is_not(
    own: httpx.Client, host: str, path: str
) -> None:
    """DNS rebinding: the page is of the same origin then, so that nothing else helps."""
    answer = own.get(path, headers={"Host": host})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["reason"] == "WRONG_HOST"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_proxy_s_name_may_be_allowed(serving: Serving, data: Path) -> None:
    with serving(data, http_hosts="Sky.example, other.example") as server:
        url = f"http://{server.addresses['http_address']}/v1/collections"
        for host, status in (
            ("sky.example", 200),
            ("sky.example:443", 200),
            ("localhost", 200),
            ("evil.example", 400),
        ):
            assert httpx.get(url, headers={"Host": host}).status_code == status


def test_other_addresses_may_have_any_name_unless_some_are_named(
    serving: Serving, data: Path
) -> None:
    everywhere = {"http_address": "0.0.0.0:0", "insecure": True}
    for names, status in ((), 200), (("sky.example",), 400):
        with serving(data, http_hosts=names, **everywhere) as server:
            port = server.addresses["http_address"].rpartition(":")[2]
            url = f"http://127.0.0.1:{port}/v1/collections"
            assert httpx.get(url).status_code == status
            named = httpx.get(url, headers={"Host": "sky.example"})
            assert named.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://SELF"},
    ],
)
def test_a_page_of_another_origin_changes_nothing(
    own: httpx.Client, headers: dict[str, str]
) -> None:
    """Forms, text and fits are sent by pages without asking first, and need no answer."""
    headers = {
        k: v.replace("SELF", own.base_url.netloc.decode()) for k, v in headers.items()
    }
    for answer in (
        own.post("/labels", json=LABEL, headers=headers),
        own.post("/objects", files={"file": b"SIMPLE"}, headers=headers),
        own.post("/objects", content=b"", headers=headers),
        own.post("/aliases/live/rollback", headers=headers),
        own.put("/aliases/live", params={"collection": "sky"}, headers=headers),
        own.delete("/collections/sky", headers=headers),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (403, "OTHER_ORIGIN")
    assert own.get("/collections/sky").json()["collection"]["num_objects"] == "60"


def test_own_pages_programs_and_named_origins_may(serving: Serving, data: Path) -> None:
    with serving(data, cors_origins=[OURS]) as server:
        address = server.addresses["http_address"]
        for headers in (
            {},
            {"Origin": f"http://{address}"},
            {"Origin": f"http://{address}", "Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": OURS},
            {"Origin": OURS, "Sec-Fetch-Site": "cross-site"},
        ):
            url = f"http://{address}/v1/labels"
            assert httpx.post(url, json=LABEL, headers=headers).status_code == 200
        asked = {
            "Origin": OURS,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization,idempotency-key",
        }
        url = f"http://{address}/v1/aliases/live"
        assert httpx.options(url, headers=asked).status_code == 200


def test_what_is_refused_is_counted(own: httpx.Client) -> None:
    own.get("/collections", headers={"Host": "evil.example"})
    told = own.get("/metrics").text
    assert 'skylike_errors_total{reason="wrong_host"} 1.0' in told
