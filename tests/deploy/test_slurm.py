"""The Slurm script, run for real as a scheduler would run it.

Of Slurm only `scontrol` is stood in for: by a script that notes what it was asked.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "slurm-index.sh"


@pytest.fixture
def node(tmp_path: Path) -> SimpleNamespace:
    """A node of a cluster: its programs, and the variables that a job finds there."""
    (tmp_path / "bin").mkdir()
    for name in ("scontrol", "apptainer"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/{name}.log"\n')
        program.chmod(0o755)
    ours = {name: value for name, value in os.environ.items() if "SKYLIKE" not in name}
    environment = ours | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "4711",
        "SLURM_CPUS_PER_TASK": "2",
        "SLURM_JOB_NAME": "skylike-index",
        "SKYLIKE_DATA": str(tmp_path / "data"),
        "VENV": sys.prefix,
    }
    return SimpleNamespace(path=tmp_path, environment=environment)


def _submit(node: SimpleNamespace, *arguments: str | Path, **more: str) -> Any:
    return subprocess.Popen(
        ["bash", SCRIPT, *arguments],
        cwd=node.path,
        env=node.environment | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _draw(folder: Path, sky: SimpleNamespace, count: int) -> Path:
    folder.mkdir()
    drawn = [sky.draw("ring", seed) for seed in range(10)]
    for i in range(count):
        (folder / f"{i:04}.fits").write_bytes(drawn[i % len(drawn)])
    return folder


def test_bash_reads_it_and_slurm_its_directives() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    lines = SCRIPT.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    assert os.access(SCRIPT, os.X_OK)
    # Slurm stops looking at the first line that is a command.
    head = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    assert not any(line.startswith("#SBATCH") for line in lines[head:])
    directives = [line for line in lines[:head] if line.startswith("#SBATCH")]
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", "\n".join(directives), re.M))  # fmt: skip
    assert len(options) == len(directives)
    assert options["nodes"] == options["ntasks"] == "1"
    assert options["signal"].startswith("B:USR1@")
    assert {"requeue", "time", "mem", "cpus-per-task"} <= set(options)


@pytest.mark.slow
def test_it_indexes_queues_again_when_time_ends_and_goes_on(
    node: SimpleNamespace, sky: SimpleNamespace, model: Path
) -> None:
    """The second job adds what the first had not, and nothing twice."""
    files = _draw(node.path / "archive", sky, 4000)
    first = _submit(node, files, "--model", model)
    done = node.path / "data/collections/sky/indexing.jsonl"
    while not done.exists() or done.read_bytes().count(b"\n") < 2:
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    first.send_signal(signal.SIGUSR1)  # as --signal=B:USR1@300 does
    _, log = first.communicate(timeout=60)
    assert first.returncode == 0
    assert "time is nearly over" in log
    assert (node.path / "scontrol.log").read_text() == "requeue 4711\n"

    second = _submit(node, files, "--model", model)
    out, log = second.communicate(timeout=300)
    assert second.returncode == 0, log
    report = json.loads(out)
    assert report["indexed"] + report["known"] == report["objects"] == 4000
    assert report["indexed"] > 0
    assert report["known"] > 0


def test_a_failure_is_the_job_s(node: SimpleNamespace, sky: SimpleNamespace) -> None:
    """No data directory named, or nothing to index: not 0."""
    unnamed = _submit(node, "archive", SKYLIKE_DATA="")
    _, log = unnamed.communicate(timeout=60)
    assert unnamed.returncode == 1
    assert "name the data directory" in log
    missing = _submit(node, node.path / "nowhere")
    _, log = missing.communicate(timeout=60)
    assert missing.returncode == 2, log
    assert not (node.path / "scontrol.log").exists()


def test_in_apptainer_it_shows_the_data_and_the_archive(node: SimpleNamespace) -> None:
    """What Apptainer would be asked to run."""
    done = _submit(node, "/archive/x", IMAGE="skylike.sif", BIND="/archive")
    done.communicate(timeout=60)
    assert done.returncode == 0
    data = node.path / "data"
    assert (node.path / "apptainer.log").read_text().split() == [
        *("exec", "--cleanenv", "--env", f"SKYLIKE_DATA={data}"),
        *("--bind", f"{data},/archive:/archive:ro", "skylike.sif"),
        *("/opt/skylike/bin/skylike-service", "index", "--workers", "2", "--json"),
        "/archive/x",
    ]
    assert data.is_dir()
