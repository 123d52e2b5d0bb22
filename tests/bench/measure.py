"""A figure, with those of the bare parts that it is compared with."""

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np


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


def paired(
    ours: Callable[[], object], bare: Callable[[], object], rounds: int = 9
) -> tuple[float, float]:
    """Median seconds of two pieces of work, done by turns: the machine's moods cancel."""
    ours()
    bare()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, taken in zip((ours, bare), seconds, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return float(np.median(seconds[0])), float(np.median(seconds[1]))


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
