"""Many questions over one call."""

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from skylike.service.server.stream import streamed
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
        assert found[name].analysis == alone
    assert (found["broken"].error.code, found["broken"].error.reason) == (3, "NOT_FITS")
    assert found["unknown"].error.kind == "UNKNOWN_ID" or (
        found["unknown"].error.reason == "UNKNOWN_ID"
    )
    assert found["x" * 513].error.reason == "BAD_ID"


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


def test_no_more_are_taken_in_than_there_is_room_for() -> None:
    """While nobody takes an answer."""
    taken: list[int] = []

    def questions() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        answers = streamed(questions(), str, pool, at_once=4)
        assert next(answers)
        time.sleep(0.2)
        assert len(taken) <= 6
        assert len(list(answers)) == 99
