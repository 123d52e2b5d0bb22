"""Many questions over one call."""

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from tests.told import refusal

from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.engine.resolve import seen_all
from skylike.service.errors import Closed
from skylike.service.library import Library
from skylike.service.monitoring import Monitor
from skylike.service.server.bundles import FRAME_BYTES, messages_of, questions_of
from skylike.service.server.items import analyzed
from skylike.service.server.load import Load
from skylike.service.server.serve import Server
from skylike.service.server.stream import Streamed
from skylike.v1 import search_pb2, search_pb2_grpc, types_pb2


@pytest.fixture
def search(served: SimpleNamespace) -> Iterator[search_pb2_grpc.SearchServiceStub]:
    with grpc.insecure_channel(served.address) as opened:
        yield search_pb2_grpc.SearchServiceStub(opened)


def question(item_id: str, query: types_pb2.Query) -> search_pb2.AnalyzeStreamRequest:
    asked = search_pb2.AnalyzeRequest(collection="sky", query=query, k=3)
    return search_pb2.AnalyzeStreamRequest(item_id=item_id, analyze=asked)


def test_every_question_has_its_answer_whatever_becomes_of_the_others(
    search: search_pb2_grpc.SearchServiceStub, sky: SimpleNamespace
) -> None:
    cutouts = {f"new-{i}": sky.draw("ring", 900 + i) for i in range(40)}
    queries = {
        name: types_pb2.Query(cutout=types_pb2.Cutout(fits=fits))
        for name, fits in cutouts.items()
    }
    queries["broken"] = types_pb2.Query(cutout=types_pb2.Cutout(fits=b"<html>"))
    queries["unknown"] = types_pb2.Query(object_id="nobody")
    queries["x" * 513] = queries["new-0"]
    found = {
        answer.item_id: answer
        for answer in search.AnalyzeStream(
            question(name, query) for name, query in queries.items()
        )
    }
    assert set(found) == set(queries)
    for name in cutouts:
        alone = search.Analyze(question(name, queries[name]).analyze)
        _assert_same(found[name].analysis, alone)
    assert (found["broken"].error.code, found["broken"].error.reason) == (3, "NOT_FITS")
    assert found["unknown"].error.kind == "NOT_FOUND"
    assert found["unknown"].error.reason == "UNKNOWN_ID"
    assert found["x" * 513].error.reason == "BAD_ID"


def _assert_same(
    one: search_pb2.AnalyzeResponse, other: search_pb2.AnalyzeResponse
) -> None:
    """But for what a vector differs by with its company in a batch."""
    assert one.context == other.context
    assert one.reading == other.reading
    assert [hit.object for hit in one.hits] == [hit.object for hit in other.hits]
    scores = [hit.score for hit in other.hits]
    assert [hit.score for hit in one.hits] == pytest.approx(scores, abs=1e-6)
    assert one.cluster.best.label == other.cluster.best.label
    assert one.cluster.exemplar_ids == other.cluster.exemplar_ids
    assert one.anomaly.score == pytest.approx(other.anomaly.score, rel=1e-3)
    near = [hit.object.id for hit in one.anomaly.neighbors]
    assert near == [hit.object.id for hit in other.anomaly.neighbors]


def test_a_stream_without_questions_ends(
    search: search_pb2_grpc.SearchServiceStub,
) -> None:
    assert list(search.AnalyzeStream(iter(()))) == []


def test_answers_come_before_the_last_question(
    search: search_pb2_grpc.SearchServiceStub,
) -> None:
    waiting: queue.Queue[str | None] = queue.Queue()
    by_id = types_pb2.Query(object_id="ring-1")
    questions = (question(name, by_id) for name in iter(waiting.get, None))
    answers: Any = search.AnalyzeStream(questions)
    for name in ("a", "b", "c"):
        waiting.put(name)
        assert next(answers).item_id == name
    waiting.put(None)
    assert list(answers) == []


