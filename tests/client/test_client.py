"""The client against a running server: it gives what the engine gives."""

import io
import json
import math
import os
import socket
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skylike.client import Client, Cutout, Embedding, NewObject, Tls, errors
from skylike.client.inputs import split_hdu
from skylike.service import engine as service
from skylike.service.engine import CutoutQuery, Engine, IdQuery, VectorQuery


@pytest.fixture
def engine(served: SimpleNamespace) -> Engine:
    assert isinstance(served.engine, Engine)
    return served.engine


@pytest.fixture
def queries(
    engine: Engine, sky: SimpleNamespace, tmp_path: Path
) -> dict[str, tuple[dict[str, Any], service.Query]]:
    """The same questions, as the client and as the engine take them."""
    content = sky.draw("ring", 4711, BUNIT="Jy/beam")
    path = tmp_path / "ring.fits"
    path.write_bytes(content)
    vector = engine.embed("sky", CutoutQuery(content)).vector
    return {
        "path": ({"query": path}, CutoutQuery(content)),
        "text": ({"query": f"{path}[0]"}, CutoutQuery(content, hdu="0")),
        "bytes": ({"query": content}, CutoutQuery(content)),
        "id": ({"object_id": "long-3"}, IdQuery("long-3")),
        "vector": ({"query": vector}, VectorQuery(vector)),
    }


def _same_hits(hits: Any, expected: tuple[service.Hit, ...]) -> None:
    assert [hit.id for hit in hits] == [hit.object.id for hit in expected]
    assert [hit.rank for hit in hits] == [hit.rank for hit in expected]
    assert [hit.score for hit in hits] == [hit.score for hit in expected]
    assert [hit.separation_deg for hit in hits] == [
        hit.separation_deg for hit in expected
    ]
    for hit, other in zip(hits, expected, strict=True):
        _same_object(hit.object, other.object)


def _same_object(one: Any, other: Any) -> None:
    position = other.position
    assert one.ra_deg == (position and position.ra_deg)
    assert one.dec_deg == (position and position.dec_deg)
    assert one.epoch_mjd == other.epoch_mjd
    assert (one.uri, one.hdu) == (other.uri or "", other.hdu or "")
    assert dict(one.attributes) == dict(other.attributes)
    assert list(one.flags) == other.flags.names
    assert one.valid_fraction == other.valid_fraction
    assert one.thumbnail_png == other.thumbnail


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "id", "vector"])
def test_the_client_gives_what_the_engine_gives(
    client: Client, engine: Engine, queries: dict[str, Any], kind: str
) -> None:
    """Every field of every answer, for every form of query."""
    asked, query = queries[kind]
    expected = engine.analyze("sky", query, 7, thumbnails=True)
    answer = client.analyze(**asked, collection="sky", k=7, thumbnails=True)
    assert answer.context.collection == "sky"
    assert answer.context.collection_version == expected.context.collection_version
    assert answer.context.model_id == expected.context.model_id
    _same_hits(answer.hits, expected.hits)

    assert (answer.reading is None) == (expected.reading is None)
    if answer.reading is not None:
        assert expected.reading is not None
        for field in ("hdu", "shape", "pixel_scale_arcsec", "unit", "valid_fraction"):
            assert getattr(answer.reading, field) == getattr(expected.reading, field)
        assert answer.reading.axes == expected.reading.axes.value
        assert list(answer.reading.flags) == expected.reading.flags.names

    assert answer.cluster is not None
    assert expected.cluster is not None
    assert answer.cluster.label == expected.cluster.shares[0].label
    assert [share.probability for share in answer.cluster.shares] == [
        share.probability for share in expected.cluster.shares
    ]
    assert answer.cluster.exemplar_ids == expected.cluster.exemplar_ids
    assert answer.cluster.size == expected.cluster.size

    assert answer.anomaly is not None
    assert expected.anomaly is not None
    assert answer.anomaly.p_value == expected.anomaly.p_value
    assert answer.anomaly.calibrated == (expected.anomaly.p_value is not None)
    assert answer.anomaly.score == expected.anomaly.score
    assert answer.anomaly.percentile == expected.anomaly.percentile
    told = [(hit.id, hit.score) for hit in answer.anomaly.neighbors]
    assert told == list(expected.anomaly.neighbors)

    assert client.cluster(**asked, collection="sky").cluster == answer.cluster
    alone = client.anomaly(**asked, collection="sky").anomaly
    assert len(alone.parts) == 5
    assert replace(alone, neighbors=(), parts=()) == replace(
        answer.anomaly, neighbors=()
    )
    _same_hits(alone.neighbors, engine.anomaly("sky", query).hits)
    assert [(hit.id, hit.score) for hit in alone.neighbors] == told
    near = client.neighbors(**asked, collection="sky", k=7, thumbnails=True)
    assert near.hits == answer.hits
    embedded = client.embed(**asked, collection="sky")
    expected_vector = engine.embed("sky", query).vector
    np.testing.assert_array_equal(embedded.vector, expected_vector)


