"""``skylike map``: where the objects of a collection lie."""

import json
from typing import Any

import click

from skylike.client.cli import options
from skylike.client.cli.asking import Asking, asking
from skylike.client.cli.text import heading
from skylike.client.filters import Filter
from skylike.client.maps import Map


@click.command("map")
@options.collection
@options.where
@click.option("--layout", default="", help="pca or tsne. [default: the best there is]")
@click.option(
    "--color",
    default="",
    metavar="WHAT",
    help="A column more: cluster, anomaly (percentile), or an attribute.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=50_000,
    show_default=True,
    help="At most so many objects; of more a uniform sample.",
)
@options.out
@asking
def map_(
    collection: str | None,
    where: Filter | None,
    layout: str,
    color: str,
    limit: int,
    out: str | None,
    **server: Any,
) -> None:
    """Tell how the map of a collection is, or write where its objects lie (--out)."""
    asking = Asking(**server)
    with asking.client() as client:
        drawn = client.map(
            where, collection=collection, layout=layout, color=color, limit=limit
        )
        if out is not None:
            drawn.write(out)
        elif asking.as_json:
            click.echo(json.dumps(_facts(drawn)))
        else:
            asking.tell(_lines(drawn))


def _facts(drawn: Map) -> dict[str, Any]:
    """All but the points."""
    return {
        "context": drawn.context.to_dict(),
        "layout": drawn.layout,
        "layouts": list(drawn.layouts),
        "fit_version": drawn.fit_version,
        "total": drawn.total,
        "shown": len(drawn.ids),
        "is_sample": drawn.is_sample,
        "x_range": _range(drawn.x),
        "y_range": _range(drawn.y),
        "color_names": list(drawn.color_names),
        "explained": list(drawn.explained),
    }


def _range(numbers: Any) -> list[float] | None:
    return [float(numbers.min()), float(numbers.max())] if len(numbers) else None


def _lines(drawn: Map) -> list[str]:
    shown = len(drawn.ids)
    sample = f", of which {shown} are shown" if drawn.is_sample else ""
    lines = [
        *heading(drawn.context, None),
        f"layout {drawn.layout} of fit {drawn.fit_version}; there are: "
        f"{', '.join(drawn.layouts)}",
        f"{drawn.total} objects{sample}",
    ]
    if drawn.explained:
        x, y = drawn.explained
        lines.append(f"x has {x:.1%} of the variance, y {y:.1%}")
    if drawn.color_names:
        lines.append(f"colours: {', '.join(drawn.color_names)}")
    return lines
