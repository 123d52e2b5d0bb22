"""Searching a collection for queries, without what they are made of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skylike.service import caller
from skylike.service.calls import Stage
from skylike.service.collection import (
    ALIKE_COSINE,
    Collection,
    Found,
    How,
    NewestFits,
    Scored,
    make_fitted,
)
from skylike.service.columns import All, Not, WithIds
from skylike.service.engine.resolve import Resolved


class Searched(NamedTuple):
    """What was found for each of some queries, and the fits of the same state.

    Attributes
    ----------
    fits
    hits
        The nearest of each, with their objects.
    near
        What each is judged by; nothing where there is no anomaly fit.
    """

    fits: NewestFits
    hits: list[list[Scored]]
    near: list[list[Found]]


def searched(
    archive: Collection,
    queries: Sequence[Resolved],
    k: int,
    *,
    thumbnails: bool = False,
    how: How | None = None,
) -> Searched:
    """The k nearest of each query, and those that it is judged by.

    A graph finds more, the more are looked for. What a query is judged by is found as
    widely as for calibration objects, whatever else is asked for.
    """
    while True:
        fits = archive.newest_fits
        found = _by(fits, archive, queries, k, thumbnails, how)
        if archive.newest_fits == fits:
            return found
        # Objects went meanwhile, or there is another fit: neighbours and fits would
        # not belong together.


def _by(
    fits: NewestFits,
    archive: Collection,
    queries: Sequence[Resolved],
    k: int,
    thumbnails: bool,
    how: How | None,
) -> Searched:
    fit = fits.anomaly
    if fit is None:
        found = search(archive, queries, k, thumbnails=thumbnails, how=how)
        return Searched(fits, [hits for hits, _ in found], [])
    reach = fit.k + 1
    is_one = not how and k <= reach
    found = search(
        archive,
        queries,
        k,
        reach if is_one else k,
        thumbnails=thumbnails,
        how=how,
    )
    hits = [some for some, _ in found]

    def judging(some: list[int], how: How | None = None) -> list[list[Found]]:
        asked = [queries[place] for place in some]
        return [near for _, near in search(archive, asked, 0, reach, how=how)]

    near = [near for _, near in found] if is_one else judging(list(range(len(queries))))
    make_fitted(fit, near, judging)
    for place, one in enumerate(near):
        if one and one[0].score > ALIKE_COSINE:
            near[place] = archive.exactly(queries[place].vector, one)
    return Searched(fits, hits, near)


def search(
    archive: Collection,
    queries: Sequence[Resolved],
    k: int,
    reach: int | None = None,
    *,
    thumbnails: bool = False,
    how: How | None = None,
) -> list[tuple[list[Scored], list[Found]]]:
    """The `reach` (k) nearest of each query, and the first k of them with their objects."""
    caller.check()
    wanted = how or How()
    exclude = None
    if any(len(one.ids) > 1 for one in queries):
        if len(queries) > 1:  # the filter of each is another
            return [
                search(archive, [one], k, reach, thumbnails=thumbnails, how=how)[0]
                for one in queries
            ]
        others = Not(WithIds(frozenset(queries[0].ids)))
        where = wanted.get("where")
        wanted = {**wanted, "where": All((where, others)) if where else others}
    elif any(one.ids for one in queries):
        exclude = [one.ids[0] if one.ids else None for one in queries]
    vectors = np.array([one.vector for one in queries])
    with Stage("search"):
        return archive.search_beyond(
            vectors, k, reach or k, exclude, thumbnails, **wanted
        )
