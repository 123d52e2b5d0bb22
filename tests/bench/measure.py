"""A figure, with those of the bare parts that it is compared with."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a report.

    Attributes
    ----------
    name
        As the design has it, such as ``imaging.stamp_vs_fitsio``.
    value, unit
        The figure.
    of
        What it was made from.
    """

    name: str
    value: float
    unit: str
    of: Mapping[str, float]


def write(theme: str, found: Sequence[Measure], folder: Path, command: str) -> None:
    """Write ``theme.json`` and ``theme.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    hardware = _hardware()
    rows = [asdict(one) | {"command": command, "hardware": hardware} for one in found]
    (folder / f"{theme}.json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [
        f"`{command}` on {hardware}",
        "",
        "| measure | value | of |",
        "|---|---|---|",
        *(
            f"| `{one.name}` | {one.value:.3g} | "
            + ", ".join(f"{name} {value:.4g}" for name, value in one.of.items())
            + " |"
            for one in found
        ),
    ]
    (folder / f"{theme}.md").write_text("\n".join(lines) + "\n")


def _hardware() -> str:
    """The processor and how many of its cores there are."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return f"{len(models)} cores of {models[0] if models else platform.machine()}"
