"""The house rules: layout, sizes, layers, stubs, versions, and what must not be said."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PORTIONS = ("protos", "client", "service", "trainer")
ROOMS = (*PORTIONS, "tests", "deploy")
MOST_LINES = 400
PROTO_PYTHON = ROOT / ".venv-proto" / "bin" / "python"
# Everything else on the web a reader can find by name.
LINKED = {
    "arxiv.org",
    "cds.unistra.fr",
    "doi.org",
    "download.pytorch.org",
    "keepachangelog.com",
    "semver.org",
}
_PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return done.stdout


def _files(*patterns: str) -> list[Path]:
    """Files of the project, new ones included, ignored ones not."""
    options = ("--cached", "--others", "--exclude-standard", "-z")
    found = _git("ls-files", *options, "--", *patterns).split("\0")
    return [ROOT / name for name in found if name and (ROOT / name).exists()]


def _documents() -> list[Path]:
    return _files("*.md", "*.cff", "codemeta.json")


def test_no_portion_claims_the_namespace() -> None:
    """One `skylike/__init__.py` would hide the rooms of all the others."""
    culprits = [ROOT / room / "skylike" / "__init__.py" for room in PORTIONS]
    assert [path for path in culprits if path.exists()] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_is_for(room: str) -> None:
    """A title, then one sentence; decisions where something has been decided."""
    text = (ROOT / room / "README.md").read_text(encoding="utf-8")
    title, purpose = text.split("\n\n")[:2]
    assert re.fullmatch(r"# .+", title)
    assert re.fullmatch(r"[A-Z].*\.", purpose, re.DOTALL), "no sentence"
    assert not re.search(r"\.\s", purpose), "one sentence"
    assert "\n## Decisions\n" in text


def test_modules_stay_small() -> None:
    """A module that cannot be read in one go is split by noun; stubs are generated."""
    lengths = {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for path in _files("*.py")
        if "_pb2" not in path.name and path.relative_to(ROOT).parts[0] in PORTIONS
    }
    assert len(lengths) > 50
    assert {p: n for p, n in lengths.items() if n > MOST_LINES} == {}


def test_layers_and_doors_hold() -> None:
    """import-linter's contracts in pyproject.toml."""
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_stubs_are_current(tmp_path: Path) -> None:
    """The committed stubs are what the protos give, to the byte."""
    if not PROTO_PYTHON.exists():
        pytest.skip("no generator here; make proto-check sets one up")
    kinds = ("python", "grpc_python", "mypy", "mypy_grpc")
    sources = sorted((ROOT / "protos").rglob("*.proto"))
    done = subprocess.run(
        [
            *(PROTO_PYTHON, "-m", "grpc_tools.protoc", "-I."),
            *(f"--{kind}_out={tmp_path}" for kind in kinds),
            *(path.relative_to(ROOT / "protos") for path in sources),
        ],
        cwd=ROOT / "protos",
        env={"PATH": f"{PROTO_PYTHON.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*_pb2*")}
    kept = set((ROOT / "protos").rglob("*_pb2*.py*"))
    kept = {path for path in kept if "__pycache__" not in path.parts}
    assert {path.relative_to(ROOT / "protos") for path in kept} == set(made)
    for name, path in made.items():
        assert (ROOT / "protos" / name).read_bytes() == path.read_bytes(), name


def test_generated_files_are_marked() -> None:
    """Reviews need not show them."""
    stubs = [str(path.relative_to(ROOT)) for path in _files("*_pb2*")]
    told = _git("check-attr", "linguist-generated", "--", *stubs).splitlines()
    assert len(told) == len(stubs) > 0
    assert [line for line in told if not line.endswith(": set")] == []


def _requirements() -> Iterator[Requirement]:
    project = _PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for text in [text for group in groups for text in group]:
        requirement = Requirement(text)
        here = requirement.marker is None or requirement.marker.evaluate()
        if requirement.name != "skylike" and here:
            yield requirement


def test_every_dependency_is_pinned() -> None:
    """And every pin can be had anywhere: no local build, no file."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins: dict[str, str] = {}
    for line in (line for line in lines if not line.startswith("#")):
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
        assert match, f"not a plain pin: {line}"
        pins[canonicalize_name(match[1])] = match[2]
    for requirement in _requirements():
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(pin), requirement


def test_versions_and_licence_agree() -> None:
    """pyproject.toml, CITATION.cff, codemeta.json and the changelog say the same."""
    project = _PROJECT["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    codemeta = json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    cited = dict(re.findall(r"^(\w[\w-]*): (\S.*)$", citation, re.MULTILINE))
    assert cited["version"] == codemeta["version"] == project["version"]
    assert f"## [{project['version']}]" in changelog
    assert cited["license"] == project["license"] == "BSD-3-Clause"
    assert codemeta["license"].endswith("/BSD-3-Clause")
    assert licence.startswith("BSD 3-Clause License\n")
    assert "Neither the name of the copyright holder" in licence
    assert cited["abstract"].strip('"') == codemeta["description"]


def test_nothing_tells_of_one_machine() -> None:
    """No absolute path of whoever wrote it, no address but loopback's, no host."""
    of_home = re.compile(r"(?<![\w.])/(work|root|home|Users)/\w")
    number = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
    for path in _files():
        if path.suffix == ".png" or "_pb2" in path.name:
            continue
        # Models and contracts are bytes, of which names and notes can be read.
        is_bytes = path.suffix in {".onnx", ".safetensors", ".binpb"}
        text = path.read_text("latin-1" if is_bytes else "utf-8")
        assert not of_home.search(text), path
        if path in _documents():
            assert set(number.findall(text)) <= {"127.0.0.1", "0.0.0.0"}, path
    for path in (path for path in _documents() if path.suffix == ".md"):
        hosts = re.findall(r"https?://([^/\s)]+)", path.read_text(encoding="utf-8"))
        assert set(hosts) <= LINKED, path


def test_links_between_documents_lead_somewhere() -> None:
    """Pictures too."""
    for path in _files("*.md"):
        text = path.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#\s]+)\)", text):
            assert link.startswith("http") or (path.parent / link).exists(), (
                f"{path.relative_to(ROOT)} points to {link}"
            )


def test_no_placeholder_is_left() -> None:
    """Results are filled in from a run, not promised."""
    left = {
        str(path.relative_to(ROOT)): found
        for path in _documents()
        if (found := re.findall(r"@[A-Z]+@", path.read_text(encoding="utf-8")))
    }
    assert left == {}


@pytest.mark.parametrize("variable", ["NPM_REQUIRED", "CI"])
def test_tests_that_need_npm_fail_without_it_where_all_is_built(
    with_npm: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
) -> None:
    """Elsewhere they skip."""
    exported = re.findall(
        r"^export (.*?)(?: #|$)", (ROOT / ".ci/run").read_text(), re.M
    )
    assert "NPM_REQUIRED=1" in " ".join(exported).split()
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("NPM_REQUIRED", "CI"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(pytest.skip.Exception, match="npm is missing"):
        with_npm("npm", "ci", cwd=tmp_path)
    monkeypatch.setenv(variable, "1")
    with pytest.raises(pytest.fail.Exception, match="npm is missing"):
        with_npm("npm", "ci", cwd=tmp_path)
