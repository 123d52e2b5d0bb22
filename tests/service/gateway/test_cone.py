"""Simple Cone Search: tables that the VO's own tools read, whatever is in them."""

import io
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import votable
from pyvo.dal import DALQueryError, SCSService
from tests.service.gateway.conftest import Serving

from skylike.service.engine import Engine, NewObject, VectorQuery
from skylike.service.fits import SkyPosition
from skylike.service.gateway import cone
from skylike.service.keys import Keys, Scope
from skylike.service.library import Library

SPACE = "{http://www.ivoa.net/xml/VOTable/v1.1}"
UCDS = {"ID_MAIN": "char", "POS_EQ_RA_MAIN": "double", "POS_EQ_DEC_MAIN": "double"}
HOSTILE = "a<script>&\"'é\x00\x1b\ud7ff]]>\r\n\t\U0001f30c"


def _ask(http: httpx.Client, **texts: Any) -> httpx.Response:
    answer = http.get("/collections/sky/cone", params=texts)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == "text/xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer


def _infos(answer: httpx.Response) -> dict[str, str]:
    root = ElementTree.fromstring(answer.content)
    return {
        one.attrib["name"]: one.attrib["value"] for one in root.iter(f"{SPACE}INFO")
    }


def _require_valid(content: bytes) -> None:
    told = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are in the report
        is_valid = votable.validate(io.BytesIO(content), output=told)
    assert is_valid, told.getvalue()


def _table(answer: httpx.Response) -> Any:
    return votable.parse_single_table(io.BytesIO(answer.content), verify="exception")


