"""Who may call what: keys, scopes, rates, over real sockets."""

import importlib
import json
import pkgutil
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from tests.told import info, refusal, retry_seconds

import skylike.v1
from skylike.service import logs
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.errors import BadSettings, DamagedData, UnknownId
from skylike.service.keys import Keys, Scope
from skylike.service.library import Library
from skylike.service.server.bucket import Bucket
from skylike.service.server.scopes import needed
from skylike.service.server.serve import Server
from skylike.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    types_pb2,
)

READ, WRITE, ADMIN = Scope.READ, Scope.WRITE, Scope.ADMIN

# Written out, so that a method that comes along is decided here by a person.
EXPECTED: dict[str, Scope | None] = {
    "/grpc.health.v1.Health/Check": None,
    "/grpc.health.v1.Health/List": READ,
    "/grpc.health.v1.Health/Watch": None,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": READ,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": READ,
    "/skylike.v1.CatalogService/AddObjects": WRITE,
    "/skylike.v1.CatalogService/CountObjects": READ,
    "/skylike.v1.CatalogService/CreateCollection": ADMIN,
    "/skylike.v1.CatalogService/DeleteAlias": ADMIN,
    "/skylike.v1.CatalogService/DeleteCollection": ADMIN,
    "/skylike.v1.CatalogService/DeleteObjects": WRITE,
    "/skylike.v1.CatalogService/GetCollection": READ,
    "/skylike.v1.CatalogService/GetObject": READ,
    "/skylike.v1.CatalogService/ListAliases": READ,
    "/skylike.v1.CatalogService/ListClusters": READ,
    "/skylike.v1.CatalogService/GetMap": READ,
    "/skylike.v1.CatalogService/ListClusterMembers": READ,
    "/skylike.v1.CatalogService/ListAnomalies": READ,
    "/skylike.v1.CatalogService/ListCollections": READ,
    "/skylike.v1.CatalogService/ListObjects": READ,
    "/skylike.v1.CatalogService/RollBackAlias": ADMIN,
    "/skylike.v1.CatalogService/SetAlias": ADMIN,
    "/skylike.v1.CatalogService/SetAttributes": WRITE,
    "/skylike.v1.CatalogService/RenameCluster": WRITE,
    "/skylike.v1.CatalogService/SetLabels": WRITE,
    "/skylike.v1.TeachingService/ListRatings": READ,
    "/skylike.v1.TeachingService/ListSuggestions": READ,
    "/skylike.v1.TeachingService/RateObjects": WRITE,
    "/skylike.v1.JobService/CancelJob": ADMIN,
    "/skylike.v1.JobService/GetJob": READ,
    "/skylike.v1.JobService/ListJobRejects": READ,
    "/skylike.v1.JobService/ListJobs": READ,
    "/skylike.v1.JobService/StartJob": ADMIN,
    "/skylike.v1.JobService/WatchJob": READ,
    "/skylike.v1.SearchService/Analyze": READ,
    "/skylike.v1.SearchService/AnalyzeStream": READ,
    "/skylike.v1.SearchService/Anomaly": READ,
    "/skylike.v1.SearchService/Discover": READ,
    "/skylike.v1.SearchService/Cluster": READ,
    "/skylike.v1.SearchService/Embed": READ,
    "/skylike.v1.SearchService/Inspect": READ,
    "/skylike.v1.SearchService/ListNearest": READ,
    "/skylike.v1.SearchService/Neighbors": READ,
    "/skylike.v1.SearchService/Predict": READ,
    "/skylike.v1.SearchService/Locate": READ,
}


