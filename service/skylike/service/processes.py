"""Processes that do tasks, each asked over a pipe of its own.

A killed process, as when the kernel takes memory back, costs the task it was at and no
other. `concurrent.futures` would share one pipe between all of them: a process killed in
the middle of an answer leaves it unreadable, and whoever reads it waits for ever.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

from skylike.service.errors import Overloaded

_STARTS = 2  # a process may be killed while it starts, by no fault of its own
_CODE = "from skylike.service.processes import serve; serve({}, {})"
# Several threads of linear algebra would wait for each other.
_ONE_THREAD = dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1"
)

_Task = TypeVar("_Task")
_Answer = TypeVar("_Answer")


def num_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessDied(Exception):
    """A process ended before it had answered."""


class Processes(Generic[_Task, _Answer]):
    """A number of processes that all do one thing.

    Each is a new interpreter, since the threads of onnxruntime do not survive a fork, and
    imports nothing of the program that starts it. It uses one thread for linear algebra,
    and ends with its parent however that ends.

    Parameters
    ----------
    do
        What they do: something that a module has. It, the tasks and the answers are
        pickled between them.
    num
        How many there are at most; each starts when there is work for it.
    yielding
        By how much they let others go first, as `os.nice`.
    """

    def __init__(
        self, do: Callable[[_Task], _Answer], num: int, yielding: int = 0
    ) -> None:
        self._do = do
        self._threads = ThreadPoolExecutor(
            num, "asks-a-process", initializer=_block_interrupts
        )
        self._idle: SimpleQueue[_Process[_Task, _Answer]] = SimpleQueue()
        self._all = [_Process(do, yielding) for _ in range(num)]
        for process in self._all:
            self._idle.put(process)

    def submit(self, task: _Task) -> Future[_Answer]:
        """Have a task done.

        The future raises what the task raised, `ProcessDied` if its process was killed,
        and `Overloaded` (``no_processes``) if none can be started.
        """
        return self._threads.submit(self._ask, task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes, whatever they are at; nothing is taken any more."""
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

    def __init__(self, do: Callable[[_Task], _Answer], yielding: int) -> None:
        self._do = do
        self._yielding = yielding
        self._pipe: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._starting = threading.Lock()  # or it would start after its end

    def ask(self, task: _Task) -> _Answer:
        with self._starting:
            pipe = self._pipe or self._start()
        try:
            pipe.send(task)
            answer, failure = pipe.recv()
        except (EOFError, OSError) as error:
            pipe.close()
            with self._starting:
                self._pipe = None
                self._stop()
            raise ProcessDied from error
        if failure is not None:
            raise failure
        return answer  # type: ignore[no-any-return]

    def end(self) -> None:
        with self._starting:
            self._ended = True
            self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _start(self) -> Connection:
        for _ in range(_STARTS):
            if self._ended:
                raise ProcessDied
            with suppress(EOFError, OSError):
                pipe, its = Pipe()
                # Its end of the pipe is closed here, so that its end is the pipe's.
                with its:
                    process = _started(its, self._yielding)
                try:
                    pipe.send(self._do)
                    pipe.recv()
                except (EOFError, OSError):
                    pipe.close()
                    process.communicate()
                    raise
                self._process, self._pipe = process, pipe
                return pipe
        raise Overloaded(
            "no process to read files can be started: memory or open files may be at "
            "their limit",
            reason="no_processes",
        )


def _started(pipe: Connection, yielding: int) -> "subprocess.Popen[bytes]":
    """A process that serves at a pipe, and ends when its standard input does."""
    return subprocess.Popen(
        [sys.executable, "-c", _CODE.format(pipe.fileno(), yielding)],
        stdin=subprocess.PIPE,
        pass_fds=[pipe.fileno()],
        env=os.environ | _ONE_THREAD | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _block_interrupts() -> None:
    """In the thread that starts a process, and so in that: who asks it also ends it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def serve(descriptor: int, yielding: int) -> None:
    """Do tasks until nobody asks any more: what a process runs."""
    os.nice(yielding)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with Connection(descriptor) as pipe, suppress(EOFError, OSError):
        do = pipe.recv()
        pipe.send(None)
        while True:  # without names: it would keep the last task while it waits
            pipe.send(_outcome(do, pipe.recv()))


def _outcome(
    do: Callable[[object], object], task: object
) -> tuple[object, Exception | None]:
    try:
        return do(task), None
    except Exception as error:
        return None, error  # raised where it was asked


def _end_with_parent() -> None:
    """A process that is killed cannot stop its children: they watch it themselves.

    Nothing is ever written to the standard input, which the parent alone holds open.
    """
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
