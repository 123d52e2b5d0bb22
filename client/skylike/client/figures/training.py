"""Curves of a training run, with the monitors of collapse."""

import json
import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from skylike.client.errors import BadInput
from skylike.client.figures.paper import (
    BLUE,
    COLUMN_MM,
    ORANGE,
    SMALL,
    VERMILION,
    Axes,
    Paper,
    look,
)
from skylike.client.tables.text import printable

LOG = "log.jsonl"
ALARM = 0.03  # the spread below which the trainer ends a run as collapsed
_LEFT_MM, _RIGHT_MM, _TOP_MM, _GAP_MM, _BELOW_MM = 12.0, 1.5, 1.5, 2.0, 8.0
_NAMES_MM = -8.0


@look
def training(run: str | PathLike[str], *, width_mm: float = COLUMN_MM) -> Paper:
    """Draw what a run of ``skylike-trainer train`` tells of itself.

    Loss, of images held out too if there are; spread of the features, with the alarm below
    which they have collapsed to a point; their effective number of dimensions; how well
    an object is found when it is seen differently. The loss alone tells no collapse.

    Parameters
    ----------
    run
        Its folder, or the file ``log.jsonl`` in it.
    width_mm
        As it is printed.

    Raises
    ------
    BadInput
        ``bad_record`` if there is no such record.
    """
    path = Path(run)
    path = path / LOG if path.is_dir() else path
    lines = _lines(path)
    panels: list[tuple[str, Sequence[str]]] = [
        ("loss", ("loss", "held_out_loss")),
        ("spread", ("spread",)),
        ("rank", ("rank",)),
        ("recall", ("recall",)),
    ]
    steps = [line["step"] for line in lines]
    last = lines[-1]
    lowest = min((line["spread"] for line in lines if "spread" in line), default=None)
    numbers: dict[str, Any] = {
        "num_checkpoints": len(lines),
        "last": dict(last),
        "lowest_spread": lowest,
        "alarm": ALARM,
        "collapsed": lowest is not None and lowest < ALARM,
    }
    paper_height = width_mm * 1.15
    plot_width_mm = width_mm - _LEFT_MM - _RIGHT_MM
    plot_mm = (paper_height - _TOP_MM - _BELOW_MM - 3 * _GAP_MM) / 4
    paper = Paper(
        width_mm,
        paper_height,
        kind="training",
        caption=printable(_caption(path, lines, lowest)),
        numbers=numbers,
    )
    for number, (label, names) in enumerate(panels):
        axes = paper.place(
            _LEFT_MM,
            _TOP_MM + number * (plot_mm + _GAP_MM),
            plot_width_mm,
            plot_mm,
        )
        _curves(axes, label, names, lines)
        # The names stand under each other, however long the numbers are.
        axes.yaxis.set_label_coords(_NAMES_MM / plot_width_mm, 0.5)
        axes.set_xlim(0, max(steps) * 1.02 or 1)
        if number < len(panels) - 1:
            axes.tick_params(labelbottom=False)
    axes.set_xlabel("step")
    return paper


def _lines(path: Path) -> list[Mapping[str, float]]:
    """What was told at each checkpoint, by step; what a crash has cut off is left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} is no record of a training run: name its folder, which has {LOG}",
            reason="bad_record",
        ) from error
    found: dict[float, Mapping[str, float]] = {}
    for line in text.splitlines():
        try:
            told = json.loads(line)
            numbers = {
                name: float(value)
                for name, value in told.items()
                if math.isfinite(float(value))
            }
            found[numbers["step"]] = numbers
        except (ValueError, TypeError, AttributeError, KeyError):
            continue
    if not found:
        raise BadInput(
            f"{path} tells of no checkpoint: the run has not come to its first yet, or it "
            "is no record of a run",
            reason="bad_record",
        )
    return [found[step] for step in sorted(found)]


def _caption(
    path: Path, lines: Sequence[Mapping[str, float]], lowest: float | None
) -> str:
    last = lines[-1]
    text = f"Training run {path.resolve().parent.name}, {last['step']:.0f} steps."
    if "loss" in last:
        text += f" Loss: {last['loss']:.4g} at the end"
        text += (
            f", {last['held_out_loss']:.4g} of images held out (broken line)."
            if "held_out_loss" in last
            else "."
        )
    if lowest is not None:
        text += (
            " Spread: mean standard deviation of the dimensions of unit-norm features, "
            f"over that of a uniform sphere; lowest {lowest:.3f}. Below {ALARM} (dotted) "
            "they have collapsed to a point"
            + (", as here." if lowest < ALARM else ", and the run would have ended.")
        )
    if "rank" in last:
        text += (
            " Rank: effective number of dimensions (RankMe, arXiv:2210.02885), "
            f"{last['rank']:.1f} at the end."
        )
    if "recall" in last:
        text += (
            " Recall: mean reciprocal rank at which views find their own object, "
            f"{last['recall']:.3f} at the end."
        )
    return text


def _curves(
    axes: Axes,
    label: str,
    names: Sequence[str],
    lines: Sequence[Mapping[str, float]],
) -> None:
    highest = 0.0
    for name, color, style in zip(names, (BLUE, ORANGE), ("-", "--"), strict=False):
        points = [(line["step"], line[name]) for line in lines if name in line]
        if points:
            marker = "." if len(points) < 30 else ""
            axes.plot(*zip(*points, strict=True), style, color=color, marker=marker)
            highest = max(highest, *(value for _, value in points))
    if label == "spread":
        axes.axhline(ALARM, color=VERMILION, linestyle=":")
        axes.annotate(
            "collapsed below", (1, ALARM), xycoords=("axes fraction", "data"),
            xytext=(-2, 1.5), textcoords="offset points", ha="right", va="bottom",
            fontsize=SMALL, color=VERMILION,
        )  # fmt: skip
    if label in ("spread", "rank"):  # what falls to zero must be seen to
        axes.set_ylim(0, 1.15 * highest or 1)
    if label == "recall":
        axes.set_ylim(0, 1)
    axes.set_ylabel(label)
