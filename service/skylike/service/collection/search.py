"""Searching a view: what is nearest, or least alike, among what may be found."""

import operator
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import SkyObject
from skylike.service.collection.view import Part, View
from skylike.service.columns import Filter
from skylike.service.errors import BadRequest
from skylike.service.index import Answers, Nearest, nearest

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


class Scored(NamedTuple):
    """An object and its cosine to the query, -1 to 1."""

    object: SkyObject
    score: float


class How(TypedDict, total=False):
    """How to search.

    Attributes
    ----------
    where
        What may be found; None for all.
    exact
        Whether to compare with all, instead of trusting graphs.
    effort
        How widely graphs are searched, 0.1 to 16, as a multiple of what was measured
        to find 99 % of the 10 nearest.
    least
        Whether to find what is least similar instead, which is always exact.
    min_score
        Only what scores at least this; not together with `least`.
    up_to
        Only rows up to this one.
    """

    where: Filter | None
    exact: bool
    effort: float
    least: bool
    min_score: float
    up_to: int | None


def search(
    view: View,
    queries: NDArray[np.float32],
    k: int,
    exclude: NDArray[np.int64] | None = None,
    *,
    where: Filter | None = None,
    exact: bool = False,
    effort: float = 1.0,
    least: bool = False,
    min_score: float = -1.0,
    up_to: int | None = None,
) -> list[list[Found]]:
    """As `Reading.nearest`, of checked vectors, with rows to exclude."""
    if not 1 <= k <= MAX_K:
        raise BadRequest(f"k is {k}; 1 to {MAX_K} are allowed.", reason="bad_k")
    if not _EFFORTS[0] <= effort <= _EFFORTS[1]:
        raise BadRequest(f"effort is {effort}; 0.1 to 16 are allowed.")
    if not -1.0 <= min_score <= 1.0:
        raise BadRequest(f"min_score is {min_score}; a cosine is from -1 to 1.")
    if least and min_score > -1.0:
        raise BadRequest("least asks for low scores, and min_score excludes them.")
    if where is not None:
        view.check(where)
    sources = view.sources(where, up_to)
    answers = nearest(
        [source for _, source in sources],
        -queries if least else queries,
        k,
        exclude,
        effort=effort,
        # A graph leads to what is near; nothing leads to what is far.
        exact=exact or least,
    )
    found = _named([part for part, _ in sources], answers, k)
    if least:
        return [[hit._replace(score=-hit.score) for hit in hits] for hits in found]
    if min_score <= -1.0:
        return found
    return [[hit for hit in hits if hit.score >= min_score] for hits in found]


def _named(parts: Sequence[Part], answers: Answers, k: int) -> list[list[Found]]:
    """The best k of each answer, with their ids; equal scores are ordered by id."""
    ids = _ids(parts, answers.together)
    scores = answers.together.scores.tolist()
    together = list(map(Found, ids, scores, answers.together.rows.tolist()))
    are_any_equal = any(map(operator.eq, scores, scores[1:]))
    found, begin = [], 0
    for end in answers.ends.tolist():
        hits = together[begin:end]
        if are_any_equal:
            hits.sort(key=lambda hit: (-hit.score, hit.id))
        found.append(hits[:k])
        begin = end
    return found


def _ids(parts: Sequence[Part], found: Nearest) -> list[str]:
    """The ids of what was found, from the columns of the parts it was found in."""
    if len(parts) == 1:
        return parts[0].block.ids_of_vectors(found.positions)
    ids = np.empty(len(found.rows), object)
    for number, part in enumerate(parts):
        places = np.flatnonzero(found.sources == number)
        if len(places):
            ids[places] = part.block.ids_of_vectors(found.positions[places])
    names: list[str] = ids.tolist()
    return names
