"""The README's commands are run, in order, as a reader would paste them.

All ``sh`` blocks and all ``python`` blocks become one shell script. Replaced is only
the address, so that a busy port does not matter: the command lines take it from the
environment, the Python example from `REPLACED`. ``console`` blocks install things or
take minutes: of these only the make targets are checked.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPLACED = "127.0.0.1:50051"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = 300


def _blocks() -> list[tuple[str, str]]:
    return _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def _free_address() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.slow
def test_commands_and_example_work_as_written(tmp_path: Path) -> None:
    """From an empty folder to answers; the server ends cleanly when it is told to."""
    address = _free_address()
    lines = ["set -euxo pipefail"]
    for number, (language, text) in enumerate(_blocks()):
        if language == "sh":
            lines.append(text)
        elif language == "python":
            example = tmp_path / f"example_{number}.py"
            example.write_text(text.replace(REPLACED, address), encoding="utf-8")
            assert example.read_text(encoding="utf-8") != text, "no address to replace"
            lines.append(f"python -I {example.name}")
    lines.append('wait "$!"')
    script = tmp_path / "readme.sh"
    script.write_text("\n".join(lines), encoding="utf-8")
    ours = {name: value for name, value in os.environ.items() if "SKYLIKE" not in name}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", script.name],
        cwd=tmp_path,
        # One thread each: on busy cores threads that wait for each other take minutes.
        env=ours | {"PATH": path, "SKYLIKE_ADDRESS": address, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        pytest.fail(f"not done after {_SECONDS} s:\n{output}")
    finally:
        if process.returncode:  # the server may have outlived its script
            _end_group(process.pid)
    assert process.returncode == 0, output
    for told in ("listening on", "cluster: ", "anomaly: ", '"p_value": ', "odder than"):
        assert told in output
    assert len(re.findall(r"^\s*\d+  sky-1-\d{6}\.fits ", output, re.MULTILINE)) == 30


def _end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _examples() -> list[tuple[str, str]]:
    return [
        (f"{page.name}-{number}", text)
        for page in sorted((ROOT / "docs").glob("*.md"))
        for number, (language, text) in enumerate(_BLOCK.findall(page.read_text()))
        if language == "python"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("text", [pytest.param(t, id=n) for n, t in _examples()])
def test_examples_of_the_documentation_run(text: str, tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-I", "example.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    """A block in another language would be checked by nothing."""
    languages = {language for language, _ in _blocks()}
    assert languages == {"sh", "python", "console"}
    fences = (ROOT / "README.md").read_text(encoding="utf-8").count("\n```")
    assert fences == 2 * len(_blocks())


def test_make_targets_exist() -> None:
    """What documentation tells to `make` can be made."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE))
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        text = document.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:`|\$ |\n)make ([a-z-]+)", text))
        assert named <= targets, document
        assert named
