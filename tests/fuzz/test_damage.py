"""The short form of `make fuzz`."""

import subprocess
import sys
from pathlib import Path


def test_damaged_files_give_an_image_or_a_documented_error() -> None:
    """Two thousand of them, in processes with limits of time and memory."""
    script = Path(__file__).parent / "damage.py"
    run = subprocess.run(
        [sys.executable, "-I", str(script), "--count", "2000", "--seed", "7"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == "2000 passed, 0 failed"
