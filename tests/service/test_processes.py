"""Processes that do tasks: what is left when they are killed."""

import json
import subprocess
import sys
import time
from pathlib import Path


def run(script: Path, code: str) -> str:
    """What a script prints that starts processes; it has a minute."""
    script.write_text(code)
    return subprocess.run(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_readers_use_one_thread_and_end_with_their_parent(tmp_path: Path) -> None:
    code = """
import sys, time
from threadpoolctl import threadpool_info
from multiprocessing import active_children
import numpy
from skylike.service.processes import Processes
def ask(_):
    return [one["num_threads"] for one in threadpool_info()]
if __name__ == "__main__":
    with Processes(ask, 1) as processes:
        threads = processes.submit(0).result()
        print(threads, [child.pid for child in active_children()], flush=True)
        time.sleep(60)
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        threads, child = parent.stdout.readline().rsplit(" ", 1)
        parent.kill()
    assert set(json.loads(threads)) == {1}
    process = Path("/proc") / str(json.loads(child)[0])
    deadline = time.monotonic() + 10
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not process.exists()


def test_a_process_killed_in_the_middle_of_its_answer_costs_that_answer(
    tmp_path: Path,
) -> None:
    code = """
import os, signal, sys, threading
from skylike.service.processes import ProcessDied, Processes

def answer(task):
    def kill_while_it_sends():
        while sys._current_frames()[main].f_code.co_name != "_send":
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    main = threading.get_ident()
    if task == 2:
        threading.Thread(target=kill_while_it_sends, daemon=True).start()
    return bytes(50_000_000)

if __name__ == "__main__":
    with Processes(answer, 2) as processes:
        for future in [processes.submit(task) for task in range(6)]:
            try:
                print(len(future.result()))
            except ProcessDied:
                print("died")
"""
    answers = run(tmp_path / "script.py", code).split()
    assert answers == ["50000000"] * 2 + ["died"] + ["50000000"] * 3


def test_what_a_task_raises_is_raised_where_it_was_asked(tmp_path: Path) -> None:
    code = """
from skylike.service.errors import BadInput
from skylike.service.processes import Processes

def answer(task):
    if task == 1:
        raise BadInput("no", reason="empty")
    return task

if __name__ == "__main__":
    with Processes(answer, 1) as processes:
        for future in [processes.submit(task) for task in range(3)]:
            try:
                print(future.result())
            except BadInput as error:
                print(error.reason)
"""
    assert run(tmp_path / "script.py", code).split() == ["0", "empty", "2"]


def test_leaving_in_the_middle_ends_what_is_under_way(tmp_path: Path) -> None:
    code = """
import time
from multiprocessing import active_children
from skylike.service.processes import Processes

if __name__ == "__main__":
    with Processes(time.sleep, 2) as processes:
        asked = [processes.submit(seconds) for seconds in (0, 50, 50, 50)]
        asked[0].result()
        began = time.monotonic()
    print(time.monotonic() - began < 20, active_children())
"""
    assert run(tmp_path / "script.py", code).split() == ["True", "[]"]
