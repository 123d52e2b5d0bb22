"""Ranked sheets of the oddest: of a collection, or of files that are asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.client.client import Client
from skylike.client.errors import SkylikeClientError
from skylike.client.figures.paper import (
    COLUMN_MM,
    MM_OF_LETTER,
    SMALL,
    Paper,
    decoded,
    look,
    picture,
    short,
)
from skylike.client.figures.words import bare, called, of_model
from skylike.client.filters import Filter
from skylike.client.queries import Source
from skylike.client.ranking import Order
from skylike.client.tables.origin import origin
from skylike.client.tables.text import printable
from skylike.client.types import AnomalyResult

_SIDE_PIXELS = 128
_LEAST_SIDE_MM, _GAP_MM, _LINE_MM = 19.0, 1.5, 2.9


@dataclass(frozen=True, slots=True, eq=False)
class _Odd:
    """One picture of the sheet; `p_value` is None where none would be valid."""

    name: str
    score: float
    percentile: float
    p_value: float | None
    levels: NDArray[np.float32]


@look
def anomalies(
    client: Client,
    queries: Sequence[Source] = (),
    *,
    where: Filter | None = None,
    collection: str | None = None,
    order: Order = "oddest",
    num: int = 20,
    width_mm: float = COLUMN_MM,
) -> Paper:
    """Draw the oddest objects with score and percentile, the oddest first.

    Parameters
    ----------
    queries
        New files, to be ranked by their scores: these have p-values where the collection was
        fitted with calibration objects. None: the objects of the collection, which never
        have any.
    where
        Which objects of the collection, by `skylike.client.filters`.
    collection
        May be left out where the service has only one.
    order
        As `Client.anomalies` has it.
    num
        How many at most.
    width_mm
        As it is printed.
    """
    numbers: dict[str, Any]
    if queries:
        answers = [(one, client.anomaly(one, collection=collection)) for one in queries]
        answers.sort(key=lambda pair: -pair[1].anomaly.score)
        first = answers[0][1]
        odd = [
            _of_query(client, number, *pair, collection)
            for number, pair in enumerate(answers[:num])
        ]
        numbers = origin(first.context, anomaly=first.anomaly)
        caption = _of_files(odd, len(answers), first)
    else:
        found = client.anomalies(
            where, collection=collection, limit=num, thumbnails=True, order=order
        )
        odd = [
            _Odd(
                one.id,
                one.score,
                one.percentile,
                None,
                decoded(one.object.thumbnail_png),
            )
            for one in found.items
        ]
        numbers = {**origin(found.context, anomaly=found), "order": order}
        said = {
            "oddest": "oddest",
            "typical": "least odd",
            "taught": "most interesting, as ratings have taught,",
        }[order]
        caption = (
            f"The {len(odd)} {said} objects of the collection {found.context.collection} "
            f"(anomaly fit {found.fit_version}), with score and the share of the archive that "
            "scores lower. P-values are not told: these objects are of the archive itself. "
            f"{of_model(found.context)}"
        )
    numbers = numbers | {
        "objects": [
            {
                "rank": rank,
                "name": one.name,
                "score": one.score,
                "percentile": one.percentile,
                "p_value": one.p_value,
            }
            for rank, one in enumerate(odd, 1)
        ]
    }

    columns = max(1, int((width_mm - 1 + _GAP_MM) // (_LEAST_SIDE_MM + _GAP_MM)))
    side = (width_mm - 1 - (columns - 1) * _GAP_MM) / columns
    has_p = any(one.p_value is not None for one in odd)
    words_mm = (3 if has_p else 2) * _LINE_MM + 1
    row_mm = side + words_mm
    rows = max(1, -(-len(odd) // columns))
    paper = Paper(
        width_mm, rows * row_mm + 0.5, kind="anomalies",
        caption=printable(caption), numbers=numbers,
    )  # fmt: skip
    most = int(side / MM_OF_LETTER)
    for number, one in enumerate(odd):
        row, column = divmod(number, columns)
        left, top = 0.5 + column * (side + _GAP_MM), 0.5 + row * row_mm
        axes = paper.place(left, top, side, side)
        picture(axes, one.levels)
        p = "" if one.p_value is None else f"\np = {one.p_value:.2g}"
        middle = f"{number + 1}: {one.score:.2f}, {one.percentile:.1f}%"
        words = f"{short(bare(one.name), most)}\n{middle}{p}"
        box = paper.place(left, top + side, side, words_mm)
        box.set_axis_off()
        box.text(0.5, 0.95, words, ha="center", va="top", fontsize=SMALL)
    return paper


def _of_query(
    client: Client,
    number: int,
    query: Source,
    answer: AnomalyResult,
    collection: str | None,
) -> _Odd:
    try:
        seen = client.inspect(query, collection=collection, side=_SIDE_PIXELS)
        levels = decoded(seen.picture_png)
    except SkylikeClientError:  # a vector has no picture
        levels = decoded(b"")
    name = called(query, f"query {number + 1}")
    told = answer.anomaly
    return _Odd(name, told.score, told.percentile, told.p_value, levels)


def _of_files(odd: Sequence[_Odd], total: int, first: AnomalyResult) -> str:
    calibration = (
        "Conformal p-values are calibrated on "
        f"{first.anomaly.num_calibration} ordinary objects, and not corrected for the number "
        "of tests."
        if first.anomaly.calibrated
        else "The collection was fitted without calibration objects: no p-values."
    )
    which = f"{len(odd)} oddest of {total}" if len(odd) < total else str(total)
    return (
        f"The {which} files asked about, ranked by the anomaly score of the collection "
        f"{first.context.collection} (anomaly fit {first.anomaly.fit_version}), with the share "
        f"of the archive that scores lower. {calibration} {of_model(first.context)}"
    )