def test_answers_are_json(client: Client, queries: dict[str, Any]) -> None:
    """`to_dict` of everything passes a strict JSON encoder."""
    asked, _ = queries["path"]
    answers = [
        client.embed(**asked, collection="sky"),
        client.analyze(**asked, collection="sky", thumbnails=True),
        client.get("ring-3", collection="sky", with_vector=True),
        *client.collections(),
    ]
    for answer in answers:
        facts = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
        assert facts


def test_an_embedding_is_a_query_of_its_model_only(
    client: Client, sky: SimpleNamespace, queries: dict[str, Any]
) -> None:
    """It knows its model; another collection's model would be told apart."""
    embedded = client.embed(**queries["path"][0], collection="sky")
    direct = client.neighbors(**queries["path"][0], collection="sky")
    hits = client.neighbors(embedded, collection="sky").hits
    assert [hit.id for hit in hits] == [hit.id for hit in direct.hits]
    # A vector is brought to unit norm once more, in float32.
    expected = pytest.approx([hit.score for hit in direct.hits], abs=1e-6)
    assert [hit.score for hit in hits] == expected
    context = type(embedded.context)("sky", 1, "f00")
    foreign = Embedding(context, None, embedded.vector)
    with pytest.raises(errors.ModelMismatch, match="f00"):
        client.neighbors(foreign, collection="sky")


def test_objects_are_added_and_got(
    client: Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """From a file, bytes and a vector; every attribute keeps its type."""
    path = tmp_path / "new.fits"
    path.write_bytes(sky.draw("round", 9001))
    attributes: dict[str, Any] = {
        "text": "é\x1b",
        "number": 0.5,
        "integer": -(2**62),
        "truth": False,
    }
    vector = client.embed(path, collection="bare")
    version = {c.name: c.version for c in client.collections()}["bare"]
    added = client.add(
        [
            NewObject("new/file", str(path), uri=str(path), attributes=attributes),
            NewObject("new/bytes", path.read_bytes(), ra_deg=1, dec_deg=-2),
            NewObject("new/vector", vector, epoch_mjd=51544.5),
        ],
        collection="bare",
    )
    assert added.context.collection_version == version + 1
    assert [one.id for one in added.objects] == ["new/file", "new/bytes", "new/vector"]
    got = client.get("new/file", collection="bare", with_vector=True)
    assert got.vector is not None
    np.testing.assert_allclose(got.vector, vector.vector, atol=1e-6)
    assert got.object.thumbnail_png.startswith(b"\x89PNG")
    assert got.object.attributes["integer"] == -(2**62)
    assert got.object.attributes["truth"] is False
    assert got.object.attributes["text"] == "é\x1b"
    assert client.get("new/bytes", collection="bare").object.dec_deg == -2
    assert client.get("new/vector", collection="bare").object.epoch_mjd == 51544.5
    with pytest.raises(errors.AlreadyExists, match="new/file"):
        client.add([NewObject("new/file", path)], collection="bare")


def test_bad_ids_positions_and_attributes_are_refused(
    client: Client, sky: SimpleNamespace
) -> None:
    """Half a position by the client, senseless ones by the service."""
    content = sky.draw()
    for new in (
        NewObject("p", content, ra_deg=1),
        NewObject("p", content, ra_deg=1, dec_deg=91),
        NewObject("p", content, ra_deg=float("nan"), dec_deg=0),
        NewObject("p", content, attributes={"redshift": float("nan")}),
        NewObject("", content),
        NewObject("escape\x1b[2J", content),
        NewObject("x" * 513, content),
    ):
        with pytest.raises(errors.BadInput):
            client.add([new], collection="bare")


def test_numbers_of_numpy_are_attributes(client: Client, sky: SimpleNamespace) -> None:
    attributes: dict[str, Any] = {
        "number": np.float32(0.5),
        "integer": np.int16(-3),
        "truth": np.bool_(True),
        "text": np.str_("a"),
    }
    client.add(
        [NewObject("numpy", sky.draw(), attributes=attributes)], collection="bare"
    )
    found = client.get("numpy", collection="bare").object.attributes
    assert [found[name] for name in attributes] == [0.5, -3, True, "a"]
    assert [type(found[name]) for name in attributes] == [float, int, bool, str]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, None, [1], "\udce9"])
