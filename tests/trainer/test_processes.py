"""Processes that train together, and one that is killed: real ones, by torchrun."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from skylike.trainer import checkpoint, sky
from skylike.trainer.processes import joined
from skylike.trainer.record import LOG
from skylike.trainer.train import CHECKPOINT

RECIPE = """
steps = {steps}
batch = 16
checkpoint_steps = 2
threads = 1
learning_rate = 0.0005  # a higher one magnifies rounding
device = "cpu"
[stamp]
size = 32
[network]
width = 8
hidden = 32
projection = 16
dimension = 8
"""
TRAIN = ["-m", "skylike.trainer", "train"]
# Rounding to bfloat16, where the CPU has it, hides what 1e-4 would show.
IN_FLOAT32 = """
from skylike.trainer import step
from skylike.trainer.cli import main

step.has_bfloat16 = lambda device="cpu": False
if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sky")
    sky.simulate(folder, 48, 5)
    return folder


def command(files: Path, out: Path, steps: int) -> list[str]:
    out.parent.mkdir(exist_ok=True)
    recipe = out.parent / f"{steps}.toml"
    recipe.write_text(RECIPE.format(steps=steps))
    return [*TRAIN, str(files), "--out", str(out), "--config", str(recipe)]


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / LOG).read_text().splitlines()]


def state(run: Path) -> dict[str, Any]:
    tensors, _ = checkpoint._read(run / CHECKPOINT)
    return tensors


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one_with_the_joint_batch(
    files: Path, tmp_path: Path
) -> None:
    script = tmp_path / "exact.py"
    script.write_text(IN_FLOAT32)
    one, two = (
        [str(script), *command(files, tmp_path / name, 20)[2:]]
        for name in ("one", "two")
    )
    subprocess.run([sys.executable, *one], check=True, capture_output=True)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([sys.executable, *torchrun, *two], check=True, capture_output=True)
    alone, together = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(together) == 10
    # Rounding grows from step to step.
    assert together[:2] == pytest.approx(alone[:2], rel=1e-4)
    assert together == pytest.approx(alone, rel=1e-2)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_losses_and_state(
    files: Path, tmp_path: Path
) -> None:
    """Online, target, optimiser, order and random state, bit for bit."""
    whole = command(files, tmp_path / "whole", 40)
    subprocess.run([sys.executable, *whole], check=True, capture_output=True)
    killed = [sys.executable, *command(files, tmp_path / "killed", 40)]
    running = subprocess.Popen(killed, stderr=subprocess.DEVNULL)
    log = tmp_path / "killed" / LOG
    while not log.exists() or log.read_text().count("\n") < 3:
        assert running.poll() is None
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert len(losses(tmp_path / "killed")) < 20
    subprocess.run(killed, check=True, capture_output=True)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    expected, found = state(tmp_path / "whole"), state(tmp_path / "killed")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


def test_a_process_alone_averages_nothing() -> None:
    with joined("cpu") as group:
        tensor = torch.tensor([1.0, 2.0])
        group.average([tensor])
    assert (group.rank, group.count) == (0, 1)
    assert tensor.tolist() == [1, 2]
