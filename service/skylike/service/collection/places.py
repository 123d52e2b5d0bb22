"""Which objects show the same place: pictures of one tell of each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from skylike.service.catalog import SkyObject

_ARCSEC = float(np.radians(1 / 3600))
_APART = 20 * _ARCSEC  # about what a cutout shows
_CELL = (
    0.25 * _ARCSEC
)  # what lies in one is together: there may be epochs by the thousand


def places_of(objects: Sequence[SkyObject]) -> NDArray[np.int64]:
    """A number for the place of each: a piece of sky, else a file, else itself.

    Objects within 20 arcsec of each other show the same piece of sky, and so does what is
    joined by others between (friends of friends); what is farther than 21 is not joined.

    Returns
    -------
    (n,) int64
    """
    positions = [one.position for one in objects]
    on_sky = np.array([one is not None for one in positions], np.bool_)
    places = np.empty(len(objects), np.int64)
    places[on_sky] = _joined(
        np.radians(
            [(one.ra_deg, one.dec_deg) for one in positions if one is not None]
        ).reshape(-1, 2)
    )
    numbers: dict[tuple[str, str], int] = {}
    for number in np.flatnonzero(~on_sky).tolist():
        one = objects[number]
        key = ("file", one.uri) if one.uri else ("id", one.id)
        places[number] = numbers.setdefault(key, len(objects) + len(numbers))
    return places


def _joined(positions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Friends of friends: a number for each of some right ascensions and declinations."""
    if not len(positions):
        return np.empty(0, np.int64)
    across, up = positions.T
    points = np.stack(
        [np.cos(across) * np.cos(up), np.sin(across) * np.cos(up), np.sin(up)], axis=1
    )
    _, first, cells = np.unique(
        np.floor(points / _CELL), axis=0, return_index=True, return_inverse=True
    )
    # As far as the first of a cell may be from the others, on either side.
    apart = _APART + 2 * np.sqrt(3) * _CELL
    pairs = cKDTree(points[first]).query_pairs(apart, output_type="ndarray")
    links = coo_array(
        (np.ones(len(pairs), np.bool_), pairs.T), shape=(len(first), len(first))
    )
    _, found = connected_components(links, directed=False)
    numbers: NDArray[np.int64] = found[cells.ravel()].astype(np.int64)
    return numbers
