"""The service as a process of its own, as in real life."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skylike.service.errors import NotReady

_START_SECONDS = 60
_STOP_SECONDS = 30


def service(*arguments: str | Path) -> dict[str, Any]:
    """Run a ``skylike-service`` command that prints JSON.

    Raises
    ------
    NotReady
        With the last line it printed, if it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "skylike.service", *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotReady(f"skylike-service {arguments[0]} ended with {done.returncode}")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@contextlib.contextmanager
def running(data: Path, log: Path) -> Iterator[str]:
    """A server on a free port of this machine: yields its address, stops it after.

    Raises
    ------
    NotReady
        If it does not start, or does not stop cleanly on SIGTERM.
    """
    ready = log.with_name("ready.json")
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "skylike.service", "serve", "--data", str(data)]
    command += ["--address", "127.0.0.1:0", "--ready-file", str(ready)]
    with log.open("w") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not ready.exists():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise NotReady(f"the server did not start; see {log}")
                time.sleep(0.05)
            yield str(json.loads(ready.read_text())["address"])
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                code = server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                code = server.wait()
    if code != 0:
        raise NotReady(f"the server ended with {code} instead of 0; see {log}")
