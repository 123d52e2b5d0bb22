"""How ``skylike`` ends where nobody can read what it prints."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

_FULL = Path("/dev/full")
_SCRIPT = "from skylike.client.cli import main; main(prog_name='skylike')"
_COMMANDS = [
    ("--help",),
    ("neighbors", "--help"),
    ("completion", "fish"),
    ("collections", "list"),
    ("clusters", "list", "--collection=sky"),
    ("neighbors", "--id=ring-0", "--collection=sky"),
    ("neighbors", "--id=ring-0", "--collection=sky", "--json"),
    ("neighbors", "--id=nothing", "--collection=sky", "--json"),
    ("objects", "list", "--collection=sky", "--json"),
    ("many", "no.fits", "--collection=sky", "--json"),
    ("health",),
]


def _run(
    served: SimpleNamespace, command: Sequence[str], out: IO[bytes], **more: Any
) -> Any:
    isolated = ["-I"] if sys.flags.isolated else []
    asks = command[-1] != "--help" and command[0] != "completion"
    where = [f"--address={served.address}"] if asks else []
    return subprocess.run(
        [sys.executable, *isolated, "-c", _SCRIPT, *command, *where],
        stdout=out,
        **({"stderr": subprocess.PIPE} | more),
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not _FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_told_in_one_line(
    served: SimpleNamespace,
    command: Sequence[str],
    unbuffered: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with _FULL.open("wb") as full:
        done = _run(served, command, full)
        assert done.returncode == 1
        [line] = done.stderr.decode().splitlines()
        assert line == (
            "error: what is printed cannot be written: No space left on device [io_error]"
        )
        assert _run(served, command, full, stderr=full).returncode == 1


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_who_reads_no_further_is_told_nothing(
    served: SimpleNamespace, command: Sequence[str]
) -> None:
    reading = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    assert reading.stdin is not None
    reading.wait()
    done = _run(served, command, reading.stdin)
    reading.stdin.close()
    assert (done.returncode, done.stderr) == (1, b"")
