"""A query beside its nearest, in the data's unit, and where they all lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.client.client import Client
from skylike.client.errors import SkylikeClientError
from skylike.client.figures.door import load
from skylike.client.figures.layout import Principal, principal
from skylike.client.figures.paper import (
    BLUE,
    MM_OF_LETTER,
    PAGE_MM,
    SMALL,
    VERMILION,
    Axes,
    Paper,
    decoded,
    look,
    short,
)
from skylike.client.figures.sample import Sample, gather
from skylike.client.figures.values import BELOW_MM, Values, show, show_thumbnail
from skylike.client.figures.words import bare, called, of_model, of_sample
from skylike.client.queries import Source
from skylike.client.tables.origin import origin
from skylike.client.tables.text import printable
from skylike.client.types import Neighbors, Object

NUM_NEAREST = 6
_SIDE_PIXELS = 512
_GAP_MM = 2.5
_ABOVE_MM = 7.5  # two lines
_AXIS_MM = 12.5  # numbers and name of an axis


@dataclass(frozen=True, slots=True, eq=False)
class _Panel:
    """What one image of the figure is of; `values` is None where only a thumbnail is."""

    title: str
    name: str
    values: Values | None
    thumbnail: NDArray[np.float32]


@look
def similar(
    client: Client,
    query: Source | None = None,
    *,
    object_id: str | None = None,
    collection: str | None = None,
    sample: Sample | None = None,
    name: str = "",
    width_mm: float = PAGE_MM,
) -> Paper:
    """Draw a query, its six nearest by cosine, and all of them among principal components.

    Objects are shown from their files, where this machine has what the collection names, else
    as the service sees them, as the query is; where it has no file either the thumbnail is
    shown, and the caption says so.

    Parameters
    ----------
    query, object_id
        Exactly one of them, as `Client.neighbors` takes it.
    collection
        May be left out where the service has only one.
    sample
        What the components are of, by `gather`; None: 500 objects, drawn at random.
    name
        What to call the query; by default its file's name, or its id.
    width_mm
        As it is printed.
    """
    how: dict[str, Any] = {"object_id": object_id, "collection": collection}
    found = client.neighbors(query, k=NUM_NEAREST, thumbnails=True, **how)
    embedding = client.embed(query, **how)
    sample = sample or gather(client, collection=collection)
    vectors = [
        client.get(hit.id, collection=collection, with_vector=True)
        for hit in found.hits
    ]
    components = principal(sample.vectors, 2)
    places = components.project(sample.vectors)
    query_place = components.project(embedding.vector[None])[0]
    hit_places = components.project(
        np.stack([one.vector for one in vectors if one.vector is not None])
        if vectors
        else np.zeros((0, sample.vectors.shape[1]))
    )

    name = name or object_id or called(query, "the query")
    if object_id is not None:
        asked = client.get(object_id, collection=collection).object
        panels = [_of_object(client, "query", asked, collection)]
    else:
        panels = [_of_query(client, name, query, collection)]
    panels += [
        _of_object(
            client, f"{hit.rank}: cosine {hit.score:.3f}", hit.object, collection
        )
        for hit in found.hits
    ]
    caption, numbers = _told(name, found, sample, components, panels)
    numbers |= {
        "query_place": query_place.tolist(),
        "hit_places": hit_places.tolist(),
    }

    columns = 4 if width_mm > 120 else 3
    rows = -(-(NUM_NEAREST + 2) // columns)
    side = (width_mm - 1 - _GAP_MM * (columns - 1)) / columns
    row_mm = _ABOVE_MM + side + BELOW_MM
    paper = Paper(
        width_mm, rows * row_mm, kind="similar", caption=caption, numbers=numbers
    )
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        left = 0.5 + column * (side + _GAP_MM)
        top = row * row_mm + _ABOVE_MM
        _draw(paper, panel, left, top, side, is_query=number == 0)
    free = columns - (NUM_NEAREST + 1) % columns
    plot_mm = min(side * 1.3, free * (side + _GAP_MM) - _AXIS_MM - 1)
    left = width_mm - 1 - plot_mm
    _draw_places(
        paper.place(left, (rows - 1) * row_mm + _ABOVE_MM, plot_mm, min(plot_mm, side)),
        components,
        places,
        query_place,
        hit_places,
    )
    return paper


def _of_object(
    client: Client, title: str, one: Object, collection: str | None
) -> _Panel:
    """An object: its file, if this machine has it; else as the service sees it."""
    values = load("files").read(one.uri, one.hdu or "0", one.box) if one.uri else None
    if values is None:
        values = _seen(client, object_id=one.id, collection=collection)
    elif not values.unit:
        values = Values(values.pixels, str(one.attributes.get("unit", "")))
    return _Panel(title, one.id, values, decoded(one.thumbnail_png))


def _of_query(
    client: Client, name: str, query: Source | None, collection: str | None
) -> _Panel:
    values = _seen(client, query, collection=collection)
    return _Panel("query", name, values, decoded(b""))


def _seen(client: Client, query: Source | None = None, **how: Any) -> Values | None:
    """What the service sees, with its limits; None where it has no pixels, or colours."""
    try:
        seen = client.inspect(query, side=_SIDE_PIXELS, **how)
    except SkylikeClientError:  # a vector or examples; or no such file any more
        return None
    levels = decoded(seen.picture_png)
    if seen.low is None or seen.high is None or levels.ndim == 3:
        return None
    unit = seen.reading.unit if seen.reading is not None else ""
    return Values(levels[::-1], unit, (seen.low, seen.high))


def _told(
    name: str,
    found: Neighbors,
    sample: Sample,
    components: Principal,
    panels: list[_Panel],
) -> tuple[str, dict[str, Any]]:
    without = sum(panel.values is None for panel in panels)
    first, second = (f"{share:.0%}" for share in components.explained)
    caption = (
        f"{name} and the {len(found.hits)} objects of the collection "
        f"{found.context.collection} most like it, by the cosine of their vectors. "
        "Colours follow an asinh stretch between the 1st and 99.7th percentile of each "
        "image, in its own unit. Last panel: the first two principal components "
        f"({first} and {second} of the variance) of {of_sample(sample)}, with the query (star) "
        f"and its neighbours (circles). {of_model(found.context)}"
    )
    if without:
        caption += (
            f" Of {without} the pixels are out of reach: they are shown as thumbnails, "
            "without a unit."
        )
    numbers = {
        **origin(found.context),
        "name": name,
        "explained": components.explained.tolist(),
        "num_sampled": len(sample.objects),
        "sample_seed": sample.seed,
        "hits": [
            {"rank": hit.rank, "id": hit.id, "cosine": hit.score} for hit in found.hits
        ],
        "panels": [
            {
                "name": panel.name,
                "unit": panel.values.unit,
                "low": panel.values.limits[0],
                "high": panel.values.limits[1],
            }
            if panel.values is not None
            else {"name": panel.name, "unit": None}
            for panel in panels
        ],
    }
    return printable(caption), numbers


def _draw(
    paper: Paper,
    panel: _Panel,
    left: float,
    top: float,
    side: float,
    *,
    is_query: bool,
) -> None:
    if panel.values is not None:
        axes = show(paper, left, top, side, panel.values)
    else:
        axes = show_thumbnail(paper, left, top, side, panel.thumbnail)
    name = short(bare(panel.name), int(side / MM_OF_LETTER))
    # Above the square, also where the image does not fill it.
    paper.place(left, top, side, side).set_axis_off()
    paper.axes[-1].set_title(f"{panel.title}\n{name}", fontsize=SMALL)
    if is_query:
        for spine in axes.spines.values():
            spine.set(color=VERMILION, linewidth=1.5)


def _draw_places(
    axes: Axes,
    components: Principal,
    places: NDArray[np.float64],
    query: NDArray[np.float64],
    hits: NDArray[np.float64],
) -> None:
    axes.plot(
        *places.T, ".", color="0.75", markersize=1.5, rasterized=len(places) > 2000
    )
    axes.plot(*hits.T, "o", color=BLUE, markersize=4, fillstyle="none")
    axes.plot(*query, "*", color=VERMILION, markersize=7)
    axes.set_xlabel(f"PC 1 ({components.explained[0]:.0%})")
    axes.set_ylabel(f"PC 2 ({components.explained[1]:.0%})")
    axes.margins(0.08)
