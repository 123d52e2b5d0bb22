"""Names are looked up where the settings say, and nowhere else."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from astropy.coordinates import name_resolve
from tests.service.gateway.conftest import Serving, problem_in
from tests.sesame import KNOWN, resolving, saying

from skylike.service.gateway import sesame
from skylike.service.keys import Keys, Scope

PLACES = {
    "M 51": (202.469575, 47.1952583),
    "[C/1] é&b?x=#": (0.0, -90.0),
    "origin": (360.0, 0.0),
}
HOSTILE = "<b>\u202egpj"


@contextmanager
def _asking(
    serving: Serving, data: Path, resolver: SimpleNamespace, **settings: Any
) -> Iterator[httpx.Client]:
    with serving(data, resolver_url=resolver.url, **settings) as server:
        base = f"http://{server.addresses['http_address']}/v1"
        with httpx.Client(base_url=base, timeout=30) as http:
            yield http


def _resolve(http: httpx.Client, name: str, **options: Any) -> httpx.Response:
    return http.get("/resolve", params={"name": name}, **options)


@pytest.mark.parametrize("name", [*PLACES])
def test_a_name_has_the_place_that_the_resolver_says(
    serving: Serving, data: Path, name: str
) -> None:
    """Whatever characters it has; and as astropy reads the same answer."""
    with resolving(PLACES) as resolver, _asking(serving, data, resolver) as http:
        answer = _resolve(http, f" {name} ")
        with name_resolve.sesame_url.set([resolver.url]):
            theirs = name_resolve.get_icrs_coordinates(name)
    assert answer.status_code == 200, answer.text
    ra, dec = theirs.ra.deg % 360, theirs.dec.deg
    position = {"ra_deg": pytest.approx(ra), "dec_deg": pytest.approx(dec)}
    assert answer.json() == {"name": name, "position": position}
    assert len(resolver.asked) == 2
    assert all(re.fullmatch(r"/nph-sesame/SNV\?[^?&#]+", one) for one in resolver.asked)


def test_a_name_that_nobody_knows_is_told_as_such(serving: Serving, data: Path) -> None:
    with resolving(PLACES) as resolver, _asking(serving, data, resolver) as http:
        told = problem_in(_resolve(http, "M 5111"))
    assert (told["status"], told["reason"]) == (404, "UNKNOWN_NAME")
    assert "'M 5111'" in told["detail"]
    assert resolver.host in told["detail"]


def test_a_name_that_is_none_is_asked_of_nobody(serving: Serving, data: Path) -> None:
    with resolving(PLACES) as resolver, _asking(serving, data, resolver) as http:
        for name in ("", "  ", "M" * 101, "M\n51", "M\x0051", HOSTILE):
            told = problem_in(_resolve(http, name))
            assert (told["status"], told["reason"]) == (400, "BAD_NAME"), name
        for query in ("", "?names=M", "?name=M&name=N", "?name=M&database=S"):
            told = problem_in(http.get(f"/resolve{query}"))
            assert (told["status"], told["reason"]) == (400, "BAD_FORM"), query
        assert resolver.asked == []
        assert _resolve(http, "M" * 100).json()["reason"] == "UNKNOWN_NAME"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>The service has moved</html>",
        "\x00\xff garbage " * 100,
        KNOWN.format(name="M", ra=400.0, dec=0.0),
        KNOWN.format(name="M", ra=40.0, dec=-91.0),
        "%J nan nan\n",
        "%J 202.4696\n#====Done====\n",
        "%J 20.46\n%J 1.2e-05 +5.0 = x\n#====Done====\n",
        "#=S=Simbad: 1\n%J 202.469575 +47",
        "#=S=Simbad: 0\n#=N=N",
        "%J " + "1" * 60_000 + "x\n",
        KNOWN.format(name="M", ra=40.0, dec=9.0) + " " * sesame.MOST_BYTES,
    ],
)
def test_an_answer_that_is_none_of_sesame_is_told(
    serving: Serving, data: Path, text: str
) -> None:
    """Also one without an end, one that breaks off, and a place that is not on the sky.

    At once: what takes long to understand holds up everybody.
    """
    others = {"M": saying(text)}
    with resolving({}, others) as resolver, _asking(serving, data, resolver) as http:
        begin = time.process_time()
        told = problem_in(_resolve(http, "M"))
        assert time.process_time() - begin < 5
    assert (told["status"], told["reason"]) == (502, "RESOLVER_ANSWER")


@pytest.mark.parametrize(
    "end", ["#! *** Nothing found *** \n", "#=N=NED:    0     2ms\n"]
)
def test_nothing_found_is_told_in_several_ways(
    serving: Serving, data: Path, end: str
) -> None:
    others = {
        "M": saying(f"# M\t#Q2672097\n{end}#====Done (2016-Mar-04,17:43:13z)====\n")
    }
    with resolving({}, others) as resolver, _asking(serving, data, resolver) as http:
        told = problem_in(_resolve(http, "M"))
    assert (told["status"], told["reason"]) == (404, "UNKNOWN_NAME")


def test_a_resolver_that_leads_elsewhere_is_not_followed(
    serving: Serving, data: Path
) -> None:
    """Nor is its status taken for an answer."""
    with resolving({"M": (1.0, 2.0)}) as elsewhere:
        others = {
            "M": saying("", 302, Location=f"{elsewhere.url}SNV?M"),
            "N": saying(KNOWN.format(name="N", ra=1.0, dec=1.0), 500),
            "O": saying("", 302, Location="http://["),  # no address at all
        }
        with (
            resolving({}, others) as resolver,
            _asking(serving, data, resolver) as http,
        ):
            for name, status in (("M", "302"), ("N", "500"), ("O", "")):
                told = problem_in(_resolve(http, name))
                assert (told["status"], told["reason"]) == (502, "RESOLVER_UNREACHABLE")
                assert status in told["detail"]
        assert elsewhere.asked == []


def test_a_resolver_of_an_impossible_name_is_not_reached(
    serving: Serving, data: Path
) -> None:
    """The settings take it for a host."""
    url = f"http://{'a' * 64}.example/"
    with _asking(serving, data, SimpleNamespace(url=url)) as http:
        told = problem_in(_resolve(http, "M 51"))
    assert (told["status"], told["reason"]) == (502, "RESOLVER_UNREACHABLE")


def test_a_resolver_that_is_not_there_is_told(serving: Serving, data: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        with _asking(serving, data, SimpleNamespace(url=url)) as http:
            told = problem_in(_resolve(http, "M 51"))
            metrics = http.get("/metrics").text
    assert (told["status"], told["reason"]) == (502, "RESOLVER_UNREACHABLE")
    assert 'skylike_errors_total{reason="resolver_unreachable"} 1.0' in metrics


def test_a_slow_resolver_is_not_waited_for_and_holds_nobody_up(
    serving: Serving, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says nothing, and one that drips; more than a few are told to come later."""
    monkeypatch.setattr(sesame, "SECONDS", 1.0)
    is_over = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        is_over.wait(20)

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        """A header that goes on for ever, each part of it in time."""
        while not is_over.wait(0.2):
            try:
                handler.wfile.write(b"H")
            except OSError:
                return

    others = {"silent": silent, "dripping": dripping}
    names = ["silent", "dripping"] * (sesame.MOST_AT_ONCE // 2)
    with (
        resolving(PLACES, others) as resolver,
        _asking(serving, data, resolver) as http,
        ThreadPoolExecutor(len(names)) as asking,
    ):
        answers = [asking.submit(_resolve, http, name) for name in names]
        until = time.monotonic() + 20
        while len(resolver.asked) < len(names) and time.monotonic() < until:
            time.sleep(0.01)
        told = problem_in(_resolve(http, "M 51"))
        assert (told["status"], told["reason"]) == (503, "TOO_MANY_NAMES")
        assert http.get("/collections").status_code == 200
        for answer in answers:
            told = problem_in(answer.result())
            assert (told["status"], told["reason"]) == (502, "RESOLVER_UNREACHABLE")
        is_over.set()
        until = time.monotonic() + 20
        while (last := _resolve(http, "M 51")).status_code == 503:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert last.status_code == 200


@pytest.mark.parametrize(
    "begin", ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n"]
)
def test_a_resolver_that_drips_holds_no_place(
    serving: Serving, data: Path, monkeypatch: pytest.MonkeyPatch, begin: str
) -> None:
    """Before its headers, within them, or within its answer; each part of it in time."""
    monkeypatch.setattr(sesame, "SECONDS", 1.0)
    is_over = threading.Event()
    ended = threading.Semaphore(0)

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin.encode())
        while not is_over.wait(0.2):
            try:
                handler.wfile.write(b"H" if begin else b"HTTP/1.1 100 Go on\r\n\r\n")
            except OSError:
                ended.release()
                return

    with (
        resolving(PLACES, {"dripping": dripping}) as resolver,
        _asking(serving, data, resolver) as http,
    ):
        try:
            for _ in range(sesame.MOST_AT_ONCE):
                told = problem_in(_resolve(http, "dripping"))
                assert told["reason"] == "RESOLVER_UNREACHABLE"
            for _ in range(sesame.MOST_AT_ONCE):
                assert ended.acquire(timeout=10)
            assert _resolve(http, "M 51").status_code == 200
        finally:
            is_over.set()


