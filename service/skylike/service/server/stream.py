"""Many questions over one call, answered as they are ready, several together."""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeAlias, TypeVar

import grpc

from skylike.service.errors import Closed, DeadlineExceeded
from skylike.service.server.load import Load


class _Sized(Protocol):
    def ByteSize(self) -> int: ...  # noqa: N802


_Question = TypeVar("_Question", bound=_Sized)
_Answer = TypeVar("_Answer")
# Answers with the bytes of their questions; the number of all; what went wrong.
_Answered: TypeAlias = tuple[Sequence[_Answer], int] | int | Exception


class Streamed(Generic[_Question, _Answer]):
    """Answers to a stream of questions, as they are ready: each time those of a batch.

    Questions are read by a thread of their own, and only while there is room for them:
    so flow control holds back who asks too fast, and who does not listen. Those that
    have come while others were answered are answered together.

    Parameters
    ----------
    questions
        Those of the call.
    answer
        Answers some of them, in their order.
    pool
        Where questions are answered.
    workers
        How many batches are answered at the same time.
    size
        Questions of a batch, at most.
    load
        What is held of all requests.
    max_idle_seconds
        Time that may pass without a question, if all are answered.
    """

    def __init__(
        self,
        questions: Iterator[_Question],
        answer: Callable[[Sequence[_Question]], Sequence[_Answer]],
        pool: Executor,
        workers: int,
        size: int,
        load: Load,
        max_idle_seconds: float,
    ) -> None:
        self._questions = questions
        self._answer = answer
        self._pool = pool
        self._workers = workers
        self._size = size
        self._load = load
        self._max_idle_seconds = max_idle_seconds
        self._guard = threading.Lock()
        self._waiting: deque[tuple[_Question, int]] = deque()  # with its bytes
        self._num_working = 0
        self._num_beginning = 0  # of these, that have not taken theirs yet
        self._num_bytes = 0  # of what was taken in and is not yet answered
        # As many as are at work, and as many that are the next.
        self._room = threading.Semaphore(2 * workers * size)
        self._has_gone = False
        self._ready: SimpleQueue[_Answered[_Answer]] = SimpleQueue()

    def __iter__(self) -> Iterator[Sequence[_Answer]]:
        """An answer for each question, until there are no more, or the caller has gone.

        Raises
        ------
        DeadlineExceeded
            ``idle`` if nothing is asked any more.
        Closed
            If `pool` is shut down before all are answered.
        Exception
            What `questions` or `answer` raised.
        """
        run = contextvars.copy_context().run
        threading.Thread(
            target=run, args=[self._ask], name="stream", daemon=True
        ).start()
        taken, total = 0, None
        try:
            while total is None or taken < total:
                found = self._following()
                if isinstance(found, Exception):
                    raise found
                if isinstance(found, int):
                    total = found
                    continue
                answers, num_bytes = found
                yield answers
                taken += len(answers)
                self._let_go(num_bytes)
                self._room.release(len(answers))
        finally:
            with self._guard:
                self._has_gone = True
                self._waiting.clear()
                num_bytes = self._num_bytes
            self._let_go(num_bytes)
            self._room.release()  # for a question that waits for it

    def _following(self) -> _Answered[_Answer]:
        """What is ready next."""
        while True:
            try:
                return self._ready.get(timeout=self._max_idle_seconds)
            except Empty:
                if not self._num_bytes:
                    raise DeadlineExceeded(
                        f"nothing was asked for {self._max_idle_seconds:g} s: open a "
                        "stream when there are questions",
                        reason="idle",
                    ) from None

    def _ask(self) -> None:
        count = 0
        try:
            for question in self._questions:
                self._room.acquire()
                if not self._take(question):
                    return
                count += 1
            self._ready.put(count)
        except grpc.RpcError:  # how gRPC says that the caller has gone
            self._ready.put(0)
        except Exception as error:
            self._ready.put(error)

    def _take(self, question: _Question) -> bool:
        """Take a question in; not if nobody waits for its answer any more."""
        num_bytes = question.ByteSize()
        if not self._load.take(num_bytes, lambda: not self._has_gone):
            return False
        with self._guard:
            if self._has_gone:
                self._load.let_go(num_bytes)
                return False
            self._num_bytes += num_bytes
            self._waiting.append((question, num_bytes))
            self._begin()
            return True

    def _begin(self) -> None:
        """Begin with those that wait, behind what other streams have, if it is worth it.

        Many small batches cost far more than few large ones: beside two, those that wait
        a little longer can be a whole one.
        """
        is_whole = len(self._waiting) >= (self._num_beginning + 1) * self._size
        if self._num_working < (self._workers if is_whole else min(2, self._workers)):
            self._num_working += 1
            self._num_beginning += 1
            try:
                work = self._pool.submit(contextvars.copy_context().run, self._work)
            except RuntimeError:  # who is closed takes nothing any more
                self._ready.put(_stopping())
            else:
                work.add_done_callback(self._look_after)

    def _look_after(self, work: "Future[None]") -> None:
        if work.cancelled():  # no answers come of it
            self._ready.put(_stopping())

    def _work(self) -> None:
        with self._guard:
            self._num_beginning -= 1
            count = min(self._size, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
        try:
            if batch:
                questions, sizes = zip(*batch, strict=True)
                self._ready.put((self._answer(questions), sum(sizes)))
        except Exception as error:
            self._ready.put(error)
        with self._guard:
            self._num_working -= 1
            if self._waiting:
                self._begin()

    def _let_go(self, num_bytes: int) -> None:
        with self._guard:
            num_bytes = min(num_bytes, self._num_bytes)
            self._num_bytes -= num_bytes
        self._load.let_go(num_bytes)


def _stopping() -> Closed:
    return Closed("the service is stopping")
