"""Where something lies on a map, told by what it is like."""

import numpy as np
from numpy.typing import NDArray

NUM_NEIGHBOURS = 15
"""How many neighbours say where something lies."""

_COPY = 1e-6  # cosine distance


def between(
    places: NDArray[np.float32], cosines: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The mean of neighbours' places, weighted by how near they are.

    A neighbour at the distance 1 - cosine of the nearest counts e times as much as one
    at twice that: so what lies between two crowds is drawn to that which it is like.

    Parameters
    ----------
    places : (n, k, 2) float32
        Of the neighbours of n objects.
    cosines : (n, k) float64
        To these; -inf for none.

    Returns
    -------
    (n, 2) float32
    """
    distances = 1.0 - cosines
    nearest = np.maximum(distances.min(axis=1, keepdims=True), _COPY)
    weights = np.exp(1.0 - np.maximum(distances, nearest) / nearest)
    weights /= weights.sum(axis=1, keepdims=True)
    found: NDArray[np.float32] = np.einsum("nk,nkc->nc", weights, places).astype(
        np.float32
    )
    return found
