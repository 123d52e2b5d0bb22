"""Killed, or failed by the disk, at any point where something becomes durable.

ITERATIONS=1000 SEED=1 for a long run, as `make chaos` does.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.chaos import oracle

ITERATIONS = int(os.environ.get("ITERATIONS", "25"))
SEED = int(os.environ.get("SEED", "0"))
ROOT = Path(__file__).parents[2]


Run = Callable[..., list[dict[str, int]]]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs a process that works on a folder: what it acknowledged before it ended."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.chaos.work"]
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT
    ) as parent:
        stdin, stdout = parent.stdin, parent.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(folder: Path, seed: int, at: int, how: str) -> list[dict[str, int]]:
            words = [str(folder), "[]", str(seed), how, str(at)]
            stdin.write(json.dumps(words) + "\n")
            stdin.flush()
            code = int(stdout.readline())
            complaints = (folder / "complaints").read_text()
            was_killed = code == -9 and how == "kill"
            has_failed = code == 1 and "No space left" in complaints
            assert code == 0 or was_killed or has_failed, complaints
            said = (folder / "said").read_text().splitlines()
            return [json.loads(line) for line in said if line.endswith("}")]

        yield ask
        stdin.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "fail"])
def test_what_was_acknowledged_is_there_and_nothing_is_torn(
    how: str, run: Run, model: Path, tmp_path: Path
) -> None:
    """There is what was acknowledged, and at most what was in flight; answers are exact."""
    random = np.random.default_rng([SEED, how == "fail"])
    shutil.copy(model, tmp_path / "model.onnx")
    (tmp_path / "whole").mkdir()
    total = run(tmp_path / "whole", SEED, 0, how)[-1]["points"]
    assert total > 50
    for iteration in range(ITERATIONS):
        folder = tmp_path / f"{how}-{iteration}"
        folder.mkdir()
        seed, at = SEED + iteration % 5, int(random.integers(1, total))
        acknowledged = len(run(folder, seed, at, how))
        where = f"{how} at point {at} of seed {seed}, {acknowledged} acknowledged"
        assert oracle.survived(folder, [], seed, acknowledged) is not None, where
        shutil.rmtree(folder)