def test_without_a_resolver_nothing_is_offered(own: httpx.Client) -> None:
    told = problem_in(_resolve(own, "M 51"))
    assert (told["status"], told["reason"]) == (404, "NOT_CONFIGURED")
    assert "resolver_url" in told["detail"]
    page = httpx.get(str(own.base_url).removesuffix("v1/")).text
    assert 'name="skylike-resolver" content=""' in page


def test_the_page_tells_who_is_asked(serving: Serving, data: Path) -> None:
    url = "https://cds.unistra.fr/cgi-bin/nph-sesame/"
    with serving(data, resolver_url=url) as server:
        page = httpx.get(f"http://{server.addresses['http_address']}/").text
    assert 'name="skylike-resolver" content="cds.unistra.fr"' in page


def test_whoever_may_read_may_ask_as_often_as_its_key_allows(
    serving: Serving, data: Path
) -> None:
    keys = Keys(data / "keys.json")
    reader = keys.add("reader", Scope.READ)
    rare = keys.add("rare", Scope.READ, rate=0.01)
    with resolving(PLACES) as resolver, _asking(serving, data, resolver) as http:
        assert _resolve(http, "M 51").status_code == 401
        assert resolver.asked == []
        codes = [
            _resolve(http, "M 51", headers={"Authorization": f"Bearer {key}"})
            for key in (reader, reader, rare, rare)
        ]
    assert [one.status_code for one in codes] == [200, 200, 200, 429]
    assert len(resolver.asked) == 3


def test_a_page_of_another_origin_has_nothing_looked_up(
    serving: Serving, data: Path
) -> None:
    """A picture's address would be enough to ask elsewhere by somebody's browser."""
    with resolving(PLACES) as resolver, _asking(serving, data, resolver) as http:
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example"},
        ):
            told = problem_in(_resolve(http, "M 51", headers=headers))
            assert (told["status"], told["reason"]) == (403, "OTHER_ORIGIN")
        assert resolver.asked == []
        for headers in ({}, {"Sec-Fetch-Site": "same-origin"}):
            assert _resolve(http, "M 51", headers=headers).status_code == 200