def test_a_caller_who_goes_leaves_no_thread_behind(
    search: search_pb2_grpc.SearchServiceStub,
) -> None:
    by_id = types_pb2.Query(object_id="ring-1")

    def forever() -> Iterator[search_pb2.AnalyzeStreamRequest]:
        while True:
            yield question("a", by_id)

    def readers() -> int:
        return sum(one.name == "stream" for one in threading.enumerate())

    answers: Any = search.AnalyzeStream(forever())
    next(answers)
    assert readers() == 1
    answers.cancel()
    deadline = time.monotonic() + 10
    while readers() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert readers() == 0


class Number(int):
    """A question of one byte."""

    def ByteSize(self) -> int:  # noqa: N802
        return 1


def _streamed(
    questions: Iterator[Number],
    answer: Callable[[Sequence[Number]], Sequence[str]],
    pool: ThreadPoolExecutor,
    load: Load | None = None,
) -> Iterator[str]:
    streamed = Streamed(questions, answer, pool, 2, 4, load or Load(10**6), 20)
    return (one for answers in streamed for one in answers)


def _names(numbers: Sequence[Number]) -> list[str]:
    return [str(number) for number in numbers]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def test_no_more_are_taken_in_than_there_is_room_for(pool: ThreadPoolExecutor) -> None:
    """While nobody takes an answer."""
    taken: list[int] = []

    def questions() -> Iterator[Number]:
        for number in range(100):
            taken.append(number)
            yield Number(number)

    answers = _streamed(questions(), _names, pool)
    assert next(answers)
    _until_still(lambda: len(taken))
    assert len(taken) <= 18
    assert len(list(answers)) == 99


def test_no_more_bytes_are_taken_in_than_may_be_held(pool: ThreadPoolExecutor) -> None:
    """All that are given back at the end, also by who does not listen any more."""
    load, taken = Load(5), []

    def questions() -> Iterator[Number]:
        for number in range(100):
            taken.append(number)
            yield Number(number)

    answers = _streamed(questions(), _names, pool, load)
    assert next(answers)
    _until_still(lambda: len(taken))
    assert len(taken) <= 7
    answers.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    while not load.take(5, lambda: False):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_those_that_come_meanwhile_are_answered_together(
    pool: ThreadPoolExecutor,
) -> None:
    """Up to a size, and each once."""
    sizes, may_end = [], threading.Event()

    def questions() -> Iterator[Number]:
        yield from map(Number, range(14))
        may_end.set()  # all have been taken in

    def answer(numbers: Sequence[Number]) -> list[str]:
        sizes.append(len(numbers))
        assert may_end.wait(20)
        return _names(numbers)

    answers = _streamed(questions(), answer, pool)
    assert sorted(answers, key=int) == [str(number) for number in range(14)]
    assert max(sizes) == 4
    assert len(sizes) <= 6


def test_beside_two_batches_only_whole_ones_begin() -> None:
    """However many may: a machine with many cores would have as many small ones."""
    sizes, may_end = [], threading.Event()

    def questions() -> Iterator[Number]:
        for number in range(40):
            yield Number(number)
            time.sleep(0.002)  # so that somebody could begin with each
        may_end.set()

    def answer(numbers: Sequence[Number]) -> list[str]:
        sizes.append(len(numbers))
        assert may_end.wait(20)
        return _names(numbers)

    with ThreadPoolExecutor(16) as many:
        streamed = Streamed(questions(), answer, many, 16, 4, Load(10**6), 20)
        answers = itertools.chain.from_iterable(streamed)
        assert sorted(answers, key=int) == [str(number) for number in range(40)]
    assert len(sizes) > 5
    assert set(sizes[2:-1]) == {4}


@pytest.mark.parametrize("where", ["questions", "answer"])
def test_what_breaks_ends_the_stream_with_its_error(
    pool: ThreadPoolExecutor, where: str
) -> None:
    """Never with answers missing and all well, nor without an end."""

    def questions() -> Iterator[Number]:
        yield Number(1)
        if where == "questions":
            raise RuntimeError("broken")

    def answer(numbers: Sequence[Number]) -> list[str]:
        if where == "answer":
            raise RuntimeError("broken")
        return _names(numbers)

    with pytest.raises(RuntimeError, match="broken"):
        list(_streamed(questions(), answer, pool))


