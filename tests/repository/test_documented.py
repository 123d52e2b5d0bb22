"""What can be set, flagged or raised is documented, as it is now.

The tables of the READMEs are compared with the code row by row. A failure prints the
rows as they should be: paste them.
"""

import ast
import inspect
import itertools
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from skylike.client import errors as client_errors
from skylike.service import config, errors, flags
from skylike.service.stamp import spec
from skylike.trainer import config as recipe

ROOT = Path(__file__).parents[2]


def _docstrings(owner: type) -> dict[str, str]:
    """The string under each attribute of a class, on one line."""
    module = inspect.getmodule(owner)
    assert module is not None
    tree = ast.parse(inspect.getsource(module))
    [body] = [
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == owner.__name__
    ]
    found: dict[str, str] = {}
    for before, after in itertools.pairwise(body):
        match before, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name))
                | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = " ".join(text.split())
    return found


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        return "its own"
    if isinstance(value, tuple):
        return f"[{', '.join(repr(str(one)) for one in value)}]".replace("'", '"')
    return f'"{value}"' if isinstance(value, str) else str(value)


def _rows(model: type[BaseModel], described: dict[str, str]) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"`{_default(field.default)}`"
        text = described.get(name, "").rstrip(".").replace("|", "\\|")
        assert text, f"{model.__name__}.{name} says nothing of itself"
        rows.append(f"| `{name}` | {default} | {text} |")
    return rows


def _require(readme: str, rows: list[str]) -> None:
    lines = (ROOT / readme).read_text(encoding="utf-8").splitlines()
    missing = [row for row in rows if row not in lines]
    assert missing == [], f"{readme} should have:\n" + "\n".join(rows)


def test_settings_of_the_service() -> None:
    """Each is described by its field, and in the service's README."""
    fields = config.Settings.model_fields
    described = {name: field.description or "" for name, field in fields.items()}
    _require("service/README.md", _rows(config.Settings, described))


@pytest.mark.parametrize(
    "model", [recipe.TrainSettings, recipe.NetworkSettings, recipe.ViewSettings]
)
def test_settings_of_a_training_run(model: type[BaseModel]) -> None:
    """Each is described under its field, and in the trainer's README."""
    _require("trainer/README.md", _rows(model, _docstrings(model)))


def test_stamp_spec() -> None:
    """What travels in the model file is described in the service's README."""
    rows = _rows(spec.StampSpec, _docstrings(spec.StampSpec))
    _require("service/README.md", rows)


def test_flags() -> None:
    """Each bit is described under its name, and in the service's README."""
    described = _docstrings(flags.Flag)
    assert set(described) == {flag.name for flag in flags.Flag}
    rows = [
        f"| `{flag.name}` | {flag.value} | {described[flag.name or ''].rstrip('.')} |"
        for flag in flags.Flag
    ]
    _require("service/README.md", rows)


def test_reason_codes() -> None:
    """Every code of the service's sources stands in its README, and no other."""
    sources = (ROOT / "service" / "skylike").rglob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    codes = set(re.findall(r'\b(?:reason ?= ?|Reject\(\w+, )"(\w+)"', text))
    readme = (ROOT / "service/README.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## Reason codes$(.*?)^## ", readme, re.DOTALL | re.M)
    told = set(re.findall(r"`([a-z_]+)`", section))
    assert told == codes


@pytest.mark.parametrize("module", [errors, client_errors])
def test_error_trees_are_drawn_as_they_are(module: ModuleType) -> None:
    """Every error class stands in its module's drawing, under its own parent."""
    drawn: dict[str, str] = {}
    ancestors: list[str] = []
    for line in (module.__doc__ or "").splitlines():
        match = re.match(r"^(    (?:[│ ]   )*)([├└]── )?([A-Z]\w+)(\s{2,}.*)?$", line)
        if match is None:
            continue
        depth = (len(match[1]) - 4) // 4 + bool(match[2])
        ancestors[depth:] = [match[3]]
        drawn[match[3]] = ancestors[depth - 1] if depth else "Exception"
    defined = {
        name: found.__base__.__name__
        for name, found in vars(module).items()
        if inspect.isclass(found)
        and found.__module__ == module.__name__
        and issubclass(found, Exception)
        and found.__base__ is not None
    }
    assert drawn == defined