class Guarded:
    """A server that asks for keys."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self.server = server
        self.keys = keys
        # A connection of its own, not one that is shared within the process.
        options = (("grpc.use_local_subchannel_pool", 1),)
        self.channel = grpc.insecure_channel(server.address, options)

    def call(
        self, method: str, *metadata: tuple[str, str | bytes], request: bytes = b""
    ) -> "tuple[grpc.StatusCode, str, grpc.RpcError | None]":
        """How a call ends, whatever kind of method it is; its reason."""
        ask = self.channel.stream_stream(
            method, request_serializer=bytes, response_deserializer=bytes
        )
        try:
            answers: Any = ask(iter([request]), metadata=metadata, timeout=20)
            next(answers)
            answers.cancel()
        except grpc.RpcError as error:
            call: Any = error
            told = info(call)
            assert told.metadata["request_id"] or not told.reason
            return call.code(), told.reason, call
        return grpc.StatusCode.OK, "", None


def _bearer(secret: str) -> tuple[str, str | bytes]:
    return "authorization", f"Bearer {secret}"


@pytest.fixture
def guarded(served: SimpleNamespace, tmp_path: Path) -> Iterator[Guarded]:
    """A second server on the same engine, with one key of each scope."""
    keys = Keys(tmp_path / "keys.json")
    keys.add("first", READ)
    settings = Settings(
        data=tmp_path,
        address="127.0.0.1:0",
        max_message_bytes=2**24,
        grace_seconds=0,
    )
    with Server(served.engine, settings) as server:
        server.ready()
        made = Guarded(server, keys)
        with made.channel:
            yield made


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[Any]]]:
    """What is logged, as JSON."""
    logs.configure(json=True)
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    with capsys.disabled():
        logs.configure(json=False)


def _methods(guarded: Guarded, key: str) -> set[str]:
    """Every method of every service, as the server itself lists them."""
    ask = guarded.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    def answers(**request: str) -> list[Any]:
        made = reflection_pb2.ServerReflectionRequest(**request)
        return list(ask(iter([made]), metadata=(_bearer(key),)))

    [listing] = answers(list_services="")
    found = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}
    for service in listing.list_services_response.service:
        [described] = answers(file_containing_symbol=service.name)
        for content in described.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(content)
            found |= {
                f"/{file.package}.{one.name}/{method.name}"
                for one in file.service
                for method in one.method
            }
    return found


def _contract() -> set[str]:
    """Every method of every service of the contract."""
    modules = [
        importlib.import_module(f"skylike.v1.{module.name}")
        for module in pkgutil.iter_modules(skylike.v1.__path__)
        if module.name.endswith("_pb2")
    ]
    return {
        f"/{service.full_name}/{method.name}"
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def test_every_method_has_its_scope(guarded: Guarded) -> None:
    """All of the contract and all that the server offers: none is forgotten."""
    offered = _methods(guarded, guarded.keys.add("lister", READ))
    assert offered | _contract() == set(EXPECTED)
    assert {method: needed(method) for method in EXPECTED} == EXPECTED


@pytest.mark.parametrize(
    ("method", "scope"),
    [
        ("/skylike.v1.CatalogService/DropEverything", ADMIN),
        ("/skylike.v1.CatalogService/AddObjectsX", ADMIN),
        ("/skylike.v1.CatalogService/Getaway", ADMIN),
        ("/skylike.v1.JobService/AddObjects", ADMIN),
        ("/skylike.v1.SearchServiceX/Embed", ADMIN),
        ("/other.v1.SearchService/GetIt", ADMIN),
        ("/grpc.health.v1.Health/Check/..", ADMIN),
        ("/grpc.health.v1.Health/Checkx", ADMIN),
        ("/GRPC.health.v1.Health/Check", ADMIN),
        ("grpc.health.v1.Health/Check", ADMIN),
        ("//grpc.health.v1.Health/Check", ADMIN),
        ("/grpc.health.v1.Health/Check\n", ADMIN),
        ("", ADMIN),
    ],
)
def test_what_is_not_known_needs_the_most(method: str, scope: Scope) -> None:
    """And a name that only looks like a known one is not known."""
    assert needed(method) is scope


def test_every_scope_opens_what_it_should_and_nothing_else(guarded: Guarded) -> None:
    """All methods by all scopes; permission comes before existence."""
    unknown = "/skylike.v1.CatalogService/DropEverything"
    for scope in Scope:
        key = guarded.keys.add(f"of-{scope}", scope)
        for method, least in {**EXPECTED, unknown: ADMIN}.items():
            code, reason, error = guarded.call(method, _bearer(key))
            refused = code is grpc.StatusCode.PERMISSION_DENIED
            assert refused == (least is not None and scope < least), (method, scope)
            if refused:
                assert reason == "MISSING_SCOPE"
                assert f"needs {least}" in str(error)
            if method == unknown and not refused:
                assert code is grpc.StatusCode.UNIMPLEMENTED


def test_a_key_that_reads_adds_nothing(
    guarded: Guarded, served: SimpleNamespace, sky: SimpleNamespace
) -> None:
    """Refused before it is stored; one that writes stores."""
    catalog = catalog_pb2_grpc.CatalogServiceStub(guarded.channel)
    new = catalog_pb2.NewObject(id="by-scope")
    new.cutout.fits = sky.draw()
    request = catalog_pb2.AddObjectsRequest(collection="bare", objects=[new])
    reader = guarded.keys.add("reader", READ)
    with pytest.raises(grpc.RpcError) as caught:
        catalog.AddObjects(request, metadata=(_bearer(reader),))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    ask = catalog_pb2.GetObjectRequest(collection="bare", id="by-scope")
    with pytest.raises(grpc.RpcError) as caught:
        catalog.GetObject(ask, metadata=(_bearer(reader),))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    writer = guarded.keys.add("writer", WRITE)
    assert catalog.AddObjects(request, metadata=(_bearer(writer),)).objects
    assert catalog.GetObject(ask, metadata=(_bearer(reader),)).object.id == "by-scope"


_ASK = "/skylike.v1.CatalogService/ListCollections"


def test_missing_and_wrong_keys_are_refused(guarded: Guarded) -> None:
    """By every kind of method that needs one, also streams and unknown ones."""
    good = guarded.keys.add("good", ADMIN)
    [known] = [key for key in guarded.keys.all() if key.name == "good"]
    cases: list[tuple[list[tuple[str, str | bytes]], str]] = [
        ([], "NO_KEY"),
        ([("authorization", good)], "NO_KEY"),
        ([("authorization", "Bearer ")], "NO_KEY"),
        ([("authorization", f"Basic {good}")], "NO_KEY"),
        ([_bearer(good), _bearer(good)], "NO_KEY"),
        ([("x-api-key", good)], "NO_KEY"),
        ([_bearer("skylike_" + "A" * 43)], "WRONG_KEY"),
        ([_bearer(good[:-1])], "WRONG_KEY"),
        ([_bearer(good + "A")], "WRONG_KEY"),
        ([_bearer(good.upper())], "WRONG_KEY"),
        ([_bearer(known.sha256)], "WRONG_KEY"),
    ]
    closed = [method for method, scope in EXPECTED.items() if scope is not None]
    for metadata, expected in cases:
        for method in [*closed, "/unknown.Service/Method"]:
            code, reason, error = guarded.call(method, *metadata)
            assert code is grpc.StatusCode.UNAUTHENTICATED, (method, metadata)
            assert reason == expected
            assert good.removeprefix("skylike_") not in str(error)
    assert guarded.call(_ASK, _bearer(good))[0] is grpc.StatusCode.OK
    assert guarded.call(_ASK, ("authorization", f"bearer {good}"))[1] == ""


def test_health_needs_no_key(guarded: Guarded) -> None:
    """Check and Watch; List, which tells names, does."""
    health = health_pb2_grpc.HealthStub(guarded.channel)
    request = health_pb2.HealthCheckRequest()
    serving = health_pb2.HealthCheckResponse.SERVING
    assert health.Check(request).status == serving
    watch = health.Watch(request)
    assert next(watch).status == serving
    watch.cancel()


def test_a_revoked_key_is_refused_at_its_next_call(guarded: Guarded) -> None:
    """And one that was made while the server runs counts, without a restart."""
    key = guarded.keys.add("short", READ)
    assert guarded.call(_ASK, _bearer(key))[0] is grpc.StatusCode.OK
    guarded.keys.revoke("short")
    code, reason, _ = guarded.call(_ASK, _bearer(key))
    assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "WRONG_KEY")


def test_a_file_of_keys_that_is_lost_or_damaged_opens_nothing(
    guarded: Guarded, log: Callable[[], list[Any]]
) -> None:
    """Nor does one without keys; the log tells of damage."""
    key = guarded.keys.add("a", ADMIN)
    for name in ("a", "first"):
        guarded.keys.revoke(name)
    assert guarded.call(_ASK, _bearer(key))[1] == "WRONG_KEY"
    assert guarded.call(_ASK)[1] == "NO_KEY"
    guarded.keys.path.write_text("{}")
    assert guarded.call(_ASK, _bearer(key))[1] == "WRONG_KEY"
    assert "keys_unusable" in [entry["event"] for entry in log()]
    guarded.keys.path.unlink()
    assert guarded.call(_ASK)[1] == "NO_KEY"
    again = guarded.keys.add("again", READ)
    assert guarded.call(_ASK, _bearer(again))[0] is grpc.StatusCode.OK


def test_keys_that_come_while_it_runs_are_asked_for(
    served: SimpleNamespace, tmp_path: Path
) -> None:
    """A server on loopback without keys is open, until there is a file of them."""
    settings = Settings(data=tmp_path, address="127.0.0.1:0", grace_seconds=0)
    with Server(served.engine, settings) as server:
        made = Guarded(server, Keys(tmp_path / "keys.json"))
        with made.channel:
            assert made.call(_ASK)[0] is grpc.StatusCode.OK
            key = made.keys.add("first", READ)
            assert made.call(_ASK)[0] is grpc.StatusCode.UNAUTHENTICATED
            assert made.call(_ASK, _bearer(key))[0] is grpc.StatusCode.OK


def test_too_many_calls_of_a_key_are_told_when_to_come_back(guarded: Guarded) -> None:
    """Others are answered meanwhile."""
    key = guarded.keys.add("eager", READ, rate=0.5)
    other = guarded.keys.add("other", READ)
    assert guarded.call(_ASK, _bearer(key))[0] is grpc.StatusCode.OK
    code, reason, error = guarded.call(_ASK, _bearer(key))
    assert (code, reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_REQUESTS",
    )
    assert 0 < retry_seconds(error) <= 2
    assert guarded.call(_ASK, _bearer(other))[0] is grpc.StatusCode.OK


def test_a_bucket_allows_its_rate() -> None:
    """A second's worth at once, then as many as time brings; never less than one."""
    bucket = Bucket(4.0)
    assert [bucket.take(100.0) for _ in range(5)] == [0, 0, 0, 0, 0.25]
    assert bucket.take(100.125) == 0.125
    assert bucket.take(100.25) == 0
    assert bucket.take(100.25) == 0.25
    waits = [bucket.take(200 + i / 16) for i in range(16 * 60)]
    assert waits.count(0) == pytest.approx(4 * 60, abs=5)
    slow = Bucket(0.1)
    assert [slow.take(0.0), slow.take(0.0)] == [0, 10]


