"""Killed, or failed by the disk, at any point where something becomes durable.

ITERATIONS=1000 SEED=1 for a long run, as `make chaos` does.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from skylike.service import snapshot
from skylike.service.errors import DamagedData
from skylike.service.library import Library

ITERATIONS = int(os.environ.get("ITERATIONS", "25"))
SEED = int(os.environ.get("SEED", "0"))
SCRIPT = Path(__file__).with_name("work.py")


@pytest.fixture(scope="module")
def work() -> ModuleType:
    import importlib.util  # noqa: PLC0415 -- tests are no package

    spec = importlib.util.spec_from_file_location("chaos_work", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chaos_work"] = module
    spec.loader.exec_module(module)
    return module


def run(
    folder: Path, model: Path, seed: int, at: int, how: str
) -> list[dict[str, int]]:
    """What the process acknowledged before it ended."""
    with Library(folder / "data") as library:
        for name in ("sky", "other"):
            library.create(name, model)
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, str(seed), str(at), how],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [
        json.loads(line) for line in done.stdout.splitlines() if line.endswith("}")
    ]
    ended_well = done.returncode == 0 and not at
    was_killed = done.returncode == -9 and how == "kill"
    has_failed = done.returncode == 1 and "No space left" in done.stderr
    assert ended_well or was_killed or has_failed or len(lines) == 30, done.stderr
    return lines


def holds(library: Library, folder: Path, state: Any, work: ModuleType) -> bool:
    """Whether all is there, as it must be, and nothing else."""
    sky = library.collection("sky")
    if library.aliases().get("live") != state.alias:
        return False
    if len(sky) != len(state.objects) or sky.known(state.objects) != set(state.objects):
        return False
    known = {}
    for name, (expected, seed) in state.objects.items():
        if sky.get(name) != expected:
            return False
        known[name] = work.vector(seed, sky.dimension)
        if not np.array_equal(sky.vector(name), known[name]):
            return False
    query = work.vector(10_000, sky.dimension)
    scores = {name: float(made.astype(float) @ query) for name, made in known.items()}
    expected_ids = sorted(scores, key=lambda name: (-scores[name], name))
    if [hit.id for hit in sky.nearest(query[None], 100)[0]] != expected_ids:
        return False
    for name, count in state.snapshots.items():
        if snapshot.verify(folder / name).num_objects != count:
            return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "fail"])
def test_what_was_acknowledged_is_there_and_nothing_is_torn(
    how: str, work: ModuleType, model: Path, tmp_path: Path
) -> None:
    """There is what was acknowledged, and at most what was in flight; answers are exact."""
    random = np.random.default_rng([SEED, how == "fail"])
    (tmp_path / "whole").mkdir()
    total = run(tmp_path / "whole", model, SEED, 0, how)[-1]["points"]
    assert total > 50
    for iteration in range(ITERATIONS):
        folder = tmp_path / f"{how}-{iteration}"
        folder.mkdir()
        seed, at = SEED + iteration % 5, int(random.integers(1, total))
        acknowledged = len(run(folder, model, seed, at, how))
        states = [work.State()]
        for one in work.operations(seed):
            states.append(work.after(states[-1], one))
        possible = states[acknowledged : acknowledged + 2]
        where = f"{how} at point {at} of seed {seed}, {acknowledged} acknowledged"
        with Library(folder / "data") as library:
            assert any(holds(library, folder, one, work) for one in possible), where
            problems = library.verify("sky")
            assert not [one for one in problems if not one.is_derived], where
            library.verify("sky", repair=True)
            assert library.verify("sky") == [], where
            assert any(holds(library, folder, one, work) for one in possible), where
        for path in folder.glob("*.snapshot*"):
            if path.suffix == ".snapshot":
                try:
                    snapshot.verify(path)
                except DamagedData as error:
                    raise AssertionError(where) from error
