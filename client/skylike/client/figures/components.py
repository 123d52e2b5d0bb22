"""Principal components, and what of a shape they go with."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.client.figures.door import load
from skylike.client.figures.layout import principal
from skylike.client.figures.paper import (
    COLUMN_MM,
    NORMAL,
    SCALE,
    SMALL,
    Axes,
    Paper,
    decoded,
    look,
    short,
)
from skylike.client.figures.sample import Sample
from skylike.client.figures.shapes import MEASURES, Shape, measure
from skylike.client.figures.threshold import whole
from skylike.client.figures.words import of_model, of_sample, origin_of
from skylike.client.tables.text import printable
from skylike.client.types import Object

NUM_COMPONENTS = 3
_MOST_LETTERS = 26  # along a colour bar
_FEWEST = 10  # pairs of which a correlation is told
_LEFT_MM, _BELOW_MM, _BAR_MM, _LINE_MM = 11.0, 8.0, 14.0, 3.4
# Attributes that tell a measure, as catalogues and `skylike-service cutouts` call them.
_ATTRIBUTES = {
    "size": ("half_light_radius_pixels", "half_light_radius"),
    "gini": ("gini",),
    "concentration": ("concentration",),
    "complexity": ("smoothness",),
}


@look
def components(sample: Sample, *, width_mm: float = COLUMN_MM) -> Paper:
    """Draw PC 1 and 2, PC 2 and 3, and tell which measure of shape each goes with.

    Measures are attributes of the collection where most of the sample has them, else
    taken by `shapes` on the pixels of FITS files that this machine can read, else on thumbnails.
    A measure is taken in one of these ways for the whole sample.

    Parameters
    ----------
    sample
        By `gather`; `Sample.objects` and `vectors` are what is drawn.
    width_mm
        As it is printed; below 120 the two plots stand above each other.
    """
    found = principal(sample.vectors, NUM_COMPONENTS)
    places = found.project(sample.vectors)
    measures, source = _measured(sample)
    correlations = [
        {
            "component": number + 1,
            "measure": name,
            **_spearman(places[:, number], values),
        }
        for name, values in measures.items()
        for number in range(NUM_COMPONENTS)
    ]
    numbers: dict[str, Any] = {
        **origin_of(sample),
        "explained": found.explained.tolist(),
        "measured_on": source,
        "correlations": correlations,
    }
    is_wide = width_mm > 120
    one, other = ("left", "right") if is_wide else ("above", "below")
    shares = ", ".join(f"{share:.1%}" for share in found.explained)
    caption = (
        f"Principal components of {of_sample(sample)}; PC 1, 2 and 3 hold {shares} of the "
        f"variance. Colours: size of the emission {one}, its complexity {other}, from the 2nd to "
        "the 98th percentile. The table has "
        "Spearman's rank correlation of each component with size, Gini coefficient, "
        "concentration and complexity, with p (two-sided, t distribution; twelve tests) "
        f"and n; {_told(source)}. {_meaning(source)}{of_model(sample.context)}"
    )

    columns = 2 if is_wide else 1
    plot = width_mm / columns - _LEFT_MM - _BAR_MM
    height = plot * 0.8
    table_mm = _LINE_MM * (len(measures) + 2) + 2
    rows = 2 // columns
    paper = Paper(
        width_mm,
        rows * (height + _BELOW_MM + 2) + table_mm,
        kind="components",
        caption=printable(caption),
        numbers=numbers,
    )
    pairs = ((0, 1, "size"), (1, 2, "complexity"))
    for number, (first, second, name) in enumerate(pairs):
        row, column = divmod(number, columns)
        left = column * width_mm / columns + _LEFT_MM
        top = 2 + row * (height + _BELOW_MM + 2)
        axes = paper.place(left, top, plot, height)
        points = _scatter(axes, places[:, first], places[:, second], measures[name])
        axes.set_xlabel(f"PC {first + 1} ({found.explained[first]:.1%})")
        axes.set_ylabel(f"PC {second + 1} ({found.explained[second]:.1%})")
        bar = paper.colorbar(
            points, cax=paper.place(left + plot + 1.5, top, 2, height), extend="both"
        )
        bar.set_label(_named(name, source[name]))
        bar.outline.set_linewidth(0.4)
    top = rows * (height + _BELOW_MM + 2)
    _table(paper.place(2, top, width_mm - 4, table_mm), correlations, list(measures))
    return paper


def _measured(
    sample: Sample,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """Measures of all objects, (n,) with NaN, and what each was taken on."""
    measures: dict[str, NDArray[np.float64]] = {}
    source: dict[str, str] = {}
    for name, known in _ATTRIBUTES.items():
        for attribute in known:
            values = np.array([_number(one, attribute) for one in sample.objects])
            if np.isfinite(values).mean() > 0.5:
                measures[name], source[name] = values, f"attribute {attribute}"
                break
    if missing := [name for name in MEASURES if name not in measures]:
        shapes = _shapes_of_files(sample)
        way = "pixels"
        if shapes is None:
            shapes, way = [_of_thumbnail(one) for one in sample.objects], "thumbnails"
        table = [asdict(shape) for shape in shapes]
        for name in missing:
            measures[name] = np.array([row[name] for row in table], np.float64)
            source[name] = way
    return {name: measures[name] for name in MEASURES}, source


def _number(one: Object, attribute: str) -> float:
    value = one.attributes.get(attribute)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else math.nan  # type: ignore[arg-type]


def _shapes_of_files(sample: Sample) -> list[Shape] | None:
    """Of pixels, if those of most objects are in reach."""
    shapes: list[Shape] = []
    read = load("files").read
    failed = 0
    for one in sample.objects:
        values = read(one.uri, one.hdu or "0", one.box) if one.uri else None
        failed += values is None
        if failed > len(sample.objects) / 2:
            return None
        shapes.append(Shape() if values is None else measure(values.pixels))
    return shapes


def _of_thumbnail(one: Object) -> Shape:
    levels = decoded(one.thumbnail_png)
    return measure(whole(levels)) if levels.size else Shape()


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, Any]:
    known = np.isfinite(y)
    n = int(known.sum())
    if n < _FEWEST or np.ptp(y[known]) == 0:
        return {"rho": None, "p": None, "n": n}
    rho, p = load("scientific").spearman(x[known], y[known])
    return {"rho": rho, "p": p, "n": n}


def _told(source: dict[str, str]) -> str:
    ways: dict[str, list[str]] = {}
    for name, way in source.items():
        ways.setdefault(way, []).append(name)
    if len(ways) == 1:
        [way] = ways
        return (
            f"all from {way}" if way.startswith("attribute") else f"measured on {way}"
        )
    return "; ".join(f"{', '.join(names)} from {way}" for way, names in ways.items())


_DEFINED = {
    "size": "size is the radius of the circle with the emission's area, over half of the "
    "picture's shorter side",
    "gini": "Gini coefficient as Lotz et al. 2004",
    "concentration": "concentration as Conselice 2003",
    "complexity": "complexity is the share of the light in structure below half of the "
    "half-light radius, after his smoothness",
}


def _meaning(source: dict[str, str]) -> str:
    """What those are that were measured here, as a sentence."""
    told = [text for name, text in _DEFINED.items() if _is_measured(source[name])]
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}. " if told else ""


def _is_measured(way: str) -> bool:
    return not way.startswith("attribute ")


def _named(name: str, way: str) -> str:
    """A measure with its unit, for a colour bar."""
    if not _is_measured(way):
        return f"{name}: {short(way.removeprefix('attribute '), _MOST_LETTERS)}"
    return "size (half sides)" if name == "size" else name


def _scatter(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    values: NDArray[np.float64],
) -> Any:
    """Points in the colours of a measure; those without it are rings."""
    known = np.isfinite(values)
    axes.plot(x[~known], y[~known], "o", color="0.7", markersize=1.5, fillstyle="none")
    low, high = np.percentile(values[known], (2, 98)) if known.any() else (0, 1)
    axes.margins(0.05)
    return axes.scatter(
        x[known], y[known], c=values[known], s=4, cmap=SCALE, vmin=low, vmax=high,
        linewidths=0, rasterized=len(x) > 5000,
    )  # fmt: skip


def _table(axes: Axes, correlations: list[dict[str, Any]], measures: list[str]) -> None:
    """ρ and p of each measure with each component, in rows."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    lines = len(measures) + 2
    axes.set_ylim(lines, 0)
    at = {1: 0.21, 2: 0.455, 3: 0.7}
    axes.text(0, 0.5, "ρ (p)", fontsize=NORMAL, va="center")
    for number, x in at.items():
        axes.text(x, 0.5, f"PC {number}", fontsize=NORMAL, va="center")
    axes.text(1, 0.5, "n", fontsize=NORMAL, va="center", ha="right")
    axes.axhline(1.05, color="black", linewidth=0.5)
    for row, name in enumerate(measures):
        y = row + 1.7
        axes.text(0, y, name, fontsize=SMALL, va="center")
        mine = [one for one in correlations if one["measure"] == name]
        for one in mine:
            axes.text(
                at[one["component"]], y, _correlation(one), fontsize=SMALL, va="center"
            )
        axes.text(1, y, str(mine[0]["n"]), fontsize=SMALL, va="center", ha="right")


def _correlation(one: dict[str, Any]) -> str:
    if one["rho"] is None:
        return "\N{EN DASH}"
    sign = "+" if one["rho"] >= 0 else "\N{MINUS SIGN}"
    p = one["p"]
    told = (
        "<1e\N{MINUS SIGN}4" if p < 1e-4 else f"{p:.2g}" if p >= 0.001 else f"{p:.4f}"
    )
    return f"{sign}{abs(one['rho']):.2f} ({told})"
