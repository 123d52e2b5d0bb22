"""All that can be found by falling similarity, page by page."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.collection.view import View
from skylike.service.columns import Filter

Rows = NDArray[np.int64]


class Spot(NamedTuple):
    """A place in the order by falling similarity, equal ones by row."""

    score: float
    row: int


def alike(
    view: View,
    vector: NDArray[np.float32],
    where: Filter | None,
    unwanted: Rows,
    after: Spot | None,
    limit: int,
) -> list[Spot]:
    """The first of the order behind a spot; every vector is compared.

    Parameters
    ----------
    view
        Where to search.
    vector : (dimension,) float32, unit norm
    where
        What may be found; None for all.
    unwanted
        Rows that are left out.
    after
        The last of the page before, None for the first page.
    limit
        At most so many.
    """
    scores, rows = np.empty(0, np.float32), np.empty(0, np.int64)
    for _, source in view.sources(where):
        for start, some in source.index.chunks():
            caller.check()
            part = slice(start, start + len(some))
            # One by one, so that a score does not depend on the company of a vector, and
            # pages fit together whatever is merged meanwhile.
            found, here = np.vecdot(some, vector), source.rows[part]
            keep = ~np.isin(here, unwanted)
            if source.allowed is not None:
                keep &= source.allowed.mask[part]
            if after is not None:
                last = np.float32(after.score)
                keep &= (found < last) | ((found == last) & (here > after.row))
                # A cutout is embedded for each page, in the last bits as its company is.
                keep &= here != after.row
            scores = np.concatenate([scores, found[keep]])
            rows = np.concatenate([rows, here[keep]])
            best = np.lexsort((rows, -scores))[:limit]
            scores, rows = scores[best], rows[best]
    return list(map(Spot, scores.tolist(), rows.tolist()))
