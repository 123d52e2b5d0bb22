"""What a server tells of itself: metrics over HTTP, and a log line for each call."""

import json
import queue
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from skylike.service import logs
from skylike.service.calls import STAGES
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.errors import BadSettings
from skylike.service.keys import Keys, Scope
from skylike.service.library import Library
from skylike.service.server.serve import SERVICES, Server
from skylike.v1 import (
    catalog_pb2,
    job_pb2,
    search_pb2,
    search_pb2_grpc,
    teaching_pb2,
    types_pb2,
)

ANALYZE = "skylike.v1.SearchService/Analyze"
REFLECTION = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
HOSTILE = 'no"such\nplace'


@pytest.fixture
def server(served: SimpleNamespace) -> Iterator[Server]:
    """A server of its own on the shared engine, so that it has counted nothing yet."""
    settings = Settings(
        address="127.0.0.1:0", metrics_address="127.0.0.1:0", grace_seconds=0
    )
    with Server(served.engine, settings) as server:
        server.ready()
        yield server


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as opened:
        yield opened


def _analyze(channel: grpc.Channel, query: types_pb2.Query, collection: str) -> Any:
    request = search_pb2.AnalyzeRequest(collection=collection, query=query)
    return search_pb2_grpc.SearchServiceStub(channel).Analyze(request)


def _metrics(server: Server) -> dict[str, float]:
    """Every sample by its name and labels, as a scraper sees it; with no call going on.

    Calls are counted once their callers have their answers.
    """
    address = server.addresses["metrics_address"]
    until = time.monotonic() + 20
    while time.monotonic() < until:
        answer = httpx.get(f"http://{address}/metrics")
        assert answer.status_code == 200
        lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
        found = {key: float(value) for key, value in (x.rsplit(" ", 1) for x in lines)}
        if not any(value for key, value in found.items() if "in_flight" in key):
            return found
    raise AssertionError("a call goes on")


def _reflect(channel: grpc.Channel) -> Any:
    return channel.stream_stream(
        f"/{REFLECTION}",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )


def test_metrics_tell_calls_stages_sizes_and_collections(
    server: Server, channel: grpc.Channel, sky: SimpleNamespace
) -> None:
    """One call with a file: each stage once, one call, its bytes, nothing in flight."""
    content = sky.draw()
    query = types_pb2.Query(cutout=types_pb2.Cutout(fits=content))
    answer = _analyze(channel, query, "sky")
    found = _metrics(server)
    for stage in ("decode", "stamp", "embed", "search", "answer"):
        assert found[f'skylike_stage_seconds_count{{stage="{stage}"}}'] == 1
    assert found['skylike_batch_size_bucket{le="1.0"}'] == 1
    of_call = f'{{method="{ANALYZE}"}}'
    assert found[f'skylike_calls_total{{code="OK",method="{ANALYZE}"}}'] == 1
    assert found[f"skylike_call_seconds_count{of_call}"] == 1
    assert found[f"skylike_request_bytes_sum{of_call}"] > len(content)
    assert found[f"skylike_calls_in_flight{of_call}"] == 0
    spent = sum(found[f'skylike_stage_seconds_sum{{stage="{one}"}}'] for one in STAGES)
    assert 0 < spent < found[f"skylike_call_seconds_sum{of_call}"]
    assert found['skylike_collection_objects{name="sky"}'] == 60
    assert found['skylike_collection_usable{name="empty"}'] == 1
    version = found['skylike_collection_version{name="sky"}']
    assert version == answer.context.collection_version
    model = f'model_id="{answer.context.model_id}",name="sky"'
    assert found[f"skylike_collection_model_info{{{model}}}"] == 1
    assert found["process_resident_memory_bytes"] > 0
    assert any(name.startswith("skylike_build_info{version=") for name in found)