def _add(data: Path, number: int, names: str = "new-{}", **more: Any) -> None:
    """Objects around 10, 80, each 0.001 degrees further to the north."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(number, 24)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    news = [
        NewObject(
            names.format(i),
            VectorQuery(vectors[i]),
            position=SkyPosition(10.0, 80 + 0.001 * i),
            **more,
        )
        for i in range(number)
    ]
    with Library(data) as library:
        for start in range(0, number, 1000):
            Engine(library).add("sky", news[start : start + 1000])


@pytest.mark.parametrize("verb", [None, 1, 2, 3])
def test_the_table_is_valid_and_has_the_columns_of_the_standard(
    own: httpx.Client, verb: int | None
) -> None:
    texts = {} if verb is None else {"VERB": verb}
    answer = _ask(own, RA=150.1, DEC=3, SR=5, **texts)
    _require_valid(answer.content)
    root = ElementTree.fromstring(answer.content)
    assert (
        len([*root.iter(f"{SPACE}RESOURCE")]) == len([*root.iter(f"{SPACE}TABLE")]) == 1
    )
    fields = [*root.iter(f"{SPACE}FIELD")]
    for ucd, datatype in UCDS.items():
        [field] = [one for one in fields if one.attrib["ucd"] == ucd]
        assert field.attrib["datatype"] == datatype
    assert len(fields) == {1: 3, 2: 7, 3: 10}[verb or 2]
    context = own.get("/collections/sky").json()["collection"]["context"]
    assert _infos(answer) == {
        "QUERY_STATUS": "OK",
        "collection": "sky",
        "collection_version": context["collection_version"],
        "model_id": context["model_id"],
        "server_software": f"skylike-service {version('skylike')}",
    }
    assert len(_table(answer).array) == 60


def test_those_within_the_radius_are_found_and_no_others(own: httpx.Client) -> None:
    """As the separations of all say; also where right ascension ends."""
    told = own.post(
        "/objects/list", json={"collection": "sky", "page_size": 1000}
    ).json()
    places = {
        one["id"]: SkyCoord(
            one["position"]["ra_deg"], one["position"]["dec_deg"], unit="deg"
        )
        for one in told["objects"]
    }
    for ra, dec, radius in (
        (150.05, 3, 0.06),
        (150.1, 2, 1.01),
        (0, 0, 0.1),
        (360, 90, 88),
    ):
        middle = SkyCoord(ra, dec, unit="deg")
        expected = {
            id for id, place in places.items() if middle.separation(place).deg <= radius
        }
        found = _table(_ask(own, RA=ra, DEC=dec, SR=radius)).array
        assert set(found["object_id"].tolist()) == expected
        for row in found:
            place = places[row["object_id"]]
            assert (row["ra"], row["dec"]) == (place.ra.deg, place.dec.deg)


def test_pyvo_reads_it(own: httpx.Client) -> None:
    """A client of the VO that knows nothing of us, by way of the standard alone."""
    service = SCSService(f"{own.base_url}collections/sky/cone")
    found = service.search(
        pos=SkyCoord(150.1, 2, unit="deg"), radius=0.055, verbosity=3
    )
    assert len(found) == 11
    assert {record.id for record in found} == {f"round-{i}" for i in range(5, 16)}
    assert {record.pos.dec.deg for record in found} == {2.0}
    with pytest.raises(DALQueryError, match="SR is '181"):
        service.search(pos=(10, 9), radius=181)
    assert len(service.search(pos=(10, 9), radius=0)) == 0


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({}, "RA is missing"),
        ({"RA": 1, "DEC": 1}, "SR is missing"),
        ({"RA": "12h30m", "DEC": 1, "SR": 1}, "RA is '12h30m'"),
        ({"RA": 361, "DEC": 1, "SR": 1}, "RA is '361'"),
        ({"RA": 1, "DEC": 91.0, "SR": 1}, "DEC is '91.0'"),
        ({"RA": 1, "DEC": "nan", "SR": 1}, "DEC is 'nan'"),
        ({"RA": 1, "DEC": 1, "SR": -1}, "SR is '-1'"),
        ({"RA": 1, "DEC": 1, "SR": "inf"}, "SR is 'inf'"),
        ({"RA": 1, "DEC": 1, "SR": 1, "VERB": 4}, "VERB is '4'"),
        ({"RA": 1, "DEC": 1, "SR": 1, "MAXREC": "-1"}, "MAXREC is '-1'"),
        ({"RA": [1, 2], "DEC": 1, "SR": 1}, "RA is given twice"),
        ({"RA": HOSTILE, "DEC": 1, "SR": 1}, "RA is 'a<script>&"),
    ],
)
def test_what_is_wrong_is_told_in_the_table(
    own: httpx.Client, texts: dict[str, Any], why: str
) -> None:
    """Status 200, and an INFO Error right below the root, as the standard prefers."""
    answer = _ask(own, **texts)
    _require_valid(answer.content)
    [info] = ElementTree.fromstring(answer.content).findall(f"{SPACE}INFO")
    assert info.attrib["name"] == "Error"
    assert info.attrib["value"].startswith(why)
    assert _infos(answer)["QUERY_STATUS"] == "ERROR"
    assert b"<script" not in answer.content
    assert 'reason="bad_' in own.get("/metrics").text


def test_an_unknown_collection_is_told_in_the_table_too(own: httpx.Client) -> None:
    answer = own.get("/collections/other/cone", params={"RA": 1, "DEC": 1, "SR": 1})
    assert answer.status_code == 200
    assert "other" in _infos(answer)["Error"]


def test_names_are_read_in_any_case_and_unknown_ones_passed_over(
    own: httpx.Client,
) -> None:
    """As the standard demands: clients send what other services understand."""
    answer = _ask(
        own, ra=150.1, Dec=3, sr=5, RUNID="x", RESPONSEFORMAT="votable", verb="1"
    )
    assert len(_table(answer).array) == 60


def test_no_radius_and_no_rows_ask_for_the_columns(own: httpx.Client) -> None:
    for texts in (
        {"RA": 150, "DEC": 2, "SR": 0},
        {"RA": 150, "DEC": 2, "SR": 1, "MAXREC": 0},
    ):
        answer = _ask(own, **texts)
        _require_valid(answer.content)
        table = _table(answer)
        assert (len(table.array), len(table.fields)) == (0, 7)


def test_what_is_cut_says_so(
    serving: Serving, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the caller or by us; several pages long, none missing and none twice."""
    _add(data, 2300)
    with serving(data) as server:
        base = f"http://{server.addresses['http_address']}/v1"
        with httpx.Client(base_url=base, timeout=30) as http:
            cone_ = {"RA": 10, "DEC": 80, "SR": 5, "VERB": 1}
            for most, number, status in (
                (None, 2300, "OK"),
                (2300, 2300, "OK"),
                (2299, 2299, "OVERFLOW"),
                (1, 1, "OVERFLOW"),
                (10**9, 2300, "OK"),
            ):
                answer = _ask(
                    http, **cone_, **({} if most is None else {"MAXREC": most})
                )
                ids = _table(answer).array["object_id"].tolist()
                assert len(ids) == len(set(ids)) == number
                assert _infos(answer)["QUERY_STATUS"] == status
            _require_valid(answer.content)
            monkeypatch.setattr(cone, "MOST_ROWS", 2000)
            answer = _ask(http, **cone_)
            assert len(_table(answer).array) == 2000
            assert _infos(answer)["QUERY_STATUS"] == "OVERFLOW"


