"""Processes that do tasks, each asked over a pipe of its own.

A killed process, as when the kernel takes memory back, costs the task it was at and no
other. `concurrent.futures` would share one pipe between all of them: a process killed in
the middle of an answer leaves it unreadable, and whoever reads it waits for ever.
"""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service.errors import NotReady

_STARTS = 2  # a process may be killed while it starts, by no fault of its own
# Processes start afresh: the threads of onnxruntime do not survive a fork.
_SPAWN = get_context("spawn")

_Task = TypeVar("_Task")
_Answer = TypeVar("_Answer")


class ProcessDied(Exception):
    """A process ended before it had answered."""


class Processes(Generic[_Task, _Answer]):
    """A number of processes that all do one thing.

    Each uses one thread for linear algebra, and ends with its parent however that ends.

    Parameters
    ----------
    do
        What they do; it, the tasks and the answers are pickled between them.
    num
        How many there are at most; each starts when there is work for it.
    """

    def __init__(self, do: Callable[[_Task], _Answer], num: int) -> None:
        self._do = do
        self._threads = ThreadPoolExecutor(
            num, "asks-a-process", initializer=_block_interrupts
        )
        self._idle: SimpleQueue[_Process[_Task, _Answer]] = SimpleQueue()
        self._all = [_Process(do) for _ in range(num)]
        for process in self._all:
            self._idle.put(process)

    def submit(self, task: _Task) -> Future[_Answer]:
        """Have a task done.

        The future raises what the task raised, `ProcessDied` if its process was killed,
        and `NotReady` (``no_processes``) if none can be started.
        """
        return self._threads.submit(self._ask, task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.end()
        self._threads.shutdown()

    def _ask(self, task: _Task) -> _Answer:
        process = self._idle.get()  # there are as many as threads
        try:
            return process.ask(task)
        finally:
            self._idle.put(process)


class _Process(Generic[_Task, _Answer]):
    """A process that is there when it is asked, however often it was killed."""

    def __init__(self, do: Callable[[_Task], _Answer]) -> None:
        self._do = do
        self._pipe: Connection | None = None
        self._process: SpawnProcess | None = None
        self._ended = False
        self._starting = threading.Lock()  # or it would start after its end

    def ask(self, task: _Task) -> _Answer:
        with self._starting:
            pipe = self._pipe or self._start()
        try:
            pipe.send(task)
            answer, failure = pipe.recv()
        except (EOFError, OSError) as error:
            self._pipe = None
            raise ProcessDied from error
        if failure is not None:
            raise failure
        return answer  # type: ignore[no-any-return]

    def end(self) -> None:
        with self._starting:
            self._ended = True
            if self._process is not None:
                self._process.kill()
                self._process.join()

    def _start(self) -> Connection:
        for _ in range(_STARTS):
            if self._ended:
                raise ProcessDied
            with suppress(EOFError, OSError):
                pipe, its = _SPAWN.Pipe()
                # Its end of the pipe is closed here, so that its end is the pipe's.
                with its:
                    given = (self._do, its)
                    process = _SPAWN.Process(target=_serve, args=given, daemon=True)
                    process.start()
                try:
                    pipe.recv()
                except (EOFError, OSError):
                    pipe.close()
                    process.join()
                    raise
                self._process, self._pipe = process, pipe
                return pipe
        raise NotReady(
            "no process to read files can be started: memory or open files may be at "
            "their limit; a script that calls this needs an `if __name__ == '__main__':`",
            reason="no_processes",
        )


def _block_interrupts() -> None:
    """In the thread that starts a process, and so in that: who asks it also ends it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _serve(do: Callable[[_Task], _Answer], pipe: Connection) -> None:
    """Do tasks until nobody asks any more.

    Several threads of linear algebra would wait for each other; what does it has been
    imported with `do`.
    """
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send(None)
    with suppress(EOFError, OSError):
        while True:
            task = pipe.recv()
            answer: tuple[_Answer | None, Exception | None]
            try:
                answer = do(task), None
            except Exception as error:
                answer = None, error  # raised where it was asked
            pipe.send(answer)


def _end_with_parent() -> None:
    """A process that is killed cannot stop its children: they watch it themselves."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
