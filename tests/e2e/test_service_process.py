"""The service as a process: started, asked, stopped, killed, started again."""

import ctypes
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import CompletedProcess
from threading import Thread
from types import SimpleNamespace

from skylike.client import Client, NewObject, SkylikeClientError
from skylike.client.errors import Unavailable

Run = Callable[..., "CompletedProcess[str]"]
Service = Callable[[Path, Path], AbstractContextManager["subprocess.Popen[str]"]]


def _address(ready_file: Path) -> str:
    return str(json.loads(ready_file.read_text())["address"])


def test_what_was_acknowledged_survives_kill_and_sigterm_ends_cleanly(
    service: Service, skylike: Run, data: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """Objects added before kill -9 are there after it; SIGTERM exits with 0.

    With one collection only, the client needs no name of it.
    """
    ready = tmp_path / "ready.json"
    with service(data, ready) as process:
        with Client(_address(ready)) as client:
            client.wait_ready()
            client.add(
                [NewObject(f"new-{i}", sky.draw("ring", 800 + i)) for i in range(20)]
            )
            before = client.neighbors(object_id="new-7", k=100)
            assert len(before.hits) == 79
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL

    ready.unlink()
    with service(data, ready) as process:
        address = _address(ready)
        with Client(address) as client:
            client.wait_ready()
            after = client.neighbors(object_id="new-7", k=100)
            assert after == before
            assert client.get("new-19").object.thumbnail_png
        done = skylike("query", "--id=new-7", f"--address={address}")
        assert done.returncode == 0, done.stderr
        assert "cluster: " in done.stdout
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0
        assert not ready.exists()
    entries = [json.loads(line) for line in log.splitlines()]
    events = [entry["event"] for entry in entries]
    assert events[0] == "serving"
    assert events[-2:] == ["stopping", "stopped"]
    answered = [entry for entry in entries if entry["event"] == "answered"]
    assert {"request_id", "method", "code", "milliseconds"} < set(answered[0])


def test_one_process_has_a_data_directory(
    service: Service, data: Path, tmp_path: Path
) -> None:
    """A second is refused with exit code 1 and the number of the first, in a line."""
    ready = tmp_path / "ready.json"
    with service(data, ready) as process:
        done = subprocess.run(
            [sys.executable, "-Im", "skylike.service", "collections", "--data", data],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert str(process.pid) in done.stderr
    assert "[in_use]" in done.stderr


def test_a_stop_finishes_what_is_under_way(
    service: Service, data: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """Under reads and writes: SIGTERM exits with 0, and no acknowledged write is lost.

    Calls that were let in are answered; later ones are told that nobody is there.
    """
    ready = tmp_path / "ready.json"
    cutouts = [sky.draw("ring", 900 + i) for i in range(40)]
    acknowledged: list[str] = []
    asked: list[int] = []
    ends: list[Exception] = []

    def write(client: Client) -> None:
        for number, cutout in enumerate(cutouts * 50):
            id = f"late-{number}"
            client.add([NewObject(id, cutout)])
            acknowledged.append(id)

    def ask(client: Client) -> None:
        for cutout in cutouts * 50:
            asked.append(len(client.analyze(cutout).hits))

    def until_the_end(work: Callable[[Client], None], client: Client) -> None:
        try:
            work(client)
        except SkylikeClientError as error:
            ends.append(error)

    with service(data, ready) as process, Client(_address(ready)) as client:
        client.wait_ready()
        works = [write, ask, ask]
        threads = [Thread(target=until_the_end, args=(work, client)) for work in works]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 5 or len(asked) < 5:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
        for thread in threads:
            thread.join(60)
    assert len(acknowledged) < 2000
    assert [type(end) for end in ends] == [Unavailable] * 3
    assert set(asked) == {10}

    with service(data, ready) as process, Client(_address(ready)) as client:
        client.wait_ready()
        found = {id for id in acknowledged if client.get(id).object.id == id}
        assert found == set(acknowledged)


def test_a_signal_that_another_thread_gets_stops_the_service(
    service: Service, data: Path, tmp_path: Path
) -> None:
    """The kernel may give it to any thread; Python handles it in the first, which waits."""
    ready = tmp_path / "ready.json"
    with service(data, ready) as process:
        with Client(_address(ready)) as client:
            client.wait_ready()
        threads = [int(one.name) for one in Path(f"/proc/{process.pid}/task").iterdir()]
        other = max(threads)
        assert other != process.pid
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.tgkill(process.pid, other, int(signal.SIGTERM)) == 0
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert not ready.exists()
