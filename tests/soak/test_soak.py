"""The short form of `make soak`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_read_fails_while_collections_are_filled_and_switched() -> None:
    """Half a minute of reads, writes and switches; memory and open files stay."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.soak.run", "--seconds", "30"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed, failed = run.stdout.splitlines()[-1].split(", ")
    assert int(passed.removesuffix(" passed")) > 500
    assert failed == "0 failed"
    assert "'switch': " in run.stderr
    assert "'reindex': " in run.stderr