def test_what_is_refused_is_not_read(guarded: Guarded) -> None:
    """Sixteen mebibytes that no parser would take: refused for want of a key, at once."""
    hostile = b"\xff" * (2**24 - 1000)
    code, reason, _ = guarded.call("/skylike.v1.SearchService/Embed", request=hostile)
    assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "NO_KEY")
    key = guarded.keys.add("a", READ)
    code, _, _ = guarded.call(
        "/skylike.v1.SearchService/Embed", _bearer(key), request=hostile
    )
    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_refusing_needs_no_thread(tmp_path: Path) -> None:
    """While all calls there may be are busy: health is told, and others are refused."""
    started, done = threading.Semaphore(0), threading.Event()
    count = 8

    class Slow(Engine):
        def get(self, *_: object, **__: object) -> Any:
            started.release()
            done.wait(60)
            raise UnknownId("nothing")

    keys = Keys(tmp_path / "keys.json")
    key = keys.add("a", READ)
    settings = Settings(
        data=tmp_path, address="127.0.0.1:0", workers=count, max_calls=count
    )
    with Library(tmp_path) as library, Server(Slow(library), settings) as server:
        # gRPC lets a connection have half of them.
        first, second, third = (Guarded(server, keys) for _ in range(3))
        with first.channel, second.channel, third.channel:
            asked, shown = catalog_pb2.GetObjectRequest(), (_bearer(key),)
            running = [
                catalog_pb2_grpc.CatalogServiceStub(one.channel).GetObject.future(
                    asked, metadata=shown
                )
                for one in (first, second)
                for _ in range(count // 2)
            ]
            for _ in running:
                assert started.acquire(timeout=60)
            health = health_pb2_grpc.HealthStub(third.channel)
            health.Check(health_pb2.HealthCheckRequest(), timeout=20)
            refused = third.call(_ASK)
            assert refused[:2] == (grpc.StatusCode.UNAUTHENTICATED, "NO_KEY")
            refused = third.call(_ASK, _bearer(key))
            assert refused[:2] == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
            done.set()
            for call in running:
                assert call.code() is grpc.StatusCode.NOT_FOUND


def test_logs_name_the_key_and_never_tell_it(
    guarded: Guarded, log: Callable[[], list[Any]]
) -> None:
    """Of calls that are answered, refused and fail; nor do errors."""
    key = guarded.keys.add("pipeline-7", READ)
    search = search_pb2_grpc.SearchServiceStub(guarded.channel)
    told = ""
    for shown in (_bearer(key), _bearer(key + "x"), ("authorization", key)):
        for name in ("sky", "nowhere"):
            request = search_pb2.NeighborsRequest(collection=name)
            request.query.object_id = "ring-0"
            try:
                search.Neighbors(
                    request, metadata=(shown, ("x-request-id", f"to-{name}"))
                )
            except grpc.RpcError as error:
                told += str(error) + repr(error)
    guarded.call("/no.Such\x1b[2J/Method", _bearer(key))
    guarded.server.monitor.metrics()  # tells of all calls that have ended
    entries = log()
    told += json.dumps(entries)
    assert key.removeprefix("skylike_")[:20] not in told
    assert all(one.sha256 not in told for one in guarded.keys.all())
    answered = [entry for entry in entries if entry["event"] == "answered"]
    assert [(one["key"], one["code"]) for one in answered] == [
        ("pipeline-7", "OK"),
        ("pipeline-7", "NOT_FOUND"),
    ]
    [refused] = [entry for entry in entries if entry["event"] == "refused"]
    assert (refused["reason"], refused["request_id"]) == ("wrong_key", "to-sky")
    assert refused["calls"] == 1


def test_a_flood_of_refused_calls_is_told_once_a_second(
    guarded: Guarded, log: Callable[[], list[Any]]
) -> None:
    """With how many there were, or it would fill the disk."""
    guarded.keys.add("a", READ)
    count = 0
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        guarded.call(_ASK)
        count += 1
    entries = [entry for entry in log() if entry["event"] == "refused"]
    assert 2 <= len(entries) <= 3
    assert entries[0]["calls"] == 1
    told = sum(entry["calls"] for entry in entries)
    assert count / 2 < told <= count
    assert all(entry["reasons"] == f"no_key: {entry['calls']}" for entry in entries)


def test_other_machines_need_a_key_to_be_there(
    served: SimpleNamespace, tmp_path: Path
) -> None:
    """The server does not start, and says how it would."""
    settings = Settings.model_construct(
        **{**Settings(data=tmp_path).model_dump(), "address": "0.0.0.0:0"}
    )
    with pytest.raises(BadSettings, match="keys add") as caught:
        Server(served.engine, settings)
    assert caught.value.reason == "no_keys"
    named = Settings(data=tmp_path, keys=tmp_path / "absent.json")
    with pytest.raises(BadSettings, match=r"absent\.json") as caught:
        Server(served.engine, named)
    assert caught.value.reason == "no_keys"
    (tmp_path / "keys.json").write_text("broken")
    with pytest.raises(DamagedData):
        Server(served.engine, Settings(data=tmp_path, address="127.0.0.1:0"))


def _by_id(number: int) -> search_pb2.AnalyzeStreamRequest:
    query = types_pb2.Query(object_id=f"ring-{number % 4}")
    asked = search_pb2.AnalyzeRequest(collection="sky", query=query, k=1)
    return search_pb2.AnalyzeStreamRequest(item_id=str(number), analyze=asked)


def test_a_stream_ends_with_its_key(guarded: Guarded) -> None:
    """With the next message after the key was revoked."""
    secret = guarded.keys.add("nightly", READ)
    search = search_pb2_grpc.SearchServiceStub(guarded.channel)
    asked: queue.SimpleQueue[search_pb2.AnalyzeStreamRequest | None] = (
        queue.SimpleQueue()
    )
    answers: Any = search.AnalyzeStream(
        iter(asked.get, None), metadata=(_bearer(secret),)
    )
    asked.put(_by_id(0))
    assert next(answers).HasField("analysis")
    guarded.keys.revoke("nightly")
    asked.put(_by_id(1))
    with pytest.raises(grpc.RpcError):
        next(answers)
    asked.put(None)
    assert answers.code() is grpc.StatusCode.UNAUTHENTICATED
    assert info(answers).reason == "WRONG_KEY"


def test_a_key_that_is_revoked_ends_a_stream_amid_a_message(guarded: Guarded) -> None:
    """With its next question: those that came with others are asked for as if alone."""
    secret = guarded.keys.add("nightly", READ)
    search = search_pb2_grpc.SearchServiceStub(guarded.channel)
    large = _by_id(0).analyze
    large.k, large.thumbnails = 60, True  # so that not all answers are on their way
    message = search_pb2.AnalyzeStreamRequest()
    for number in range(1000):
        message.questions.add(item_id=str(number), analyze=large)
    answers: Any = search.AnalyzeStream(iter([message]), metadata=(_bearer(secret),))
    assert next(answers).answers[0].HasField("analysis")
    guarded.keys.revoke("nightly")
    assert refusal(lambda: list(answers)) == "WRONG_KEY"


@pytest.mark.parametrize("together", [1, 9, 25])
def test_questions_of_a_stream_wait_for_the_rate_of_their_key(
    guarded: Guarded, together: int
) -> None:
    """Each counts as a call, however they come; who waits is held back, not refused."""
    secret = guarded.keys.add("slow", READ, rate=10)
    search = search_pb2_grpc.SearchServiceStub(guarded.channel)
    messages = [_by_id(number) for number in range(25)]
    for start in range(0, 25, together):
        first, *others = messages[start : start + together]
        for one in others:  # beside its own question
            first.questions.add(item_id=one.item_id, analyze=one.analyze)
    began = time.monotonic()
    answers = search.AnalyzeStream(
        iter(messages[::together]), metadata=(_bearer(secret),)
    )
    found = [one for answer in answers for one in answer.answers or [answer]]
    assert all(answer.HasField("analysis") for answer in found)
    assert sorted(int(one.item_id) for one in found) == list(range(25))
    assert 1.3 < time.monotonic() - began < 10
