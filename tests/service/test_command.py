"""How ``skylike-service`` ends where nobody can read what it prints."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from skylike.service.config import Settings

_FULL = Path("/dev/full")
_COMMANDS = [("--help",), ("serve", "--help"), ("collections",), ("info", "sky")]


def _run(command: Sequence[str], out: IO[bytes], data: Path, *more: str) -> Any:
    isolated = ["-I"] if sys.flags.isolated else []
    where: list[str | Path] = [] if command[-1] == "--help" else ["--data", data, *more]
    return subprocess.run(
        [sys.executable, *isolated, "-m", "skylike.service", *command, *where],
        stdout=out,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not _FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_told_in_one_line(
    command: Sequence[str],
    unbuffered: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    for more in ((), ("--json",)):
        with _FULL.open("wb") as full:
            done = _run(command, full, data, *more)
        assert done.returncode == 1
        assert done.stderr == b"error: No space left on device [io_error]\n"


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_who_reads_no_further_is_told_nothing(
    command: Sequence[str], data: Path
) -> None:
    reading = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    assert reading.stdin is not None
    reading.wait()
    done = _run(command, reading.stdin, data)
    reading.stdin.close()
    assert (done.returncode, done.stderr) == (1, b"")


def test_help_tells_the_default_of_each_setting() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "skylike.service", "serve", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    words = " ".join(done.stdout.split())
    for name, field in Settings.model_fields.items():
        _, _, told = words.partition(f"--{name.replace('_', '-')} ")
        assert told, name
        if field.default not in (None, False, ()):
            assert f"[default: {field.default}]" in told.partition(" --")[0], name
