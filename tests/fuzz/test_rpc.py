"""The short form of `make fuzz-rpc`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_nonsense_gets_documented_statuses_and_the_server_lives() -> None:
    """Every method of every service, by a process that is asked over a socket."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.rpc", "--count", "800", "--seed", "3"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed, failed = run.stdout.splitlines()[-1].split(", ")
    assert int(passed.removesuffix(" passed")) >= 800
    assert failed == "0 failed"