def test_errors_are_counted_by_reason_and_nothing_of_callers_becomes_a_label(
    server: Server, channel: grpc.Channel
) -> None:
    """Neither names of what is not there, nor methods that are not there."""
    for query in (types_pb2.Query(), types_pb2.Query(object_id=HOSTILE)):
        with pytest.raises(grpc.RpcError):
            _analyze(channel, query, "sky")
    with pytest.raises(grpc.RpcError):
        _analyze(channel, types_pb2.Query(object_id="ring-0"), HOSTILE)
    with pytest.raises(grpc.RpcError):
        channel.unary_unary("/made.up.Service/Method", None, None)(b"")
    found = _metrics(server)
    for reason in ("empty_query", "unknown_id", "unknown_collection"):
        assert found[f'skylike_errors_total{{reason="{reason}"}}'] == 1
    code = "INVALID_ARGUMENT"
    assert found[f'skylike_calls_total{{code="{code}",method="{ANALYZE}"}}'] == 1
    assert not [name for name in found if "such" in name or "made.up" in name]


def test_questions_of_a_stream_are_counted_and_measured_each(
    server: Server, channel: grpc.Channel, sky: SimpleNamespace
) -> None:
    good = types_pb2.Query(cutout=types_pb2.Cutout(fits=sky.draw()))
    questions = [
        search_pb2.AnalyzeStreamRequest(
            item_id=f"{number}",
            analyze=search_pb2.AnalyzeRequest(collection="sky", query=query),
        )
        for number, query in enumerate([good, good, types_pb2.Query()])
    ]
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stub = search_pb2_grpc.SearchServiceStub(channel)
    answers: Any = stub.AnalyzeStream(iter(asked.get, None))
    for one in questions:  # each alone, or two would be embedded together
        asked.put(one)
        assert next(answers).item_id == one.item_id
    asked.put(None)
    assert list(answers) == []
    found = _metrics(server)
    assert found['skylike_stream_items_total{code="OK"}'] == 2
    assert found['skylike_stream_items_total{code="INVALID_ARGUMENT"}'] == 1
    assert found['skylike_errors_total{reason="empty_query"}'] == 1
    assert found['skylike_stage_seconds_count{stage="embed"}'] == 2
    of_stream = '{code="OK",method="skylike.v1.SearchService/AnalyzeStream"}'
    assert found[f"skylike_calls_total{of_stream}"] == 1


def test_calls_without_a_key_are_counted(data: Path) -> None:
    """Though they never come as far as a method."""
    Keys(data / "keys.json").add("reader", Scope.READ)
    settings = Settings(data=data, address="127.0.0.1:0", metrics_address="127.0.0.1:0")
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        with pytest.raises(grpc.RpcError):
            _analyze(channel, types_pb2.Query(object_id="ring-0"), "sky")
        assert _metrics(server)['skylike_errors_total{reason="no_key"}'] == 1


def test_a_taken_address_of_metrics_is_refused(
    server: Server, served: SimpleNamespace
) -> None:
    taken = server.addresses["metrics_address"]
    settings = Settings(address="127.0.0.1:0", metrics_address=taken)
    with pytest.raises(BadSettings, match="cannot listen"):
        Server(served.engine, settings)


