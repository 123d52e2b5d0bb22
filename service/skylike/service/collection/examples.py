"""One query out of examples and counter-examples."""

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadRequest

_FOR, _AGAINST = 0.75, 0.15
_NOTHING = 1e-6


def query_of(
    positive: NDArray[np.float32], negative: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Towards the mean of some vectors, a little away from that of others.

    Rocchio's formula with the weights of Manning, Raghavan & Schütze 2008, Introduction
    to Information Retrieval, section 9.1.1.

    Parameters
    ----------
    positive : (p, dimension) float32, unit norm
        At least one.
    negative : (n, dimension) float32, unit norm
        May be none.

    Returns
    -------
    (dimension,) float32, unit norm

    Raises
    ------
    BadRequest
        ``empty_query`` without an example; ``zero_norm`` if they cancel each other.
    """
    if not len(positive):
        raise BadRequest("Give at least one example.", reason="empty_query")
    found = _FOR * positive.mean(axis=0, dtype=np.float64)
    if len(negative):
        found -= _AGAINST * negative.mean(axis=0, dtype=np.float64)
    norm = np.linalg.norm(found)
    if norm < _NOTHING:
        raise BadRequest("The examples cancel each other.", reason="zero_norm")
    query: NDArray[np.float32] = (found / norm).astype(np.float32)
    return query
