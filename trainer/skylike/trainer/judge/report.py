"""What the judge found, as one file for programs and one for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skylike.trainer.judge.bootstrap import Interval
from skylike.trainer.judge.judge import Result

_TITLES = {
    "p_at_10": "P@10",
    "p_at_10_macro": "P@10, mean of kinds",
    "balanced_accuracy": "10-NN balanced accuracy",
    "map_at_10": "mAP@10",
    "ndcg_at_10": "nDCG@10",
}


def summary(
    results: Sequence[Result], baselines: Sequence[str], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that was found, as it goes into ``report.json``.

    Parameters
    ----------
    results
        Of the methods, in the order they were named.
    baselines
        Which of them are baselines: the best is what others are compared with.
    facts
        Of the protocol and the data.

    Returns
    -------
    dict
        ``protocol``; ``methods`` by name, with ``dimension``, ``neighbors`` (value, low
        and high each), ``by_seed`` and the groups of figures; ``best_baseline``, and
        ``over_best_baseline`` with ratios by method.
    """
    methods = {
        result.name: {
            "dimension": result.dimension,
            "neighbors": _plain(result.intervals()),
            "by_seed": list(result.by_seed),
            **result.figures,
        }
        for result in results
    }
    found: dict[str, Any] = {"protocol": dict(facts), "methods": methods}
    cheap = [result for result in results if result.name in baselines]
    if cheap:
        best = {
            figure: max(
                cheap, key=lambda r: methods[r.name]["neighbors"][figure]["value"]
            )
            for figure in _TITLES
        }
        found["best_baseline"] = {figure: r.name for figure, r in best.items()}
        found["over_best_baseline"] = {
            result.name: _over(result, best)
            for result in results
            if result.name not in baselines
        }
    return found


def _over(result: Result, best: Mapping[str, Result]) -> dict[str, dict[str, float]]:
    """Ratio of each figure to that of the baseline that is best in it."""
    ratios = {one.name: result.over(one) for one in best.values()}
    return {figure: asdict(ratios[one.name][figure]) for figure, one in best.items()}


def _plain(intervals: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: asdict(found) for name, found in intervals.items()}


def write(found: Mapping[str, Any], out: Path) -> None:
    """Write ``report.json`` and ``report.md`` into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(found, indent=2) + "\n")
    (out / "report.md").write_text(as_markdown(found))


def as_markdown(found: Mapping[str, Any]) -> str:
    """The report for people: tables with one row per method."""
    methods = found["methods"]
    parts = ["# Report", "", _told(found["protocol"]), "", "## Neighbours", ""]
    rows = [
        [name, str(facts["dimension"])]
        + [_range(facts["neighbors"][figure]) for figure in _TITLES]
        for name, facts in methods.items()
    ]
    parts += _table(["method", "D", *_TITLES.values()], rows)
    for name, ratios in found.get("over_best_baseline", {}).items():
        parts += [
            "",
            f"{name} over the best baseline: "
            + "; ".join(
                f"{_TITLES[figure]} {_range(ratio)} times {found['best_baseline'][figure]}"
                for figure, ratio in ratios.items()
            )
            + ".",
        ]
    for group in dict.fromkeys(key for facts in methods.values() for key in facts):
        flat = {
            name: _flat(facts[group])
            for name, facts in methods.items()
            if isinstance(facts.get(group), dict) and group != "neighbors"
        }
        columns = list(dict.fromkeys(key for row in flat.values() for key in row))
        if not columns:
            continue
        title = group.replace("_", " ").capitalize()
        parts += ["", f"## {title}", ""]
        # What is long goes down the page.
        parts += _table(
            ["", *flat],
            [
                [column, *(_number(row.get(column)) for row in flat.values())]
                for column in columns
            ],
        )
    return "\n".join(parts) + "\n"


def _told(protocol: Mapping[str, Any]) -> str:
    return (
        "; ".join(
            f"{name.replace('_', ' ')}: {value}" for name, value in protocol.items()
        )
        + "."
    )


def _flat(group: Mapping[str, Any], before: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in group.items():
        title = f"{before}, {name}" if before else name
        if isinstance(value, Mapping):
            found |= _flat(value, title)
        else:
            found[title] = value
    return found


def _range(interval: Mapping[str, float]) -> str:
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