def test_metrics_stay_at_home_unless_insecure() -> None:
    with pytest.raises(ValueError, match=r"0\.0\.0\.0:9 can be reached"):
        Settings(metrics_address="0.0.0.0:9")


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What was logged of a method, once its calls have ended."""
    logs.configure(json=True)
    seen: list[dict[str, Any]] = []

    def of(method: str, count: int) -> list[dict[str, Any]]:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            text = capsys.readouterr().err
            seen.extend(json.loads(x) for x in text.splitlines() if x.startswith("{"))
            found = [one for one in seen if one.get("method") == method]
            if len(found) >= count:  # what has ended before is written before
                return found
            time.sleep(0.01)
        raise AssertionError(f"{count} lines of {method} wanted: {seen}")

    yield of
    logs.configure(json=False)


def test_a_call_is_a_line_with_archive_and_stage_times(
    channel: grpc.Channel, sky: SimpleNamespace, lines: Any
) -> None:
    query = types_pb2.Query(cutout=types_pb2.Cutout(fits=sky.draw()))
    answer = _analyze(channel, query, "sky")
    [line] = lines(ANALYZE, 1)
    assert line["event"] == "answered"
    assert line["code"] == "OK"
    assert line["collection"] == "sky"
    assert answer.context.model_id.startswith(line["model"])
    assert "reason" not in line
    spent = sum(line[f"{stage}_ms"] for stage in STAGES if f"{stage}_ms" in line)
    assert line["decode_ms"] > 0
    assert spent <= line["milliseconds"] + 0.1


def test_a_call_that_fails_is_a_line_with_its_reason(
    channel: grpc.Channel, lines: Any
) -> None:
    with pytest.raises(grpc.RpcError):
        _analyze(channel, types_pb2.Query(object_id=HOSTILE), "sky")
    [line] = lines(ANALYZE, 1)
    assert (line["code"], line["reason"]) == ("NOT_FOUND", "unknown_id")
    assert line["collection"] == "sky"


def test_a_stream_is_a_line_when_it_ends(channel: grpc.Channel, lines: Any) -> None:
    """With the bytes of all its messages, and the caller's name for it."""
    listing = reflection_pb2.ServerReflectionRequest(list_services="*")
    ask = _reflect(channel)
    metadata = (("x-request-id", "night-7"),)
    assert len(list(ask(iter([listing] * 3), metadata=metadata))) == 3
    [line] = lines(REFLECTION, 1)
    assert line["code"] == "OK"
    assert line["request_id"] == "night-7"
    assert line["request_bytes"] == 3 * listing.ByteSize()


def test_a_stream_that_is_given_up_is_a_line_that_says_so(
    channel: grpc.Channel, lines: Any
) -> None:
    def endless() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        while True:
            yield reflection_pb2.ServerReflectionRequest(list_services="")
            time.sleep(0.01)

    answers = _reflect(channel)(endless())
    assert next(answers).list_services_response.service
    answers.cancel()
    [line] = lines(REFLECTION, 1)
    assert line["code"] == "CANCELLED"


def test_probes_of_health_write_no_lines(
    server: Server, channel: grpc.Channel, lines: Any
) -> None:
    """They come every few seconds; counted they are."""
    health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    _analyze(channel, types_pb2.Query(object_id="ring-0"), "sky")
    lines(ANALYZE, 1)
    check = "grpc.health.v1.Health/Check"
    assert _metrics(server)[f'skylike_calls_total{{code="OK",method="{check}"}}'] == 1
    assert lines(check, 0) == []


# Methods whose replies tell no version, and why.
WITHOUT_CONTEXT = {
    "Discover": "about p-values that the caller brings; no collection is asked",
    "DeleteCollection": "of a collection that is gone",
    "ListAliases": "names, each with that of its collection; none is opened",
    "SetAlias": "a name; its collection is not opened",
    "RollBackAlias": "a name; its collection is not opened",
    "DeleteAlias": "a name; its collection is not opened",
    "StartJob": "a job, which outlives versions",
    "GetJob": "a job, which outlives versions",
    "ListJobs": "jobs of several collections",
    "WatchJob": "a job, which outlives versions",
    "CancelJob": "a job, which outlives versions",
    "ListJobRejects": "files that a job refused; they are in no collection",
}


def _has_context(reply: Any) -> bool:
    """Whether a message has one, or what it is an envelope or a list of."""
    inner = [one.message_type for one in reply.fields if one.message_type]
    return any("context" in one.fields_by_name for one in (reply, *inner))


def test_every_reply_about_a_collection_names_its_version_and_model() -> None:
    """Of every service; in an envelope or a list, each thing that is in it does."""
    methods = [
        method
        for file in (search_pb2, catalog_pb2, teaching_pb2, job_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    services = {method.containing_service.full_name for method in methods}
    assert services == {one for one in SERVICES if one.startswith("skylike.")}
    without = {one.name for one in methods if not _has_context(one.output_type)}
    assert without == set(WITHOUT_CONTEXT)
