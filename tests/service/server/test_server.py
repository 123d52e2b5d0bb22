"""The server over a real socket, asked with bare gRPC."""

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from astropy.io import fits
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from tests.told import reason as reason_of
from tests.told import refused

from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.errors import BadSettings
from skylike.service.library import Library
from skylike.service.server.serve import SERVICES, Server
from skylike.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    types_pb2,
)


@pytest.fixture
def channel(served: SimpleNamespace) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(served.address) as opened:
        yield opened


@pytest.fixture
def search(channel: grpc.Channel) -> search_pb2_grpc.SearchServiceStub:
    return search_pb2_grpc.SearchServiceStub(channel)


@pytest.fixture
def catalog(channel: grpc.Channel) -> catalog_pb2_grpc.CatalogServiceStub:
    return catalog_pb2_grpc.CatalogServiceStub(channel)


def _table_only() -> bytes:
    table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])])
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(stream)
    return stream.getvalue()


def _packed(*values: float) -> types_pb2.Vector:
    return types_pb2.Vector(packed=np.array(values, "<f4").tobytes())


def _bad_cutouts(sky: SimpleNamespace) -> dict[str, tuple[bytes, str]]:
    bands = fits.Header({"BANDS": "grz"})
    return {
        "not FITS": (b"GIF89a" * 100, "NOT_FITS"),
        "empty": (b"", "EMPTY_FILE"),
        "cut off": (sky.draw()[:3000], ""),
        "no image": (_table_only(), "NO_IMAGE"),
        "all blank": (sky.to_fits(np.full((32, 32), np.nan)), "ALL_NAN"),
        "no pixels": (sky.to_fits(np.zeros((0, 32))), "BAD_DIMENSIONS"),
        "three bands": (sky.to_fits(np.ones((3, 32, 32)), bands), "BAND_MISMATCH"),
        "constant": (sky.to_fits(np.ones((32, 32))), "CONSTANT"),
        "tiny": (sky.to_fits(np.eye(5)), "TOO_SMALL"),
    }


def test_bad_cutouts_are_refused_with_their_reason_and_nothing_is_lost(
    search: search_pb2_grpc.SearchServiceStub,
    catalog: catalog_pb2_grpc.CatalogServiceStub,
    sky: SimpleNamespace,
) -> None:
    """Asked about and added: INVALID_ARGUMENT, nothing stored, the server lives."""
    before = catalog.ListCollections(catalog_pb2.ListCollectionsRequest())
    for name, (content, reason) in _bad_cutouts(sky).items():
        cutout = types_pb2.Cutout(fits=content)
        with pytest.raises(grpc.RpcError) as caught:
            search.Analyze(
                search_pb2.AnalyzeRequest(
                    collection="sky", query=types_pb2.Query(cutout=cutout)
                )
            )
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, name
        assert reason_of(caught.value) == reason or not reason, name
        if reason == "CONSTANT":
            continue  # stored, though never found
        good = catalog_pb2.NewObject(
            id="good", cutout=types_pb2.Cutout(fits=sky.draw())
        )
        bad = catalog_pb2.NewObject(id="bad", cutout=cutout)
        with pytest.raises(grpc.RpcError, match=r"object 1 \('bad'\)") as caught:
            catalog.AddObjects(
                catalog_pb2.AddObjectsRequest(collection="sky", objects=[good, bad])
            )
        assert reason_of(caught.value) == reason or not reason, name
    after = catalog.ListCollections(catalog_pb2.ListCollectionsRequest())
    assert after == before


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        (types_pb2.Query(), "INVALID_ARGUMENT", "EMPTY_QUERY"),
        (types_pb2.Query(object_id="nobody"), "NOT_FOUND", "UNKNOWN_ID"),
        (types_pb2.Query(object_id="\x00'--"), "NOT_FOUND", "UNKNOWN_ID"),
        (types_pb2.Query(vector=_packed(1, 2)), "FAILED_PRECONDITION", "DIMENSION"),
        (
            types_pb2.Query(vector=types_pb2.Vector()),
            "FAILED_PRECONDITION",
            "DIMENSION",
        ),
        (
            types_pb2.Query(vector=_packed(*[np.nan] * 24)),
            "INVALID_ARGUMENT",
            "NOT_FINITE",
        ),
        (
            types_pb2.Query(vector=types_pb2.Vector(packed=b"12345")),
            "INVALID_ARGUMENT",
            "BAD_VECTOR",
        ),
        (
            types_pb2.Query(vector=types_pb2.Vector(packed=b"1234", values=[1])),
            "INVALID_ARGUMENT",
            "BAD_VECTOR",
        ),
        (
            types_pb2.Query(vector=types_pb2.Vector(values=[1] * 24, dimension=5)),
            "INVALID_ARGUMENT",
            "BAD_VECTOR",
        ),
        (
            types_pb2.Query(vector=types_pb2.Vector(values=[1] * 24, model_id="f00")),
            "FAILED_PRECONDITION",
            "MODEL_MISMATCH",
        ),
    ],
)
def test_bad_queries_are_refused(
    search: search_pb2_grpc.SearchServiceStub,
    query: types_pb2.Query,
    code: str,
    reason: str,
) -> None:
    """By every method that takes a query."""
    for method, request in (
        (search.Embed, search_pb2.EmbedRequest),
        (search.Neighbors, search_pb2.NeighborsRequest),
        (search.Cluster, search_pb2.ClusterRequest),
        (search.Anomaly, search_pb2.AnomalyRequest),
        (search.Analyze, search_pb2.AnalyzeRequest),
    ):
        ask: Any = method
        with pytest.raises(grpc.RpcError) as caught:
            ask(request(collection="sky", query=query))
        assert caught.value.code().name == code
        assert reason_of(caught.value) == reason


