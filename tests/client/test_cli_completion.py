"""``skylike completion``: a real shell completes by it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

# What a shell does when the tab key is pressed.
_BASH = """
eval "$(skylike completion bash)"
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
"$(complete -p skylike | sed -E 's/.* -F ([^ ]+) .*/\\1/')" skylike
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``skylike`` is a command, as an installation makes it."""
    command = tmp_path / "bin" / "skylike"
    command.parent.mkdir()
    isolated = " -I" if sys.flags.isolated else ""
    command.write_text(
        f"#!{sys.executable}{isolated}\n"
        "from skylike.client.cli import main\nmain(prog_name='skylike')\n"
    )
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("skylike coll", {"collections"}),
        (
            "skylike objects ",
            {"add", "attributes", "count", "delete", "get", "label", "list"},
        ),
        ("skylike jobs start re", {"reindex"}),
        ("skylike neighbors --min", {"--min-score"}),
        ("skylike jobs start compact --kind ''", {"flat", "hnsw", "ivf"}),
        ("skylike objects add --ack s", {"sync"}),
    ],
)
def test_bash_completes(shell: dict[str, str], words: str, expected: set[str]) -> None:
    """Commands, options and what options take."""
    words = words + "''" if words.endswith(" ") else words
    done = subprocess.run(
        ["bash", "--norc", "-c", _BASH.format(words=words)],
        env=shell,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("skylike neighbors --collection ''", {"bare", "empty", "sky"}),
        ("skylike clusters list --collection s", {"sky"}),
        ("skylike collections get e", {"empty"}),
        ("skylike aliases set night s", {"sky"}),
        ("skylike aliases delete ''", set()),
        ("skylike jobs watch ''", set()),
        ("skylike clusters list --address 127.0.0.1:1 --collection ''", set()),
    ],
)
def test_bash_completes_names_of_the_service(
    shell: dict[str, str], served: SimpleNamespace, words: str, expected: set[str]
) -> None:
    """Where one answers; else nothing, and no error."""
    done = subprocess.run(
        ["bash", "--norc", "-c", _BASH.format(words=words)],
        env=shell | {"SKYLIKE_ADDRESS": served.address},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert set(done.stdout.split()) == expected
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_other_shells_take_the_script(shell: dict[str, str], name: str) -> None:
    """Parsed by the shell itself, where there is one."""
    script = subprocess.run(
        ["skylike", "completion", name],
        env=shell,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "_SKYLIKE_COMPLETE" in script
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    subprocess.run([name, "-n", "-c", script], check=True)
