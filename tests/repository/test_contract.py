"""The contract: linted by buf, and compared with the one that callers were promised."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUF = ROOT / "build/buf/node_modules/.bin/buf"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _linted(with_npm: Callable[..., None]) -> None:
    """As `make proto-lint` says, which installs buf: the contract as it is passes."""
    with_npm("make", "proto-lint", cwd=ROOT)


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    """A copy, to be changed."""
    ignore = shutil.ignore_patterns("*_pb2*", "__pycache__")
    return shutil.copytree(ROOT / "protos", tmp_path / "protos", ignore=ignore)


def _buf(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([BUF, *arguments], capture_output=True, text=True)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def test_a_field_without_a_comment_is_found(protos: Path) -> None:
    _replace(protos / "skylike/v1/types.proto", "  // 1 for the most alike.\n", "")
    done = _buf("lint", protos)
    assert done.returncode != 0
    assert 'Field "rank" should have a non-empty comment' in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("uint32 rank = 1;", "uint32 place = 1;", '"rank" to "place"'),
        ("uint32 rank = 1;", "uint32 rank = 9;", 'Previously present field "1"'),
        ("uint32 rank = 1;", "string rank = 1;", "changed type"),
    ],
)
def test_what_breaks_callers_is_found(
    protos: Path, old: str, new: str, told: str
) -> None:
    _replace(protos / "skylike/v1/types.proto", old, new)
    done = _buf("breaking", protos, "--against", protos / "baseline.binpb")
    assert done.returncode != 0
    assert told in done.stdout


def test_what_is_added_breaks_nobody(protos: Path) -> None:
    added = "uint32 rank = 1;\n  // What it is called.\n  string nickname = 99;"
    _replace(protos / "skylike/v1/types.proto", "uint32 rank = 1;", added)
    done = _buf("breaking", protos, "--against", protos / "baseline.binpb")
    assert (done.returncode, done.stdout) == (0, "")