def test_what_no_message_holds_is_bad_input(
    client: Client, sky: SimpleNamespace, value: Any
) -> None:
    new = NewObject("odd", sky.draw(), attributes={"odd": value})
    with pytest.raises(errors.BadInput) as caught:
        client.add([new], collection="bare")
    assert caught.value.reason in {"bad_attribute", "bad_text"}


@pytest.mark.parametrize(
    "vector", [np.ones(24, complex), np.full(24, 1e300), np.array(3.0)]
)
def test_what_is_no_vector_is_refused_before_it_is_sent(
    client: Client, vector: Any
) -> None:
    with pytest.raises(errors.BadInput) as caught:
        client.neighbors(vector, collection="sky")
    assert caught.value.reason == "bad_vector"


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "127.0.0.1:99999", "host:x", "[::1]", "http://127.0.0.1:50051"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(errors.BadInput) as caught:
        Client(address)
    assert caught.value.reason == "bad_address"


def test_a_closed_client_says_so(served: SimpleNamespace) -> None:
    with Client(served.address) as closed:
        pass
    with pytest.raises(errors.Unavailable, match="closed"):
        closed.collections()


def test_another_timeout_shares_the_connection(served: SimpleNamespace) -> None:
    with Client(served.address, timeout=20) as client:
        other = client.within(2.5)
        assert repr(other) == f"Client('{served.address}', timeout=2.5)"
        assert other.collections()
        with pytest.raises(errors.BadInput, match="above 0"):
            client.within(0)
    with pytest.raises(errors.Unavailable, match="closed"):
        client.within(5).collections()


def test_a_client_tells_what_it_is_but_no_key() -> None:
    secret = "skylike_secret"
    client = Client("sky.example:50051", tls=Tls(), api_key=secret)
    assert repr(client).startswith("Client('sky.example:50051', timeout=30, tls=Tls(")
    assert secret not in repr(client)
    assert "api_key=..." in repr(client)


def test_a_timeout_may_be_endless_and_not_senseless(served: SimpleNamespace) -> None:
    for timeout in (math.inf, 1e300):
        with Client(served.address, timeout=timeout) as patient:
            patient.wait_ready()
            assert patient.collections()
    for timeout in (math.nan, 0, -1):
        with pytest.raises(errors.BadInput) as caught:
            Client(served.address, timeout=timeout)
        assert caught.value.reason == "bad_timeout"


