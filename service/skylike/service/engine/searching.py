"""Searching a collection for queries, without what they are made of."""

from collections.abc import Sequence

import numpy as np

from skylike.service import caller
from skylike.service.anomaly import AnomalyFit
from skylike.service.calls import Stage
from skylike.service.collection import MAX_K, Collection, Found, How, Scored
from skylike.service.columns import All, Not, WithIds
from skylike.service.engine.resolve import Resolved


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
    vectors = np.stack([one.vector for one in queries])
    with Stage("search"):
        return archive.search_beyond(
            vectors, k, reach or k, exclude, thumbnails, **wanted
        )


def fitted(
    archive: Collection, query: Resolved, near: list[Found], reach: int, fit: AnomalyFit
) -> list[Found]:
    """The `reach` nearest, or more, until `fit.k` + 1 of them were there at the fit."""
    while (
        len(near) == reach < MAX_K and sum(fit.covers(one.row) for one in near) <= fit.k
    ):
        reach = min(4 * reach, MAX_K)
        [(_, near)] = search(archive, [query], 0, reach)
    return near
