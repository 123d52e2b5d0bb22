"""`Numbers`: what the numeric attributes of some objects are, one after the other."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from skylike.service.collection.view import View
from skylike.service.columns import Columns

_KINDS = ("float", "int")


class Numbers(Mapping[str, NDArray[np.float64]]):
    """Attributes that are numbers, and the valid fraction: (n,) float64 each.

    NaN where an object does not have it as a number. Each is read when it is asked for.

    Parameters
    ----------
    view
        A state of a collection.
    rows : (n,) int64
        Rows of objects that are there.
    """

    def __init__(self, view: View, rows: NDArray[np.int64]) -> None:
        self._rows = rows
        self._parts = [
            (columns, *located(columns.rows, rows))
            for part in view.parts
            for columns in part.block.parts
        ]
        # What was told since counts for all of an object.
        self._parts.append((view.revised, *located(view.revised.rows, rows)))
        self._names = {"valid_fraction"}
        for columns, _, _ in self._parts:
            self._names |= {
                name
                for name in columns.attributes
                if any(columns.array(f"{kind}:{name}") is not None for kind in _KINDS)
            }

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self._names:
            raise KeyError(name)
        found = np.full(len(self._rows), np.nan)
        for columns, positions, here in self._parts:
            if len(positions):
                found[here] = _numbers(columns, name, positions)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)


def _numbers(
    columns: Columns, name: str, positions: NDArray[np.int64]
) -> NDArray[np.float64]:
    if name == "valid_fraction":
        return columns.numbers(name)[positions]
    found = np.full(len(positions), np.nan)
    for kind in _KINDS:
        if columns.array(f"{kind}:{name}") is not None:
            numbers = columns.numbers(f"{kind}:{name}").astype(np.float64)[positions]
            known = np.isfinite(numbers)
            found[known] = numbers[known]
    return found


def located(
    known: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of those rows that are known, and their places among the rows."""
    order = np.argsort(known, kind="stable")
    ascending = known[order]
    places = np.searchsorted(ascending, rows)
    here = places < len(known)
    here[here] = ascending[places[here]] == rows[here]
    return order[places[here]], np.flatnonzero(here)
