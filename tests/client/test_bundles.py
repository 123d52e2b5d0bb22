"""Questions of a stream, several in a message."""

import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue

import pytest

from skylike.client.bundles import Asked, bundled
from skylike.v1 import search_pb2 as pb

_MIB = 2**20


@dataclass
class Question:
    """A question, and a number that passes for its bytes."""

    request: pb.StreamQuestion
    size: int


def _of(*sizes: int) -> "SimpleQueue[Asked | None]":
    """A queue of questions of so many bytes, by their own account, and the end."""
    queue: SimpleQueue[Asked | None] = SimpleQueue()
    for number, size in enumerate(sizes):
        queue.put(Question(pb.StreamQuestion(item_id=str(number)), size))
    queue.put(None)
    return queue


def _names(messages: list[pb.AnalyzeStreamRequest]) -> list[list[str]]:
    return [[one.item_id for one in message.questions] for message in messages]


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [
        ([], []),
        ([1], [1]),
        ([1] * 16, [16]),
        ([1] * 40, [16, 16, 8]),
        ([200_000] * 5, [2, 2, 1]),
        ([1, 60 * _MIB, 1, 1], [1, 1, 2]),
        ([60 * _MIB, 60 * _MIB], [1, 1]),
    ],
)
def test_what_waits_goes_together_up_to_a_number_and_a_size(
    sizes: list[int], lengths: list[int]
) -> None:
    """What is large never makes others too large to be taken."""
    got = _names(list(bundled(_of(*sizes))))
    assert [len(names) for names in got] == lengths
    assert [name for names in got for name in names] == [
        str(n) for n in range(len(sizes))
    ]


def test_a_question_does_not_wait_for_the_next_one() -> None:
    queue: SimpleQueue[Asked | None] = SimpleQueue()
    messages = bundled(queue)
    threading.Timer(0.5, queue.put, [None]).start()
    for name in "ab":
        queue.put(Question(pb.StreamQuestion(item_id=name), 1))
        began = time.monotonic()
        assert _names([next(messages)]) == [[name]]
        assert time.monotonic() - began < 0.3
    assert list(messages) == []