def test_a_file_may_have_any_name_and_an_id_may_not(
    client: Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    name = os.fsdecode(b"\xe9t\xe9.fits")
    (tmp_path / name).write_bytes(sky.draw())
    assert client.neighbors(tmp_path / name, collection="sky").hits
    (tmp_path / name).write_bytes(b"<html>")
    with pytest.raises(errors.BadInput, match=r"\\udce9t"):
        client.neighbors(tmp_path / name, collection="sky")
    for ask in (
        lambda: client.get(name, collection="sky"),
        lambda: client.neighbors(object_id=name, collection="sky"),
        lambda: client.neighbors(object_id="a", collection=name),
        lambda: client.add([NewObject(name, sky.draw())], collection="bare"),
    ):
        with pytest.raises(errors.BadInput, match="Unicode"):
            ask()


@pytest.mark.parametrize(
    ("collection", "query", "error", "reason"),
    [
        ("nowhere", {"object_id": "a"}, errors.NotFound, "unknown_collection"),
        ("sky", {"object_id": "nobody"}, errors.NotFound, "unknown_id"),
        ("sky", {"query": b"GIF89a"}, errors.BadInput, "not_fits"),
        ("sky", {"query": np.ones(3)}, errors.ModelMismatch, "dimension"),
        ("sky", {"query": np.full(24, np.nan)}, errors.BadInput, "not_finite"),
        ("sky", {"query": np.ones(24, complex)}, errors.BadInput, "bad_vector"),
        ("sky", {"query": "absent.fits"}, errors.BadInput, "file_missing"),
        ("sky", {"query": "."}, errors.BadInput, "io_error"),
        ("bare", {"object_id": "ring-0"}, errors.NotReady, "not_fitted"),
        (None, {"object_id": "ring-0"}, errors.BadInput, "which_collection"),
    ],
)
def test_errors_are_typed(
    client: Client,
    collection: str | None,
    query: dict[str, Any],
    error: type[errors.SkylikeClientError],
    reason: str,
) -> None:
    """With the reason, and the request id of what reached the service."""
    with pytest.raises(error) as caught:
        client.cluster(**query, collection=collection)
    assert caught.value.reason == reason
    local = {"file_missing", "io_error", "bad_vector"}
    assert bool(caught.value.request_id) == (reason not in local)


def test_one_query_at_a_time(client: Client) -> None:
    """None, both, and things that are no query."""
    wrong: list[dict[str, Any]] = [{}, {"query": b"", "object_id": "a"}, {"query": 5}]
    for arguments in wrong:
        with pytest.raises(TypeError):
            client.embed(**arguments, collection="sky")


@pytest.mark.parametrize("k", [0, -3, 1001, 2**32])
def test_k_is_checked_on_both_sides(client: Client, k: int) -> None:
    """0 does not silently become the default."""
    with pytest.raises(errors.BadInput) as caught:
        client.neighbors(object_id="ring-0", collection="sky", k=k)
    assert caught.value.reason == "bad_k"


def test_large_inputs_are_refused_before_they_are_sent(
    served: SimpleNamespace, tmp_path: Path
) -> None:
    """A file is not even read; bytes are not even sent."""
    path = tmp_path / "large.fits"
    with path.open("wb") as file:
        file.truncate(2**40)
    with Client("127.0.0.1:1") as client:
        with pytest.raises(errors.BadInput, match=r"large\.fits"):
            client.embed(path, collection="sky")
        with pytest.raises(errors.BadInput) as caught:
            client.embed(bytes(2**26), collection="sky")
    assert caught.value.reason == "upload_limit"


def test_several_threads_share_a_client(client: Client) -> None:
    """Answers do not mix."""
    found: dict[str, str] = {}

    def ask(id: str) -> None:
        for _ in range(5):
            got = client.get(id, collection="sky")
            hits = client.neighbors(object_id=id, collection="sky", k=59).hits
            assert id not in {hit.id for hit in hits}
            found[id] = got.object.id

    threads = [threading.Thread(target=ask, args=(f"ring-{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"ring-{i}": f"ring-{i}" for i in range(8)}


def test_nobody_there_is_unavailable() -> None:
    """With the address; waiting for it ends with the time given."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with Client(address, timeout=2) as client:
            with pytest.raises(
                (errors.Unavailable, errors.DeadlineExceeded), match=address
            ):
                client.collections()
            with pytest.raises(
                errors.DeadlineExceeded, match=r"not ready after 0\.3 s"
            ):
                client.wait_ready(0.3)


def test_a_silent_server_meets_the_deadline() -> None:
    """A port that accepts and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with (
            Client(address, timeout=0.3) as client,
            pytest.raises(errors.DeadlineExceeded),
        ):
            client.collections()


def test_waiting_for_a_server_that_serves_is_short(client: Client) -> None:
    client.wait_ready(5)


def test_brackets_select_an_hdu_unless_they_are_the_name(tmp_path: Path) -> None:
    """`file.fits[SCI,2]` is split; a file really called so is not."""
    assert split_hdu("a.fits") == (Path("a.fits"), "")
    assert split_hdu("a.fits[SCI,2]") == (Path("a.fits"), "SCI,2")
    assert split_hdu("a[1].fits[0]") == (Path("a[1].fits"), "0")
    odd = tmp_path / "odd.fits[1]"
    odd.write_bytes(b"")
    assert split_hdu(os.fspath(odd)) == (odd, "")


class TestCutouts:
    """What a file does not say itself, its sender does."""

    def cube(self, sky: SimpleNamespace) -> bytes:
        with fits.open(io.BytesIO(sky.draw("ring", 1))) as hdus:
            data: bytes = sky.to_fits(np.stack([hdus[0].data] * 3))
        return data

    def test_an_axis_without_a_name_is_named_by_the_query(
        self, client: Client, sky: SimpleNamespace
    ) -> None:
        with pytest.raises(errors.BadInput, match="axis-kind") as caught:
            client.embed(self.cube(sky), collection="sky")
        assert caught.value.reason == "axis_ambiguous"
        cutout = Cutout(self.cube(sky), axis_kind="spectral")
        found = client.embed(cutout, collection="sky")
        assert found.reading is not None
        assert found.reading.axes == "spectral"
        with pytest.raises(errors.BadInput, match="'bands' or 'spectral'"):
            client.embed(Cutout(self.cube(sky), axis_kind="both"), collection="sky")

    def test_a_section_is_cut_by_the_service(
        self, client: Client, sky: SimpleNamespace, tmp_path: Path
    ) -> None:
        path = tmp_path / "one.fits"
        path.write_bytes(sky.draw("ring", 1))
        for source in (f"{path}[1:40,1:30]", Cutout(path, hdu="[0][1:40,1:30]")):
            found = client.embed(source, collection="sky").reading
            assert found is not None
            assert found.shape == (1, 30, 40)
