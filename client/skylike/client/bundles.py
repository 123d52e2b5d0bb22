"""Questions of a stream, several in a message: that costs less than a message for each."""

import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Protocol

from skylike.v1 import search_pb2 as pb

_MOST = 16  # questions of a message
_MOST_BYTES = 2**19  # of several; one alone may have more
_SECONDS = 0.002  # that a question waits for company


class Asked(Protocol):
    """A question that is to be sent, and its bytes."""

    @property
    def request(self) -> pb.StreamQuestion: ...  # noqa: D102

    @property
    def size(self) -> int: ...  # noqa: D102


def bundled(
    questions: SimpleQueue[Asked | None],
) -> Iterator[pb.AnalyzeStreamRequest]:
    """Messages of the questions that are put into a queue, until None is."""
    behind: list[Asked | None] = []  # what came, and had no room in its message
    while (question := behind.pop() if behind else questions.get()) is not None:
        until = time.monotonic() + _SECONDS
        bundle, num_bytes = pb.AnalyzeStreamRequest(), 0
        while True:
            bundle.questions.append(question.request)
            num_bytes += question.size
            if len(bundle.questions) == _MOST:
                break
            try:
                question = questions.get(timeout=max(0, until - time.monotonic()))
            except Empty:
                break
            if question is None or num_bytes + question.size > _MOST_BYTES:
                behind.append(question)
                break
        yield bundle