@pytest.mark.parametrize("when", ["before", "in line", "at work"])
def test_a_pool_that_closes_ends_the_stream(when: str) -> None:
    """Also while questions that have come wait for room, and nobody hears of more."""
    failed: queue.SimpleQueue[Exception] = queue.SimpleQueue()
    busy, asked = threading.Event(), threading.Event()
    pool = ThreadPoolExecutor(2)

    def questions() -> Iterator[Number]:
        for number in range(100):
            if number == 16:  # the last for which there is room
                asked.set()
            yield Number(number)

    def answer(numbers: Sequence[Number]) -> list[str]:
        assert busy.wait(20)
        return _names(numbers)

    def listen() -> None:
        try:
            list(_streamed(questions(), answer, pool))
        except Exception as error:
            failed.put(error)

    if when == "in line":  # behind another stream
        for _ in range(2):
            pool.submit(busy.wait, 20)
    if when == "before":
        pool.shutdown()
    threading.Thread(target=listen, daemon=True).start()
    if when != "before":
        assert asked.wait(20)
        pool.shutdown(wait=False, cancel_futures=True)
    if when == "at work":
        busy.set()
    try:
        assert isinstance(failed.get(timeout=5), Closed)
    finally:
        busy.set()


def _until_still(count: Callable[[], int]) -> None:
    """Until it has not grown for a while."""
    before = -1
    while before != (before := count()):
        time.sleep(0.1)


def test_an_answer_that_is_too_large_ends_nothing(
    served: SimpleNamespace, sky: SimpleNamespace
) -> None:
    """It is told in its own place; the others are answered."""
    cutout = types_pb2.Cutout(fits=sky.draw("ring", 1))
    query = types_pb2.Query(cutout=cutout)
    questions = [question(str(number), query) for number in range(3)]
    questions[1].analyze.k, questions[1].analyze.thumbnails = 60, True
    monitor = Monitor(served.engine)
    found = analyzed(questions, served.engine, seen_all, monitor, 2**14)
    assert [one.item_id for one in found] == ["0", "1", "2"]
    assert found[0].HasField("analysis")
    assert found[1].error.reason == "ANSWER_TOO_LARGE"
    assert found[2].HasField("analysis")


def test_streams_leave_room_for_other_calls(data: Path) -> None:
    """Those that say nothing too: a quarter of all calls may be streams."""
    settings = Settings(data=data, address="127.0.0.1:0", max_calls=16)
    waiting: queue.SimpleQueue[None] = queue.SimpleQueue()
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        search = search_pb2_grpc.SearchServiceStub(channel)
        streams: list[Any] = [
            search.AnalyzeStream(iter(waiting.get, None)) for _ in range(4)
        ]
        for stream in streams:
            stream.initial_metadata()
        refused: Any = search.AnalyzeStream(iter(()))
        with pytest.raises(grpc.RpcError):
            next(refused)
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        by_id = types_pb2.Query(object_id="ring-1")
        assert search.Analyze(question("a", by_id).analyze).hits
        for stream in streams:
            stream.cancel()
            waiting.put(None)


def company(*questions: search_pb2.AnalyzeStreamRequest) -> Any:
    """A message of several questions."""
    return search_pb2.AnalyzeStreamRequest(
        questions=[
            search_pb2.StreamQuestion(item_id=one.item_id, analyze=one.analyze)
            for one in questions
        ]
    )


