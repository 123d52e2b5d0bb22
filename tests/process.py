"""The service as a process of its own that is watched: what it takes, and how it ends."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tests.conftest import clean_environment

_STOP_SECONDS = 60


class Service:
    """``skylike-service serve``, answering when it is entered.

    Parameters
    ----------
    data
        Its data directory.
    folder
        Where its log is written: a pipe that nobody reads would fill.
    options
        More of the command line.
    address
        Where it listens.
    """

    def __init__(
        self,
        data: Path,
        folder: Path,
        *options: str | Path,
        address: str = "127.0.0.1:0",
    ) -> None:
        self._log = folder / "service.log"
        self._ready = folder / "ready.json"
        isolated = ["-I"] if sys.flags.isolated else []
        self._command = [
            *(sys.executable, *isolated, "-m", "skylike.service", "serve"),
            *("--data", data, "--address", address, "--log-json"),
            *("--ready-file", self._ready, *options),
        ]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=clean_environment()
            )
        while not self._ready.exists():
            if self._process.poll() is not None:
                raise RuntimeError(self._log.read_text())
            time.sleep(0.02)
        self.address = str(json.loads(self._ready.read_text())["address"])
        self._proc = Path("/proc") / str(self._process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def resident_bytes(self, which: str = "VmRSS") -> int:
        """Memory it holds now; ``VmHWM`` the most it ever held."""
        status = (self._proc / "status").read_text().splitlines()
        [line] = [line for line in status if line.startswith(f"{which}:")]
        return int(line.split()[1]) * 1024

    def num_descriptors(self) -> int:
        """Files and sockets it has open."""
        return len(list((self._proc / "fd").iterdir()))

    def failures(self) -> list[str]:
        """What it logged as failed inside, with tracebacks."""
        lines = self._log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        failed = [entry for entry in entries if entry["event"] == "failed"]
        return [str(entry.get("exception", entry)) for entry in failed]

    def kill(self) -> None:
        """End it as the loss of power would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it as a supervisor would; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_STOP_SECONDS)
