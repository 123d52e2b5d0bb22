"""Many questions over one call, answered as they are ready."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from queue import SimpleQueue
from typing import TypeVar

from skylike.service.errors import SkylikeError

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")


def streamed(
    questions: Iterator[_Question],
    answer: Callable[[_Question], _Answer],
    pool: Executor,
    at_once: int,
) -> Iterator[_Answer]:
    """Answer questions, in the order in which their answers are ready.

    Parameters
    ----------
    questions
        Read by a thread of their own, and only while fewer than `at_once` are in work
        or wait for their answer to be taken: so flow control holds back who asks too
        fast, and who does not listen.
    answer
        Answers one of them; raises nothing.
    pool
        Where questions are answered.
    at_once
        How many are in work at most.

    Yields
    ------
    answers
        One for each question, until there are no more, or the caller has gone.

    Raises
    ------
    SkylikeError
        That `questions` raised.
    """
    # A number: of all questions.
    ready: SimpleQueue[_Answer | int | SkylikeError] = SimpleQueue()
    room = threading.Semaphore(at_once)
    has_gone = threading.Event()

    def work(question: _Question) -> None:
        if not has_gone.is_set():
            ready.put(answer(question))

    def ask() -> None:
        count = 0
        try:
            for question in questions:
                room.acquire()
                if has_gone.is_set():
                    return
                pool.submit(work, question)
                count += 1
        except SkylikeError as error:  # what came is no question
            ready.put(error)
            return
        except Exception:  # how gRPC says that the caller has gone
            has_gone.set()
            count = 0
        ready.put(count)

    threading.Thread(target=ask, name="stream", daemon=True).start()
    taken, total = 0, None
    try:
        while total is None or taken < total:
            found = ready.get()
            if isinstance(found, SkylikeError):
                raise found
            if isinstance(found, int):
                total = found
                continue
            yield found
            taken += 1
            room.release()
    finally:
        has_gone.set()
        room.release()  # for a question that waits for it