def test_questions_that_come_together_are_answered_together(
    search: search_pb2_grpc.SearchServiceStub, sky: SimpleNamespace
) -> None:
    """Each once and as if it were alone; those that came alone are answered alone."""
    cutout = types_pb2.Query(cutout=types_pb2.Cutout(fits=sky.draw("ring", 950)))
    by_id = types_pb2.Query(object_id="ring-1")
    unknown = types_pb2.Query(object_id="nobody")
    both = company(*(question(f"c{i}", by_id) for i in range(3)))
    both.MergeFrom(question("alone beside", by_id))
    messages = [
        company(question("a", cutout), question("b", unknown), question("", by_id)),
        question("alone", cutout),
        both,
        company(*(question(f"d{i}", by_id) for i in range(200))),
    ]
    got = list(search.AnalyzeStream(iter(messages)))
    alone = {one.item_id: one for one in got if not one.answers}
    together = [one for message in got for one in message.answers]
    assert set(alone) == {"alone", "alone beside"}
    assert all(not one.item_id for one in got if one.answers)
    names = ["a", "b", "", *(f"c{i}" for i in range(3)), *(f"d{i}" for i in range(200))]
    assert sorted(one.item_id for one in together) == sorted(names)
    assert sum(1 for one in got if one.answers) <= 10
    found = {one.item_id: one for one in together}
    _assert_same(found["a"].analysis, alone["alone"].analysis)
    _assert_same(found["d7"].analysis, alone["alone beside"].analysis)
    assert found["b"].error.reason == "UNKNOWN_ID"
    assert found[""].error.reason == "BAD_ID"


def test_too_many_questions_in_a_message_end_the_stream(
    search: search_pb2_grpc.SearchServiceStub,
) -> None:
    """However small they are: a message of nothing else makes objects of 28 times its size."""
    most = search_pb2.AnalyzeStreamRequest.FromString(b"\x1a\x00" * 1024)
    got = [
        one for message in search.AnalyzeStream(iter([most])) for one in message.answers
    ]
    assert [one.error.reason for one in got] == ["BAD_ID"] * 1024
    most.questions.add()
    assert refusal(lambda: list(search.AnalyzeStream(iter([most])))) == "BAD_BATCH_SIZE"


def test_a_question_keeps_and_counts_no_bytes_of_others() -> None:
    """Else one that waits would hold far more than is known of."""
    large = types_pb2.Query(cutout=types_pb2.Cutout(fits=bytes(2**22)))
    both = company(question("small", types_pb2.Query()), question("large", large))
    both.item_id = "its own"
    content = both.SerializeToString()
    before = _held_bytes()
    kept = []
    for _ in range(50):
        own, small, _large = questions_of(
            [search_pb2.AnalyzeStreamRequest.FromString(content)]
        )
        kept += [own, small]
    del _large
    assert [one.item_id for one in kept[:2]] == ["its own", "small"]
    assert sum(one.ByteSize() for one in kept) < 5000
    assert _held_bytes() - before < 2**26  # all that came has 200 MiB


def _held_bytes() -> int:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_message_of_answers_grows_up_to_a_size() -> None:
    """A larger one comes alone, with what its message adds to it accounted for."""
    answers = [
        search_pb2.StreamAnswer(
            item_id=str(number), error=search_pb2.ItemError(message="x" * size)
        )
        for number, size in enumerate([10, 900_000, 149_000, 600, 3_000_000, 5, 5])
    ]
    got = list(messages_of(answers))
    assert [[one.item_id for one in message.answers] for message in got] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
        ["5", "6"],
    ]
    assert [one for message in got for one in message.answers] == answers
    for message in got:
        alone = sum(one.ByteSize() for one in message.answers)
        assert message.ByteSize() <= alone + len(message.answers) * FRAME_BYTES
    assert list(messages_of([])) == []


def test_many_large_answers_reach_who_asked_together(
    search: search_pb2_grpc.SearchServiceStub,
) -> None:
    """More than a message may have, in as many messages as that takes."""
    asked = [question(str(n), types_pb2.Query(object_id="ring-1")) for n in range(100)]
    for one in asked:
        one.analyze.k, one.analyze.thumbnails = 60, True
    got = list(search.AnalyzeStream(iter([company(*asked)])))
    found = [one for message in got for one in message.answers]
    assert sorted(one.item_id for one in found) == sorted(str(n) for n in range(100))
    assert all(one.HasField("analysis") for one in found)
    assert sum(message.ByteSize() for message in got) > 2**22
    assert all(message.ByteSize() <= 2**20 for message in got)
