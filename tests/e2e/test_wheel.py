"""The wheel, installed alone: a client and nothing more, and it gets answers."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
ABSENT = ("torch", "faiss", "astropy", "onnxruntime", "sklearn", "scipy", "pydantic")
_UNREACHABLE = ("connection", "name resolution", "timed out", "network is unreachable")

pytestmark = pytest.mark.slow


def _run(*command: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    ours = {name: value for name, value in os.environ.items() if "SKYLIKE" not in name}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=ours,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _pip(python: Path | str, *arguments: str | Path, cwd: Path) -> None:
    """Run pip; without a registry in reach, skip, except where CI must not."""
    done = _run(python, "-Im", "pip", *arguments, cwd=cwd)
    if done.returncode == 0:
        return
    told = (done.stdout + done.stderr).lower()
    if "CI" not in os.environ and any(words in told for words in _UNREACHABLE):
        pytest.skip(f"no package registry in reach: {done.stderr.splitlines()[-1:]}")
    pytest.fail(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    _pip(sys.executable, "wheel", "--quiet", *options, ROOT, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


def test_every_file_of_every_room_is_in_it(wheel: Path) -> None:
    """Stubs, type markers and the demo's recipe too; no namespace init, no tests."""
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    wanted = {
        path.relative_to(ROOT / room)
        for room in ("protos", "client", "service", "trainer")
        for path in (ROOT / room / "skylike").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.parts[0] == "skylike"} == wanted
    assert {name.parts[0].split("-")[0] for name in names} == {"skylike"}


def test_installed_alone_it_asks_a_running_server(
    wheel: Path, served: SimpleNamespace, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """The base dependencies suffice; none of the heavy packages comes along."""
    venv.create(tmp_path / "fresh", with_pip=True)
    programs = tmp_path / "fresh" / "bin"
    constraints = ("-c", ROOT / "constraints.txt")
    python = programs / "python"
    _pip(python, "install", "--quiet", *constraints, wheel, cwd=tmp_path)

    found = _run(python, "-Ic", _PRESENT, *ABSENT, cwd=tmp_path)
    assert found.stdout.split() == [], found.stderr

    cutout = tmp_path / "new.fits"
    cutout.write_bytes(sky.draw("ring", 77))
    where = (f"--address={served.address}", "--collection=sky", "-k", "5")
    done = _run(programs / "skylike", "query", cutout, *where, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert _kinds(answer["hits"]) == ["ring"] * 5
    assert 0 < answer["anomaly"]["p_value"] <= 1
    assert answer["cluster"]["size"] > 0


def _kinds(hits: Sequence[dict[str, dict[str, str]]]) -> list[str]:
    return [hit["object"]["id"].split("-")[0] for hit in hits]


_PRESENT = """
import importlib.util, sys
print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name)))
"""
