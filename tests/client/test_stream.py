"""Many questions at once: all are answered, once, whatever happens meanwhile."""

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest

from skylike.client import Analysis, AsyncClient, Client, ObjectId, errors
from skylike.v1 import search_pb2 as pb


class Cable:
    """A connection to the service that can be cut, or held still."""

    def __init__(self, to: str) -> None:
        host, port = to.rsplit(":", 1)
        self._to = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self.num_connections = 0
        self.flows = threading.Event()
        self.flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End what is connected; who connects anew is served."""
        for one in self._open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:  # it had ended already
                continue
        self._open.clear()

    def close(self) -> None:
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.num_connections += 1
            far = socket.create_connection(self._to)
            self._open += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with one:
            try:
                while content := one.recv(2**16):
                    self.flows.wait()
                    other.sendall(content)
                other.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


@pytest.fixture
def cable(served: SimpleNamespace) -> Iterator[Cable]:
    made = Cable(served.address)
    yield made
    made.close()


def _ids(number: int) -> list[tuple[int, ObjectId]]:
    return [(i, ObjectId(f"ring-{i % 20}")) for i in range(number)]


def test_every_item_has_its_outcome(
    client: Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """As `analyze` would tell it; what is wrong with one is its own."""
    paths = []
    for i in range(40):
        paths.append(tmp_path / f"{i}.fits")
        paths[-1].write_bytes(sky.draw("ring", i))
    paths[7].write_bytes(b"GIF89a")
    paths[8].unlink()
    paths[9] = tmp_path
    found = dict(client.analyze_many(paths, collection="sky", k=3))
    assert found.keys() == {*paths}
    for path in paths[:7] + paths[10:]:
        one, alone = found[path], client.analyze(path, collection="sky", k=3)
        assert isinstance(one, Analysis)
        assert (one.context, one.reading) == (alone.context, alone.reading)
        assert [hit.object for hit in one.hits] == [hit.object for hit in alone.hits]
        # But for what a vector differs by with its company in a batch.
        scores = [hit.score for hit in alone.hits]
        assert [hit.score for hit in one.hits] == pytest.approx(scores, abs=1e-6)
        assert one.anomaly is not None
        assert alone.anomaly is not None
        assert one.anomaly.score == pytest.approx(alone.anomaly.score, rel=1e-3)
    for path in paths[7:10]:
        with pytest.raises(errors.BadInput) as refused:
            client.analyze(path, collection="sky", k=3)
        assert type(found[path]) is type(refused.value)
        assert str(found[path]) == str(refused.value)
    reasons = [getattr(found[path], "reason", "") for path in paths[7:10]]
    assert reasons == ["not_fits", "file_missing", "io_error"]


def test_items_are_queries_pairs_or_a_mapping(client: Client) -> None:
    """The key is what was given, hashable or not."""
    vector = client.embed(object_id="ring-1", collection="sky").vector
    [(key, answer)] = client.analyze_many([vector], collection="sky")
    assert key is vector
    assert isinstance(answer, Analysis)
    assert dict(client.analyze_many([], collection="sky")) == {}
    named = {"a": ObjectId("ring-1"), "b": ObjectId("nobody")}
    found = dict(client.analyze_many(named, collection="sky", k=2, exact=True))
    assert isinstance(found["a"], Analysis)
    assert len(found["a"].hits) == 2
    assert isinstance(found["b"], errors.NotFound)
    with pytest.raises(errors.BadInput):
        next(client.analyze_many([vector], k=0))


def test_an_item_that_is_no_query_spares_the_others(client: Client) -> None:
    """Whatever it is, and whatever the package raises that it comes from."""

    class Broken:
        mask = None

        def to_hdu(self, **_: Any) -> None:
            raise ZeroDivisionError("of astropy")

    wrong = [5, ("b", None), ("c", "d", "e"), Broken()]
    found = list(client.analyze_many([*_ids(1), *wrong, *_ids(1)], collection="sky"))
    told = [one for _, one in found if isinstance(one, errors.SkylikeClientError)]
    assert [one.reason for one in told] == ["bad_query"] * 4
    assert "int" in str(told[0])
    assert "of astropy" in str(told[3])
    assert len(found) == 6


def test_an_iterable_is_taken_only_as_answers_are(client: Client) -> None:
    """An endless one waits for who takes the answers; then it is let go."""
    taken = 0

    def endless() -> Iterator[ObjectId]:
        nonlocal taken
        while True:
            taken += 1
            yield ObjectId("ring-0")

    answers = client.analyze_many(endless(), collection="sky", k=1)
    for count, _ in enumerate(answers, 1):
        assert taken <= count + 258
        if count == 100:
            break
        if count % 40 == 0:
            time.sleep(0.3)
            assert taken <= count + 258
    answers.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    before = taken
    time.sleep(0.3)
    assert taken == before


def test_large_items_are_held_by_their_bytes(client: Client) -> None:
    """Of 8 MiB each, eight make 64 MiB; two are read ahead."""
    taken = 0
    pixels = np.random.default_rng(0).normal(0, 1, (1024, 2048)).astype("f4")

    def large() -> Iterator[Any]:
        nonlocal taken
        for taken in range(1, 41):
            yield taken, pixels

    answers = client.analyze_many(large(), collection="sky", k=1)
    next(answers)
    time.sleep(1)
    assert taken <= 1 + 8 + 2
    answers.close()  # type: ignore[attr-defined]


def test_an_answer_does_not_wait_for_the_next_item(client: Client) -> None:
    """A source that goes on for ever, slowly, is answered item by item."""
    more: list[threading.Event] = [threading.Event() for _ in range(4)]

    def live() -> Iterator[ObjectId]:
        for event in more:
            assert event.wait(20)
            yield ObjectId("ring-1")

    answers = client.analyze_many(live(), collection="sky")
    for event in more:
        event.set()
        _, answer = next(answers)
        assert isinstance(answer, Analysis)
    assert list(answers) == []


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_what_the_iterable_raises_is_raised(
    client: Client, kind: type[BaseException]
) -> None:
    """After the answers to what was asked before."""

    def broken() -> Iterator[Any]:
        yield from _ids(50)
        raise kind("of the caller")

    answers = client.analyze_many(broken(), collection="sky")
    assert {key for key, _ in itertools.islice(answers, 50)} == {*range(50)}
    with pytest.raises(kind, match="of the caller"):
        next(answers)


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit])
def test_the_twin_raises_it_too(
    served: SimpleNamespace, kind: type[BaseException]
) -> None:
    async def broken() -> AsyncIterator[Any]:
        for item in _ids(50):
            yield item
        raise kind("of the caller")

    async def ask() -> None:
        async with AsyncClient(served.address) as client:
            answers = client.analyze_many(broken(), collection="sky")
            assert {(await anext(answers))[0] for _ in range(50)} == {*range(50)}
            with pytest.raises(kind, match="of the caller"):
                await anext(answers)

    asyncio.run(ask())


def test_a_lost_connection_loses_no_item(cable: Cable) -> None:
    """It is cut again and again; each item is answered once."""
    with Client(cable.address) as client:
        found = []
        for key, answer in client.analyze_many(_ids(900), collection="sky", k=1):
            assert isinstance(answer, Analysis), answer
            found.append(key)
            if len(found) % 100 == 50:
                cable.cut()
    assert sorted(found) == list(range(900))
    assert cable.num_connections >= 5


def test_the_end_of_an_idle_connection_is_no_failure(cable: Cable) -> None:
    """However long ago it was, the next one may be lost too."""

    def lose() -> None:
        cable.cut()
        cable.flows.set()

    def live() -> Iterator[Any]:
        yield from _ids(1)
        time.sleep(0.3)
        cable.cut()
        time.sleep(2)
        cable.flows.clear()
        threading.Timer(0.3, lose).start()
        yield from _ids(1)

    with Client(cable.address, timeout=1.5) as client:
        found = list(client.analyze_many(live(), collection="sky"))
    assert len(found) == 2


def test_a_service_that_has_never_answered_is_given_up_soon() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        with (
            Client(address, timeout=60) as client,
            pytest.raises(errors.Unavailable, match=address),
        ):
            list(client.analyze_many(_ids(3)))
        assert time.monotonic() - began < 20


def test_an_answer_to_nothing_is_an_error() -> None:
    """Which names it."""

    class Confused(grpc.GenericRpcHandler):  # type: ignore[type-arg]
        def service(self, details: Any) -> Any:
            def answer(requests: Iterator[bytes], _: Any) -> Iterator[bytes]:
                for _ in requests:
                    yield pb.AnalyzeStreamResponse(item_id="x-7").SerializeToString()

            return grpc.stream_stream_rpc_method_handler(answer)

    async def ask() -> None:
        async with AsyncClient(address, timeout=5) as client:
            await anext(client.analyze_many(_ids(1)))

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Confused(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = f"127.0.0.1:{port}"
    with (
        Client(address, timeout=5) as client,
        pytest.raises(errors.Internal, match="'x-7', which was not asked"),
    ):
        next(client.analyze_many(_ids(1)))
    with pytest.raises(errors.Internal, match="'x-7', which was not asked"):
        asyncio.run(ask())
    server.stop(0).wait()


def test_silence_ends_with_the_timeout(cable: Cable) -> None:
    """Of a connection that stands, over which nothing comes any more."""
    with Client(cable.address, timeout=1) as client:
        answers = client.analyze_many(_ids(200), collection="sky", k=1)
        next(answers)
        cable.flows.clear()
        with pytest.raises(errors.DeadlineExceeded, match="silent for 1 s"):
            list(answers)
        cable.flows.set()


def test_an_item_the_service_does_not_take_spares_the_others(
    served: SimpleNamespace,
) -> None:
    """The service takes 16 MiB; a larger message ends the whole call."""
    large = np.random.default_rng(0).normal(0, 1, (2200, 2200)).astype("f4")
    items = [*_ids(20), ("large", large), *((f"+{i}", q) for i, q in _ids(60))]
    with Client(served.address) as client:
        found = dict(client.analyze_many(items, collection="sky", k=1))
    refused = found.pop("large")
    assert isinstance(refused, errors.Overloaded)
    assert all(isinstance(one, Analysis) for one in found.values())
    assert len(found) == 80


@pytest.mark.parametrize("is_asynchronous", [True, False])
def test_the_asynchronous_twin_does_the_same(
    cable: Cable, is_asynchronous: bool, tmp_path: Path
) -> None:
    """From an asynchronous iterable, or from a plain one, which does not block."""

    async def source() -> AsyncIterator[Any]:
        for item in _ids(200):
            yield item
        yield "bad", tmp_path / "absent.fits"

    async def ask() -> list[tuple[Any, Any]]:
        plain = [*_ids(200), ("bad", tmp_path / "absent.fits")]
        found = []
        async with AsyncClient(cable.address) as client:
            items: Any = source() if is_asynchronous else plain
            async for outcome in client.analyze_many(items, collection="sky", k=1):
                found.append(outcome)
                if len(found) == 100:
                    cable.cut()
        return found

    found = asyncio.run(ask())
    assert sorted((key for key, _ in found), key=str) == sorted(
        [*range(200), "bad"], key=str
    )
    wrong = [key for key, answer in found if not isinstance(answer, Analysis)]
    assert wrong == ["bad"]


def test_the_twin_holds_back_and_lets_go(served: SimpleNamespace) -> None:
    taken = 0

    async def endless() -> AsyncIterator[ObjectId]:
        nonlocal taken
        while True:
            taken += 1
            yield ObjectId("ring-0")

    async def ask() -> None:
        async with AsyncClient(served.address) as client:
            answers = client.analyze_many(endless(), collection="sky", k=1)
            for count in range(1, 51):
                await anext(answers)
                assert taken <= count + 258
            await answers.aclose()  # type: ignore[attr-defined]
            before = taken
            await asyncio.sleep(0.2)
            assert taken == before
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    asyncio.run(ask())


def test_progress_is_told(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """To a function, or as a bar; without a length nobody knows the end."""
    told: list[tuple[int, int | None]] = []
    items = _ids(5)
    for known, total in ((items, 5), (iter(items), None)):
        told.clear()
        many = client.analyze_many(
            known, collection="sky", progress=lambda done, of: told.append((done, of))
        )
        assert len(list(many)) == 5
        assert told == [(i, total) for i in range(1, 6)]
    list(client.analyze_many(items, collection="sky", progress=True))
    assert "5/5" in capsys.readouterr().err


@pytest.mark.parametrize("alone", ["a.fits", b"SIMPLE", Path("a.fits")])
def test_a_lone_query_is_not_taken_apart(client: Client, alone: Any) -> None:
    with pytest.raises(TypeError, match="several"):
        next(iter(client.analyze_many(alone, collection="sky")))
