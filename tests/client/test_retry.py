"""What is asked again, when, and what never is."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.process import Service

from skylike.client import (
    Analysis,
    AsyncClient,
    Client,
    FitJob,
    ObjectId,
    errors,
)
from skylike.client.retry import pause
from skylike.service.errors import BadRequest, Overloaded, TooManyRequests
from skylike.service.server.status import rpc_status
from skylike.v1 import job_pb2

Ask = Callable[..., Any]
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class Moody(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """A service that answers every call with nothing, after the failures it is told.

    Attributes
    ----------
    failures
        The next ones: errors of the service, or bare statuses as of a lost connection.
    calls
        When each call came, to which method, with which bytes.
    """

    def __init__(self) -> None:
        self.failures: list[Any] = []
        self.calls: list[tuple[float, str, bytes]] = []

    def service(self, details: Any) -> Any:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append((time.monotonic(), details.method, request))
            if self.failures:
                failure = self.failures.pop(0)
                if isinstance(failure, grpc.StatusCode):
                    context.abort(failure, "gone")
                context.abort_with_status(rpc_status(failure, "id"))
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)

    @property
    def waits(self) -> list[float]:
        """Seconds between the calls."""
        times = [time for time, _, _ in self.calls]
        return [later - one for one, later in itertools.pairwise(times)]


@pytest.fixture
def moody() -> Iterator[Moody]:
    server = grpc.server(ThreadPoolExecutor(2))
    handler = Moody()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler.address = f"127.0.0.1:{port}"  # type: ignore[attr-defined]
    yield handler
    server.stop(0).wait()


@pytest.fixture(params=["Client", "AsyncClient"])
def ask(request: pytest.FixtureRequest, moody: Moody) -> Ask:
    """Calls a method by its name, of either client: they keep one schedule."""

    def call(name: str, *arguments: Any, timeout: float = 10, **named: Any) -> Any:
        address: str = moody.address  # type: ignore[attr-defined]
        if request.param == "Client":
            with Client(address, timeout=timeout) as client:
                return getattr(client, name)(*arguments, **named)

        async def asked() -> Any:
            async with AsyncClient(address, timeout=timeout) as client:
                return await getattr(client, name)(*arguments, **named)

        return asyncio.run(asked())

    return call


def test_a_read_is_made_again_until_it_is_answered(ask: Ask, moody: Moody) -> None:
    moody.failures = [UNAVAILABLE, Overloaded("full", retry_seconds=0.01), UNAVAILABLE]
    assert ask("count").num_objects == 0
    assert len(moody.calls) == 4
    assert len({request for _, _, request in moody.calls}) == 1


def test_a_write_is_made_again_under_its_name(ask: Ask, moody: Moody) -> None:
    """So that the service does it once; each write has a name of its own."""
    moody.failures = [UNAVAILABLE]
    ask("set_labels", ["a"], ["b"])
    ask("set_labels", ["a"], ["b"])
    first, again, second = (request for _, _, request in moody.calls)
    assert first == again != second
    moody.calls.clear()
    ask("delete", ["a"], request_id="mine")
    assert b"mine" in moody.calls[0][2]


def test_a_job_is_started_again_under_its_name(moody: Moody) -> None:
    moody.failures = [UNAVAILABLE]
    with Client(moody.address) as client:  # type: ignore[attr-defined]
        # An answer of nothing is no job.
        with pytest.raises(ValueError, match="unspecified"):
            client.start_job(FitJob(), request_id="mine")
        with pytest.raises(errors.BadInput, match="not empty"):
            client.start_job(FitJob(), request_id="")
    first, again = (request for _, _, request in moody.calls)
    assert first == again
    assert b"mine" in first


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("set_alias", ("a", "b")),
        ("roll_back_alias", ("a",)),
        ("delete_alias", ("a",)),
        ("create_collection", ("a",)),
        ("delete_collection", ("a",)),
    ],
)
def test_what_is_not_safe_is_made_again_only_if_it_was_not_begun(
    ask: Ask, moody: Moody, name: str, arguments: tuple[str, ...]
) -> None:
    """As only the service can say."""
    moody.failures = [UNAVAILABLE]
    with pytest.raises(errors.Unavailable):
        ask(name, *arguments)
    assert len(moody.calls) == 1
    moody.failures = [Overloaded("full", retry_seconds=0.01)]
    ask(name, *arguments)
    assert len(moody.calls) == 3


def test_what_the_service_asks_for_is_waited(ask: Ask, moody: Moody) -> None:
    moody.failures = [Overloaded("full", retry_seconds=0.5)]
    ask("count")
    assert 0.5 <= moody.waits[0] < 1.5


def test_no_wait_is_begun_that_the_deadline_would_end(ask: Ask, moody: Moody) -> None:
    """The reason is told at once, not as a deadline that passed."""
    moody.failures = [Overloaded("full", retry_seconds=5.0)]
    began = time.monotonic()
    with pytest.raises(errors.Overloaded, match="full") as caught:
        ask("count", timeout=2)
    assert time.monotonic() - began < 1.5
    assert caught.value.retry_seconds == 5.0
    assert caught.value.status == "UNAVAILABLE"


@pytest.mark.parametrize(
    "failure",
    [
        BadRequest("no"),
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ],
)
def test_other_failures_are_final(ask: Ask, moody: Moody, failure: Any) -> None:
    """A limit too that nobody says to pass."""
    moody.failures = [failure]
    with pytest.raises(errors.SkylikeClientError):
        ask("count")
    assert len(moody.calls) == 1


@pytest.mark.parametrize("busy", [Overloaded, TooManyRequests])
def test_a_busy_service_is_asked_until_the_deadline(
    ask: Ask, moody: Moody, busy: type[Overloaded]
) -> None:
    """It says itself when it has time, and that it has done nothing yet."""
    moody.failures = [busy("full", retry_seconds=0.01)] * 7
    assert ask("count", timeout=20).num_objects == 0
    assert len(moody.calls) == 8


def test_five_attempts_are_enough_where_nothing_has_ever_answered(
    ask: Ask, moody: Moody
) -> None:
    """The address may be wrong, and that should be told soon."""
    moody.failures = [UNAVAILABLE] * 9
    with pytest.raises(errors.Unavailable):
        ask("count")
    assert len(moody.calls) == 5


def test_to_strangers_no_more_is_made_again_by_all_calls_together(moody: Moody) -> None:
    """Once it has answered, it is no stranger."""
    moody.failures = [UNAVAILABLE] * 20
    with Client(moody.address) as client:  # type: ignore[attr-defined]
        for _ in range(4):
            with pytest.raises(errors.Unavailable):
                client.count()
        assert len(moody.calls) == 5 + 1 + 1 + 1
        moody.failures = []
        client.count()
        moody.failures = [UNAVAILABLE] * 7
        client.count()


def test_an_error_of_the_service_makes_it_known_too(moody: Moody) -> None:
    moody.failures = [BadRequest("no")]
    with Client(moody.address) as client:  # type: ignore[attr-defined]
        with pytest.raises(errors.BadInput):
            client.count()
        moody.failures = [UNAVAILABLE] * 7
        client.count()


def test_a_known_service_that_stays_away_is_told_at_the_deadline(
    data: Path, tmp_path: Path
) -> None:
    """With what is wrong, not only that the time is over; `within` says when."""
    with Service(data, tmp_path) as service, Client(service.address) as client:
        client.wait_ready()
        service.kill()
        began = time.monotonic()
        with pytest.raises(errors.Unavailable, match="refused"):
            client.within(3).count(collection="sky")
        assert 1 < time.monotonic() - began < 4


@pytest.mark.parametrize("signal", ["kill", "stop"])
def test_a_service_that_is_started_again_meanwhile_fails_no_safe_call(
    data: Path, tmp_path: Path, signal: str
) -> None:
    """Reads, writes and streams of many threads, of a service that is 3 seconds away."""
    failed: list[BaseException] = []
    has_ended = threading.Event()

    def go_on(client: Client, number: int) -> None:
        try:
            while not has_ended.is_set():
                client.neighbors(object_id="ring-0", collection="sky")
                client.set_labels(["ring-1"], [f"label-{number}"], collection="sky")
                ids = [ObjectId(f"ring-{i}") for i in range(5)]
                outcomes = client.analyze_many(ids, collection="sky")
                assert all(isinstance(one, Analysis) for _, one in outcomes)
        except BaseException as error:  # told by the test itself
            failed.append(error)

    with Service(data, tmp_path) as service, Client(service.address) as client:
        client.wait_ready()
        threads = [threading.Thread(target=go_on, args=(client, i)) for i in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        getattr(service, signal)()
        time.sleep(3)
        with Service(data, tmp_path, address=service.address):
            time.sleep(1)
            has_ended.set()
            for thread in threads:
                thread.join()
    assert not failed


def test_pauses_grow_and_are_random_from_nothing() -> None:
    """Full jitter: clients that failed together do not come back together."""
    for failed, longest in ((1, 0.1), (2, 0.2), (4, 0.8), (30, 5.0)):
        pauses = [pause(failed) for _ in range(2000)]
        assert max(pauses) <= longest
        assert min(pauses) < 0.05 * longest
        assert 0.45 * longest < sum(pauses) / len(pauses) < 0.55 * longest


def test_a_job_is_watched_over_any_number_of_connections() -> None:
    """Each told something before it was lost."""
    running = job_pb2.Job(job_id="a", state=job_pb2.JOB_STATE_RUNNING)
    told = job_pb2.WatchJobResponse(job=running)

    class Fleeting(grpc.GenericRpcHandler):  # type: ignore[type-arg]
        num_calls = 0

        def service(self, details: Any) -> Any:
            def answer(_: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
                self.num_calls += 1
                yield told.SerializeToString()
                if self.num_calls < 12:
                    context.abort(UNAVAILABLE, "gone")

            return grpc.unary_stream_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Fleeting(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}") as client:
        assert len(list(client.watch_job("a"))) == 12
    server.stop(0).wait()


def test_threads_retry_for_themselves(moody: Moody) -> None:
    """One that waits does not hold up another."""
    moody.failures = [Overloaded("full", retry_seconds=1.0)]
    with Client(moody.address) as client:  # type: ignore[attr-defined]
        slow = threading.Thread(target=client.count)
        slow.start()
        while not moody.calls:
            time.sleep(0.01)
        began = time.monotonic()
        client.count()
        assert time.monotonic() - began < 0.9
        slow.join()
    assert len(moody.calls) == 3
