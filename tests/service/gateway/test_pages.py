"""The explorer's pages as they are sent: headers, compression, policies, and to whom."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import plotly
import pytest
from tests.service.gateway.conftest import Serving

from skylike.service.explorer.explorer import VIEWS
from skylike.service.keys import Keys, Scope

_LINKED = re.compile(r'(?:href|src|content)="(explorer/[^"]+)"')


@pytest.fixture
def http(serving: Serving, data: Path) -> Iterator[httpx.Client]:
    """Asks a gateway, and unpacks nothing by itself."""
    with serving(data) as server:
        base = f"http://{server.addresses['http_address']}"
        with httpx.Client(base_url=base, headers={"Accept-Encoding": ""}) as client:
            yield client


def _linked(http: httpx.Client, view: str = "") -> list[str]:
    return [f"/{one}" for one in _LINKED.findall(http.get(f"/{view}").text)]


def test_every_view_has_a_page_with_a_strict_policy(http: httpx.Client) -> None:
    """Scripts only from here; the map's alone may make functions from texts."""
    for view in VIEWS:
        answer = http.get(f"/{view}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "camera=()" in answer.headers["permissions-policy"]
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["content-security-policy"].split(";")
        )
        for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
            assert policy[name] == "'none'"
        assert policy["connect-src"] == "'self'"
        assert policy["img-src"] == "'self' blob: data:"
        is_map = view == "map"
        more = " 'unsafe-eval'" if is_map else ""
        assert policy["script-src"] == f"'self'{more}"
        more = " 'unsafe-inline'" if is_map else ""
        assert policy["style-src"] == f"'self'{more}"


def test_what_a_page_loads_is_kept_for_ever_under_its_own_address(
    http: httpx.Client,
) -> None:
    """Scripts, styles and Plotly's file; an address without the digest leads nowhere."""
    links = _linked(http)
    assert {link.rpartition(".")[2] for link in links} == {"css", "js", "svg"}
    for link in links:
        answer = http.get(link)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert re.search(r"[0-9a-f]{16}", link)
    assert http.get("/explorer/main.js").status_code == 404
    assert http.get("/explorer/../engine/engine.py").status_code == 404


def test_every_module_that_is_imported_is_there(http: httpx.Client) -> None:
    """From the first script on, whatever view."""
    [first] = [link for link in _linked(http) if link.endswith("/main.js")]
    waiting, seen = [first], set()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = http.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        for found in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', answer.text):
            waiting.append(str(httpx.URL(f"http://x{address}").join(found).path))
    assert len(seen) > 20


def test_plotly_is_that_of_its_package(http: httpx.Client) -> None:
    [address] = [one for one in _linked(http, "map") if "plotly-" in one]
    file = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert http.get(address).content == file.read_bytes()


def test_who_takes_packed_files_gets_them_packed(http: httpx.Client) -> None:
    """And others as they are; both are told apart by their marks."""
    for path in ("/", _linked(http)[0]):
        plain = http.get(path)
        assert "content-encoding" not in plain.headers
        request = http.build_request(
            "GET", path, headers={"Accept-Encoding": "br, gzip"}
        )
        packed = http.send(request, stream=True)
        content = b"".join(packed.iter_raw())
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert packed.headers["etag"] != plain.headers["etag"]
        assert gzip.decompress(content) == plain.content
        assert len(content) < len(plain.content)
        refused = http.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})
        assert "content-encoding" not in refused.headers


def test_who_has_a_page_already_is_told_so(http: httpx.Client) -> None:
    mark = http.get("/status").headers["etag"]
    again = http.get("/status", headers={"If-None-Match": f'"x", W/{mark}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == mark
    assert http.get("/status", headers={"If-None-Match": '"x"'}).status_code == 200
    assert http.head("/status").headers["etag"] == mark


def test_pages_need_no_key_and_answers_do(serving: Serving, data: Path) -> None:
    """They hold nothing of the archive, and have to ask for the key."""
    Keys(data / "keys.json").add("reader", Scope.READ)
    with serving(data) as server:
        base = f"http://{server.addresses['http_address']}"
        with httpx.Client(base_url=base) as http:
            for view in VIEWS:
                assert http.get(f"/{view}").status_code == 200
            assert http.get(_linked(http)[0]).status_code == 200
            assert http.get("/v1/collections").status_code == 401
            assert http.get("/other").status_code == 401


def test_a_page_tells_where_programs_ask(serving: Serving, data: Path) -> None:
    with serving(data) as server:
        page = httpx.get(f"http://{server.addresses['http_address']}/").text
        assert f'name="skylike-grpc" content="{server.address}"' in page


@pytest.mark.parametrize(
    ("path", "back"), [("/nonsense", "./"), ("/a/b/nonsense", "../../")]
)
def test_people_who_are_lost_get_a_page_that_leads_back(
    http: httpx.Client, path: str, back: str
) -> None:
    """A browser says that it shows HTML; programs are told in JSON as ever."""
    shown = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = http.get(path, headers={"Accept": shown})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["vary"] == "Accept"
    (link,) = re.findall(r"<a href='([^']+)'", answer.text)
    assert link == back
    assert httpx.URL(str(answer.url)).join(link).path == "/"
    told = http.get(path, headers={"Accept": "*/*"})
    assert told.status_code == 404
    assert told.json()["reason"] == "HTTP_404"
