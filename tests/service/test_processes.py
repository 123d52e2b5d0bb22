"""Processes that do tasks: what is left when they are killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from skylike.service.errors import BadInput
from skylike.service.processes import ProcessDied, Processes

SIZE = 50_000_000


def look_around(_: object) -> tuple[int, list[int]]:
    """The process's number, and the threads of each library of linear algebra."""
    assert np.eye(2) @ np.eye(2) is not None
    return os.getpid(), [one["num_threads"] for one in threadpool_info()]


def answer_at_length(task: int) -> bytes:
    """A long answer, in the middle of which the second task is killed."""
    main = threading.get_ident()

    def kill_while_it_sends() -> None:
        while sys._current_frames()[main].f_code.co_name != "_send":
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    if task == 2:
        threading.Thread(target=kill_while_it_sends, daemon=True).start()
    return bytes(SIZE)


def refuse_one(task: int) -> int:
    """The task; 1 is refused."""
    if task == 1:
        raise BadInput("no", reason="empty")
    return task


def is_gone(process: int) -> bool:
    """Whether a process ends within ten seconds."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not Path(f"/proc/{process}").exists()


def test_processes_let_others_go_first_by_as_much_as_they_are_told() -> None:
    mine = os.nice(0)
    for yielding in (0, 3):
        with Processes(os.nice, 1, yielding) as processes:
            assert processes.submit(0).result() == min(mine + yielding, 19)


def test_readers_need_no_main_module_and_end_with_their_parent(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text("""
import os
def number(_):
    return os.getpid()
""")
    script = tmp_path / "script.py"
    script.write_text("""
import time
from skylike.service.processes import Processes
from work import number
with Processes(number, 1) as processes:
    print(processes.submit(0).result(), flush=True)
    time.sleep(60)
""")
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    assert is_gone(child)


def test_a_reader_uses_one_thread() -> None:
    with Processes(look_around, 1) as processes:
        child, threads = processes.submit(0).result()
    assert set(threads) == {1}
    assert is_gone(child)


def whose(_: bytes) -> int:
    """The process's number, whatever the task."""
    return os.getpid()


def test_a_process_keeps_nothing_of_what_it_has_done() -> None:
    """While it waits for more, which may be for hours."""
    with Processes(whose, 1) as processes:
        child = processes.submit(bytes(4 * SIZE)).result()
        deadline = time.monotonic() + 10
        while _resident_bytes(child) > 3 * SIZE and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _resident_bytes(child) < 3 * SIZE


def _resident_bytes(process: int) -> int:
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_a_process_killed_in_the_middle_of_its_answer_costs_that_answer() -> None:
    with Processes(answer_at_length, 2) as processes:
        futures = [processes.submit(task) for task in range(6)]
        for task, future in enumerate(futures):
            if task == 2:
                with pytest.raises(ProcessDied):
                    future.result()
            else:
                assert len(future.result()) == SIZE


def test_what_a_task_raises_is_raised_where_it_was_asked() -> None:
    with Processes(refuse_one, 1) as processes:
        first, second, third = (processes.submit(task) for task in range(3))
        assert first.result() == 0
        with pytest.raises(BadInput) as caught:
            second.result()
        assert caught.value.reason == "empty"
        assert third.result() == 2


def test_leaving_in_the_middle_ends_what_is_under_way() -> None:
    began = time.monotonic()
    with Processes(time.sleep, 2) as processes:
        asked = [processes.submit(seconds) for seconds in (0, 50, 50, 50)]
        asked[0].result()
    assert time.monotonic() - began < 20