def test_text_of_strangers_stays_text(serving: Serving, data: Path) -> None:
    """Ids, labels and attributes with markup, and with what XML cannot say."""
    text = HOSTILE.replace("\x00", "")
    _add(
        data,
        1,
        "<b>&{}",
        attributes={"note": text},
        labels=frozenset(["]]><!--", "&amp;"]),
    )
    with serving(data) as server:
        url = f"http://{server.addresses['http_address']}/v1/collections/sky/cone"
        asked = {"RA": 10, "DEC": 80, "SR": 1, "VERB": 3}
        answer = httpx.get(url, params=asked)
    _require_valid(answer.content)
    [row] = _table(answer).array
    assert row["object_id"] == "<b>&0"
    assert row["labels"] == '["&amp;", "]]><!--"]'
    assert "a<script>&" in row["attributes"]
    for markup in (b"<script", b"<b>", b"<!--", b"\x1b"):
        assert markup not in answer.content


def test_a_missing_key_is_told_by_http(serving: Serving, data: Path) -> None:
    """Or clients would not know to send one."""
    Keys(data / "keys.json").add("reader", Scope.READ)
    with serving(data) as server:
        url = f"http://{server.addresses['http_address']}/v1/collections/sky/cone"
        answer = httpx.get(url, params={"RA": 1, "DEC": 1, "SR": 1})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_table_is_sent_while_it_is_made(serving: Serving, data: Path) -> None:
    """A key's rate is spent after two pages, each of the others waits for a second.

    The first rows are there meanwhile, and the table gets whole all the same.
    """
    _add(data, 4500)
    secret = Keys(data / "keys.json").add("reader", Scope.READ, rate=1)
    with serving(data) as server:
        url = f"http://{server.addresses['http_address']}/v1/collections/sky/cone"
        with httpx.stream(
            "GET",
            url,
            params={"RA": 10, "DEC": 80, "SR": 9},
            headers={"Authorization": f"Bearer {secret}"},
            timeout=30,
        ) as answer:
            begun = time.monotonic()
            content, first = b"", 0.0
            for piece in answer.iter_raw():
                content += piece
                if not first and b"<TR>" in content:
                    first = time.monotonic() - begun
            whole = time.monotonic() - begun
    assert "content-length" not in answer.headers
    assert content.count(b"<TR>") == 4500
    assert first < whole / 2


def test_tables_that_are_in_each_others_way_are_whole(
    serving: Serving, data: Path
) -> None:
    """Their pages wait for room, here as at the gRPC server."""
    _add(data, 3000)
    asked = {"RA": 10, "DEC": 80, "SR": 5, "VERB": 1}
    with serving(data, max_calls=8) as server:  # two calls of a kind over HTTP
        url = f"http://{server.addresses['http_address']}/v1/collections/sky/cone"

        def ask(_: int) -> int:
            while (answer := httpx.get(url, params=asked, timeout=60)).is_error:
                assert answer.status_code == 503
                time.sleep(0.01)
            return len(_table(answer).array)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == [3000] * 8
