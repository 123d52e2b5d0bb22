"""Questions of several callers that are answered together."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from skylike.service.config import Settings
from skylike.service.engine.resolve import Resolved
from skylike.service.errors import Cancelled, DeadlineExceeded, SkylikeError
from skylike.service.server.serve import Server
from skylike.service.server.together import answered
from skylike.v1 import search_pb2, search_pb2_grpc, types_pb2


@pytest.fixture(scope="module")
def narrow(served: SimpleNamespace) -> Iterator[Server]:
    """A server that does one thing at a time."""
    settings = Settings(
        data=Path(), address="127.0.0.1:0", workers=1, max_wait_seconds=20
    )
    with Server(served.engine, settings) as server:
        yield server


def _questions(sky: SimpleNamespace) -> list[search_pb2.AnalyzeRequest]:
    """All different: some bad, each in its own way."""

    def asked(cutout: bytes, **fields: Any) -> search_pb2.AnalyzeRequest:
        query = types_pb2.Query(cutout=types_pb2.Cutout(fits=cutout))
        return search_pb2.AnalyzeRequest(
            **{"collection": "sky", "query": query, **fields}
        )

    kinds = ("round", "long", "ring")
    good = [
        asked(sky.draw(kind, number), k=3 + number % 2)
        for kind in kinds
        for number in range(6)
    ]
    return [
        *good,
        asked(b"no FITS"),
        asked(sky.draw("ring", 1), k=5000),
        asked(sky.draw("ring", 2), collection="nobody"),
        search_pb2.AnalyzeRequest(
            collection="sky", query=types_pb2.Query(object_id="nobody")
        ),
    ]


def _told(ask: Any, question: search_pb2.AnalyzeRequest) -> tuple[Any, ...]:
    """What the answer says, but for numbers that batches compute a little otherwise."""
    try:
        answer = ask(question, timeout=60)
    except grpc.RpcError as error:
        told: Any = error
        return told.code(), told.details()
    hits = [hit.object.id for hit in answer.hits]
    return answer.reading.hdu, hits, answer.cluster.best.label


def test_each_gets_the_answer_it_gets_alone(
    narrow: Server, sky: SimpleNamespace
) -> None:
    """Also the bad ones, and none because of another; and several went together."""
    questions = _questions(sky)
    with grpc.insecure_channel(narrow.address) as channel:
        ask: Any = search_pb2_grpc.SearchServiceStub(channel).Analyze
        alone = [_told(ask, question) for question in questions]
        with ThreadPoolExecutor(len(questions)) as pool:
            for _ in range(5):
                together = list(pool.map(lambda one: _told(ask, one), questions))
                assert together == alone
    assert len({str(one) for one in alone}) > 10
    assert sum(one[0] is grpc.StatusCode.INVALID_ARGUMENT for one in alone) == 2
    text = narrow.monitor.metrics().decode()
    sizes = {
        float(size): float(count)
        for size, count in re.findall(
            r'skylike_batch_size_bucket\{le="([^"]+)"\} (\S+)', text
        )
    }
    assert sizes[float("inf")] > sizes[1.0]


@pytest.mark.parametrize("ends", [Cancelled, DeadlineExceeded])
def test_none_of_those_is_tried_alone_whose_caller_has_gone(
    served: SimpleNamespace, sky: SimpleNamespace, ends: type[SkylikeError]
) -> None:
    """As each is where something else is wrong with one of them."""
    num_tries = 0

    def see(*_: Any) -> list[Resolved | Exception]:
        nonlocal num_tries
        num_tries += 1
        raise ends("nobody waits")

    with pytest.raises(ends):
        answered(_questions(sky)[:10], served.engine, see)
    assert num_tries == 1


def _children() -> set[str]:
    """The processes that this one has started and that are there still."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # threads come and go
            found.update((task / "children").read_text().split())
    return found


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="processes are looked up in /proc"
)
def test_no_process_is_started_while_callers_wait(
    narrow: Server, sky: SimpleNamespace
) -> None:
    """That takes a quarter of a second, in which nobody would be answered."""
    cutout = types_pb2.Cutout(fits=sky.draw("ring", 1))
    asked = search_pb2.AnalyzeRequest(
        collection="sky", query=types_pb2.Query(cutout=cutout), k=3
    )
    before = _children()
    with grpc.insecure_channel(narrow.address) as channel:
        ask: Any = search_pb2_grpc.SearchServiceStub(channel).Analyze
        with ThreadPoolExecutor(60) as pool:
            answers = list(pool.map(lambda _: ask(asked, timeout=60), range(300)))
    assert all(answer.hits for answer in answers)
    assert _children() == before
