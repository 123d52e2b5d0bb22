"""Text made to deceive, and files made to exhaust, through the server."""

import bz2
import gzip
import lzma
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from tests.told import reason, refused

from skylike.service import logs
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.v1 import catalog_pb2, catalog_pb2_grpc, search_pb2, search_pb2_grpc

# Clears the screen, names the window, writes backwards, forges a line, runs a script.
ESCAPES = "\x1b[2J\x1b]0;own\x07\x9b31m\x85\r\n"
SCRIPT = "<script>x</script>"
BIDI = "\u202e\u2066\u200f\u2028\ufeff"
HOSTILE = f"M31{ESCAPES}{BIDI}{SCRIPT}forged=yes"


@pytest.fixture
def channel(served: SimpleNamespace) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(served.address) as opened:
        yield opened


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[int], str]]:
    """So many lines: a call is logged once its caller has the answer."""
    logs.configure(json=False)

    def written(num_lines: int) -> str:
        text, until = "", time.monotonic() + 10
        while text.count("\n") < num_lines and time.monotonic() < until:
            time.sleep(0.005)
            text += capsys.readouterr().err
        return text

    yield written
    with capsys.disabled():
        logs.configure(json=False)


def _texts(message: Message) -> Iterator[str]:
    """Every text a message holds, however deep."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        if field.message_type and field.message_type.GetOptions().map_entry:
            values = []
            for key, one in value.items():
                yield str(key)
                yield from _texts(one)
        for one in values:
            if isinstance(one, Message):
                yield from _texts(one)
            elif isinstance(one, str):
                yield one


def _with_hostile_cards(content: bytes) -> bytes:
    """A file whose header says what no header should, in every card that is read."""
    end = content.index(b"END" + b" " * 77)
    told = f"{ESCAPES}{SCRIPT}".encode("latin-1")
    cards = [
        keyword.ljust(8).encode() + b"= '" + keyword.encode() + told + b"'"
        for keyword in (
            *("OBJECT", "BUNIT", "EXTNAME", "DATE-OBS", "TELESCOP", "INSTRUME"),
            *("RADESYS", "FILTER", "CHECKSUM", "TIMESYS", "ORIGIN", "BANDS"),
        )
    ]
    cards += [b"HISTORY " + told, b"COMMENT " + told, told.ljust(8)[:8] + b"= 1"]
    header = content[:end] + b"".join(card.ljust(80)[:80] for card in cards)
    header += b"END"
    data = content[len(content[: end + 80]) + -(end + 80) % 2880 :]
    return header.ljust(-(-len(header) // 2880) * 2880) + data


def test_header_text_comes_out_printable(
    channel: grpc.Channel, sky: SimpleNamespace, log: Callable[[int], str]
) -> None:
    """In answers and in what is stored: escapes go, words stay."""
    content = _with_hostile_cards(sky.draw())
    request = search_pb2.EmbedRequest(collection="bare")
    request.query.cutout.fits = content
    answer = search_pb2_grpc.SearchServiceStub(channel).Embed(request)
    assert all(text.isprintable() for text in _texts(answer))
    assert "BUNIT" in answer.reading.unit
    catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
    new = catalog_pb2.NewObject(id="hostile-header")
    new.cutout.fits = content
    added = catalog.AddObjects(
        catalog_pb2.AddObjectsRequest(collection="bare", objects=[new])
    )
    found = catalog.GetObject(
        catalog_pb2.GetObjectRequest(collection="bare", id="hostile-header")
    )
    for answered in (added, found):
        texts = list(_texts(answered))
        assert all(text.isprintable() for text in texts)
        assert any(text.startswith("OBJECT") for text in texts)
    _assert_disarmed(log(3), 3)


@pytest.mark.parametrize("card", ["CTYPE1", "BANDS", "NAXIS1", "BITPIX", "XTENSION"])
def test_errors_about_header_text_are_one_printable_line(
    channel: grpc.Channel, sky: SimpleNamespace, log: Callable[[int], str], card: str
) -> None:
    """Whatever is wrong with the card; a cube makes its axes be told."""
    content = bytearray(_with_hostile_cards(sky.to_fits([[[0.0] * 9] * 9] * 3)))
    told = f"{card:8}= 'x{ESCAPES}{SCRIPT}'".encode("latin-1").ljust(80)
    at = content.find(f"{card:8}=".encode())
    if at < 0:
        at = content.index(b"ORIGIN")
    content[at : at + 80] = told
    request = search_pb2.EmbedRequest(collection="sky")
    request.query.cutout.fits = bytes(content)
    request.query.cutout.name = HOSTILE
    request.query.cutout.hdu = HOSTILE[:20]
    for hdu in ("", HOSTILE[:20]):
        request.query.cutout.hdu = hdu
        _refused(search_pb2_grpc.SearchServiceStub(channel).Embed, request)
    _assert_disarmed(log(2), 2)


def test_errors_about_what_callers_send_are_one_printable_line(
    channel: grpc.Channel, sky: SimpleNamespace, log: Callable[[int], str]
) -> None:
    """Names of collections, ids, attributes, selectors."""
    catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
    search = search_pb2_grpc.SearchServiceStub(channel)
    _refused(
        catalog.GetObject, catalog_pb2.GetObjectRequest(collection="sky", id=HOSTILE)
    )
    _refused(
        catalog.GetObject, catalog_pb2.GetObjectRequest(collection=HOSTILE, id="a")
    )
    new = catalog_pb2.NewObject(id=HOSTILE)
    new.cutout.fits = sky.draw()
    adding = catalog_pb2.AddObjectsRequest(collection="bare", objects=[new])
    _refused(catalog.AddObjects, adding)
    adding.objects[0].id = "fine"
    adding.objects[0].attributes[HOSTILE].number = float("nan")
    _refused(catalog.AddObjects, adding)
    asked = search_pb2.EmbedRequest(collection="sky")
    asked.query.cutout.fits = sky.draw()
    asked.query.cutout.stokes = HOSTILE
    asked.query.cutout.hdu = f"[{HOSTILE}]"
    _refused(search.Embed, asked)
    _refused(
        catalog.ListCollections,
        catalog_pb2.ListCollectionsRequest(page_token=HOSTILE),
    )
    _assert_disarmed(log(6), 6)


def test_an_id_may_mislead_and_is_logged_disarmed(
    channel: grpc.Channel, sky: SimpleNamespace, log: Callable[[int], str]
) -> None:
    """Marks that turn the writing around are part of an id: it comes back as it is."""
    catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
    id = f"M31{BIDI}{SCRIPT}"
    new = catalog_pb2.NewObject(id=id)
    new.cutout.fits = sky.draw()
    adding = catalog_pb2.AddObjectsRequest(collection="bare", objects=[new])
    assert catalog.AddObjects(adding).objects[0].id == id
    _refused(catalog.AddObjects, adding)  # it is taken
    _assert_disarmed(log(2), 2)


def test_what_breaks_inside_is_logged_disarmed(
    tmp_path: Path, log: Callable[[int], str]
) -> None:
    """Its traceback has lines, and nothing in them that does not print."""

    class Broken(Engine):
        def get(self, *_: object, **__: object) -> Any:
            raise ZeroDivisionError(HOSTILE)

    settings = Settings(data=tmp_path, address="127.0.0.1:0")
    request = catalog_pb2.GetObjectRequest(collection="sky", id="a")
    with (
        Library(tmp_path) as library,
        Server(Broken(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            catalog.GetObject(request)
    assert "M31" not in str(caught.value)
    text = log(1)
    assert "ZeroDivisionError" in text
    assert "forged=yes" in text
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("value", ["a\x1b[2J", "x" * 65, "a b", "\u202e", ""])
def test_request_ids_are_plain_words(
    channel: grpc.Channel, log: Callable[[int], str], value: str
) -> None:
    """Those that are not are replaced."""
    catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
    shown = (("x-request-id-bin", value.encode()), ("x-request-id", ascii(value)))
    _, call = catalog.ListCollections.with_call(
        catalog_pb2.ListCollectionsRequest(), metadata=shown
    )
    kept = str(dict(call.trailing_metadata())["x-request-id"])
    assert kept.isalnum()
    assert len(kept) == 32
    assert kept in log(1)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_bombs_are_refused_at_the_limit(
    channel: grpc.Channel, sky: SimpleNamespace, pack: Callable[[bytes], bytes]
) -> None:
    """A small upload that inflates beyond the setting; the server goes on answering."""
    search = search_pb2_grpc.SearchServiceStub(channel)
    request = search_pb2.EmbedRequest(collection="sky")
    # One stream after another, as packers append: 640 MiB.
    request.query.cutout.fits = pack(sky.draw()) + 40 * pack(bytes(2**24))
    assert len(request.query.cutout.fits) < 2**20
    assert reason(_refused(search.Embed, request)) == "INFLATE_LIMIT"
    request.query.cutout.fits = pack(sky.draw())
    assert search.Embed(request).vector.dimension == sky.dimension


def test_headers_that_promise_too_much_are_refused(
    channel: grpc.Channel, sky: SimpleNamespace
) -> None:
    """Pixels without end, cards without end: judged before memory is taken."""
    plain = sky.draw()
    wide = plain.replace(
        b"NAXIS1  =                   48", b"NAXIS1  =           1000000000"
    )
    assert wide != plain
    end = plain.index(b"END" + b" " * 77)
    endless = plain[:end] + b"COMMENT ".ljust(80) * (2**23 // 80)
    search = search_pb2_grpc.SearchServiceStub(channel)
    for content, reasons in (
        (wide, {"SIZE_LIMIT", "TRUNCATED"}),
        (endless, {"HEADER_LIMIT"}),
    ):
        request = search_pb2.EmbedRequest(collection="sky")
        request.query.cutout.fits = content
        assert reason(_refused(search.Embed, request)) in reasons


def _refused(method: Any, request: Message) -> Any:
    """The error of a call that has to fail, as one printable line."""
    error = refused(lambda: method(request))
    assert error.details()
    assert error.details().isprintable()
    assert error.code() in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
    )
    return error


def _assert_disarmed(text: str, num_lines: int) -> None:
    """One line for each call, and nothing in it that does not print."""
    lines = text.split("\n")
    assert len(lines) == num_lines + 1
    assert all(line.isprintable() for line in lines), text
