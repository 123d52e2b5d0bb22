"""The report on one page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_NEIGHBORS = (("p_at_10", "P@10"), ("balanced_accuracy", "10-NN balanced accuracy"))
_PAGE = (11.7, 8.3)  # inches: A4 on its side


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw what `report.summary` returns into a PNG file."""
    figure = Figure(figsize=_PAGE, dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    methods = found["methods"]
    for panel, (name, title) in zip(axes[0, :2], _NEIGHBORS, strict=True):
        _intervals(panel, {m: f["neighbors"][name] for m, f in methods.items()}, title)
    _dots(
        axes[0, 2],
        methods,
        lambda facts: facts["linear_probe"],
        "linear probe",
    )
    _dots(
        axes[1, 0],
        methods,
        lambda facts: {k: v["auroc"] for k, v in facts["anomaly"].items()},
        "AUROC of a kind held out",
    )
    _dots(
        axes[1, 1],
        methods,
        lambda facts: {
            **{k: v["pooled"] for k, v in facts["parameters"].items()},
            **{f"({k})": v["r2"] for k, v in facts["audit"].items()},
        },
        "R² of parameters and (covariates)",
    )
    _dots(
        axes[1, 2],
        methods,
        lambda facts: {
            k: v["recall_at_1"] for k, v in facts.get("self_recall", {}).items()
        },
        "finds itself when",
    )
    handles, names = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    figure.savefig(path)


def _intervals(
    axes: Axes, intervals: Mapping[str, Mapping[str, float]], title: str
) -> None:
    """One bar per method, with its interval."""
    names = list(intervals)
    for place, name in enumerate(names):
        found = intervals[name]
        axes.barh(place, found["value"], color=f"C{place}", alpha=0.8)
        axes.plot([found["low"], found["high"]], [place, place], color="black")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_title(title)


def _dots(axes: Axes, methods: Mapping[str, Any], pick: Any, title: str) -> None:
    """One line per quantity, one dot per method."""
    picked = {method: pick(facts) for method, facts in methods.items()}
    names = list(dict.fromkeys(name for row in picked.values() for name in row))
    for number, (method, row) in enumerate(picked.items()):
        values = [row.get(name, float("nan")) for name in names]
        axes.plot(values, range(len(names)), "o", color=f"C{number}", label=method)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xlim(-0.05, 1.05)
    axes.grid(axis="y", alpha=0.3)
    axes.invert_yaxis()
    axes.set_title(title)
