"""The tutorial works as it stands: its cells are run one after another, in a new process.

Without a kernel: that would bring a dozen packages to run a dozen cells.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"
NUM_FIGURES = 5

_read: Any = nbformat.read

# Shows the last value of each cell as Jupyter would: a picture where it is one.
_RUNNER = """
import ast, json, sys

space = {"__name__": "__main__"}
for source in json.load(open(sys.argv[1])):
    tree = ast.parse(source)
    ends_in_value = isinstance(tree.body[-1], ast.Expr)
    last = tree.body.pop() if ends_in_value else None
    exec(compile(tree, "cell", "exec"), space)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), space)
        picture = getattr(value, "_repr_png_", lambda: None)()
        print(f"picture of {len(picture)} bytes" if picture else repr(value))
"""


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = _read(TUTORIAL, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) > 8
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.slow
def test_every_cell_runs_and_every_figure_is_drawn(tmp_path: Path) -> None:
    notebook = _read(TUTORIAL, as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    source, runner = tmp_path / "cells.json", tmp_path / "runner.py"
    source.write_text(json.dumps(cells))
    runner.write_text(_RUNNER)
    isolated = ["-I"] if sys.flags.isolated else []
    ours = {name: value for name, value in os.environ.items() if "SKYLIKE" not in name}
    done = subprocess.run(
        [sys.executable, *isolated, runner, source],
        cwd=tmp_path,
        # On busy cores threads that wait for each other take minutes.
        env=ours | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("picture of") == NUM_FIGURES
    assert "odder than" in done.stdout
    assert (tmp_path / "map.pdf").read_bytes().startswith(b"%PDF")
    told = json.loads((tmp_path / "similar.json").read_text())
    assert told["caption"].startswith("sky-3-000000.fits and the 6 objects")