def test_collections_and_k_are_checked(
    search: search_pb2_grpc.SearchServiceStub,
) -> None:
    """Unknown names, hostile names, too many neighbours."""
    query = types_pb2.Query(object_id="ring-0")
    with pytest.raises(grpc.RpcError) as caught:
        search.Embed(search_pb2.EmbedRequest(query=query))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(caught.value) == "WHICH_COLLECTION"
    for name in ("nowhere", "../sky", "sky\x00", "/etc"):
        with pytest.raises(grpc.RpcError) as caught:
            search.Embed(search_pb2.EmbedRequest(collection=name, query=query))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert reason_of(caught.value) == "UNKNOWN_COLLECTION"
    with pytest.raises(grpc.RpcError, match="4294967295") as caught:
        search.Neighbors(
            search_pb2.NeighborsRequest(collection="sky", query=query, k=2**32 - 1)
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_unfitted_collections_fail_the_precondition(
    search: search_pb2_grpc.SearchServiceStub,
) -> None:
    """Not UNAVAILABLE, which clients would retry."""
    query = types_pb2.Query(object_id="ring-0")
    with pytest.raises(grpc.RpcError) as caught:
        search.Cluster(search_pb2.ClusterRequest(collection="bare", query=query))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason_of(caught.value) == "NOT_FITTED"


def test_values_one_by_one_are_the_packed_vector(
    search: search_pb2_grpc.SearchServiceStub,
) -> None:
    """Both forms of a vector give one answer; k defaults to 10."""
    values = np.random.default_rng(0).normal(size=24).astype(np.float32)
    answers = [
        search.Neighbors(
            search_pb2.NeighborsRequest(
                collection="sky", query=types_pb2.Query(vector=vector)
            )
        )
        for vector in (_packed(*values), types_pb2.Vector(values=values.tolist()))
    ]
    assert answers[0] == answers[1]
    assert len(answers[0].hits) == 10


def test_request_ids_come_back(search: search_pb2_grpc.SearchServiceStub) -> None:
    """The caller's if it is a plain word, else a new one; errors carry it too."""
    query = types_pb2.Query(object_id="ring-0")
    request = search_pb2.EmbedRequest(collection="sky", query=query)
    for sent, kept in (("night-7.alert_3", True), ("two words", False)):
        _, call = search.Embed.with_call(request, metadata=(("x-request-id", sent),))
        received = dict(call.trailing_metadata())["x-request-id"]
        assert (received == sent) is kept
        assert received


def test_health_tells_each_service(channel: grpc.Channel) -> None:
    """The whole server and its services serve; others are unknown."""
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", *SERVICES):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="other"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1alpha", "v1"])
def test_reflection_lists_and_describes(channel: grpc.Channel, version: str) -> None:
    """Under both names, services are listed and every listed one is described."""
    ask = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    listing = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = ask(iter([listing]))
    names = [service.name for service in answer.list_services_response.service]
    assert set(SERVICES) < set(names)
    requests = [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)
        for name in names
    ]
    for answer in ask(iter(requests)):
        assert answer.file_descriptor_response.file_descriptor_proto


def test_messages_beyond_the_limit_are_refused(
    search: search_pb2_grpc.SearchServiceStub, sky: SimpleNamespace
) -> None:
    """Beyond gRPC's 4 MiB they pass, beyond the setting not, and the server lives."""
    padding = b"\0" * (6 * 2**20)

    def ask(content: bytes) -> search_pb2.EmbedResponse:
        query = types_pb2.Query(cutout=types_pb2.Cutout(fits=content))
        return search.Embed(search_pb2.EmbedRequest(collection="sky", query=query))

    assert ask(sky.draw() + padding).vector.dimension == 24
    call = refused(lambda: ask(sky.draw() + 3 * padding))
    assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(2**24) in call.details()  # gRPC gives no reason
    assert ask(sky.draw()).vector.dimension == 24


def test_a_taken_port_is_refused(served: SimpleNamespace) -> None:
    """Two servers never share a port, for each would get half of the calls."""
    settings = Settings(data=Path(), address=served.address)
    with pytest.raises(BadSettings, match="cannot listen"):
        Server(served.engine, settings)


def test_faults_stay_inside(tmp_path: Path) -> None:
    """A broken engine gives INTERNAL without its text."""

    class Broken(Engine):
        def embed(self, *_: object) -> Any:
            raise ZeroDivisionError("secret detail")

    settings = Settings(data=tmp_path, address="127.0.0.1:0")
    with (
        Library(tmp_path) as library,
        Server(Broken(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        query = types_pb2.Query(object_id="a")
        with pytest.raises(grpc.RpcError) as caught:
            search_pb2_grpc.SearchServiceStub(channel).Embed(
                search_pb2.EmbedRequest(collection="sky", query=query)
            )
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(caught.value)
    assert reason_of(caught.value) == "INTERNAL"


def test_health_changes_with_the_server(served: SimpleNamespace) -> None:
    """NOT_SERVING before it is ready and while it stops."""
    settings = Settings(data=Path(), address="127.0.0.1:0", grace_seconds=0)
    with (
        Server(served.engine, settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service=SERVICES[0])
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        server.ready()
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.stop()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
