"""Searching a view: what is nearest, or least alike, among what may be found."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import SkyObject
from skylike.service.collection.view import View
from skylike.service.columns import Filter
from skylike.service.errors import BadRequest
from skylike.service.index import nearest

MAX_K = 1000
_EFFORTS = (0.1, 16.0)


class Found(NamedTuple):
    """An object that was found.

    Attributes
    ----------
    id
    score
        Its cosine to the query, -1 to 1.
    row
        Its catalog row.
    """

    id: str
    score: float
    row: int


@dataclass(frozen=True, slots=True)
class Scored:
    """An object, its cosine to the query, -1 to 1, and its catalog row."""

    object: SkyObject
    score: float
    row: int


def search(
    view: View,
    queries: NDArray[np.float32],
    k: int,
    *,
    where: Filter | None,
    exclude: NDArray[np.int64] | None,
    exact: bool,
    effort: float,
    least: bool,
    min_score: float,
) -> list[list[Found]]:
    """As `Collection.nearest`, of checked vectors, with rows to exclude."""
    if not 1 <= k <= MAX_K:
        raise BadRequest(f"k is {k}; 1 to {MAX_K} are allowed.", reason="bad_k")
    if not _EFFORTS[0] <= effort <= _EFFORTS[1]:
        raise BadRequest(f"effort is {effort}; 0.1 to 16 are allowed.")
    answers = nearest(
        view.sources(where),
        -queries if least else queries,
        k,
        exclude,
        effort=effort,
        # A graph leads to what is near; nothing leads to what is far.
        exact=exact or least,
    )
    nobody = np.empty(0, np.int64)
    rows = np.unique(np.concatenate([nobody, *(answer.rows for answer in answers)]))
    ids = dict(zip(rows.tolist(), view.ids(rows), strict=True))
    sign = -1.0 if least else 1.0
    found = []
    for answer in answers:
        hits = [
            (-score, ids[row], row)
            for row, score in zip(
                answer.rows.tolist(), answer.scores.tolist(), strict=True
            )
            if sign * score >= min_score
        ]
        # Several may tie for the last place.
        hits.sort()
        found.append([Found(id, sign * -score, row) for score, id, row in hits[:k]])
    return found
