"""What the columns of groups of rows have in common: quartiles of numbers, shares."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from skylike.service.columns.columns import Columns
from skylike.service.columns.values import known, values
from skylike.service.flags import Flag

_QUARTILES = 0.25, 0.5, 0.75
_FACTS = "epoch_mjd", "valid_fraction"
_MOST_LABELS = 10  # of a group, the most frequent

Groups = NDArray[np.int64]


class Spread(NamedTuple):
    """The values of a number: how many are known, and their quartiles."""

    name: str
    num_known: int
    low: float
    median: float
    high: float


class Share(NamedTuple):
    """How many of a group have something, 0 to 1."""

    name: str
    share: float


class Summary(NamedTuple):
    """A group: numbers by name, flags by their bits, labels by falling share."""

    numbers: tuple[Spread, ...]
    flags: tuple[Share, ...]
    labels: tuple[Share, ...]


def summaries(columns: Columns, groups: Groups, number: int) -> list[Summary]:
    """Summarize groups of rows.

    Parameters
    ----------
    columns
        Of n rows.
    groups : (n,) int64
        Which group each is in: 0 to `number` - 1, or less than 0 for none.
    number
        Of groups.
    """
    spreads: list[list[Spread]] = [[] for _ in range(number)]
    for name in (*_FACTS, *sorted(columns.attributes)):
        for group, found in _spreads(columns, name, groups):
            spreads[group].append(found)
    sizes = np.bincount(groups[groups >= 0], minlength=number)
    bits = columns.array("flags").to_numpy()
    flags: list[list[Share]] = [[] for _ in range(number)]
    for flag in Flag:
        counts = _counts(groups[(bits & flag) != 0], number)
        for group in np.flatnonzero(counts).tolist():
            share = float(counts[group] / sizes[group])
            flags[group].append(Share(str(flag.name), share))
    return [
        Summary(tuple(spreads[i]), tuple(flags[i]), labels)
        for i, labels in enumerate(_labels(columns, groups, sizes))
    ]


def _spreads(
    columns: Columns, name: str, groups: Groups
) -> Iterator[tuple[int, Spread]]:
    """Each group that has the number, and how it is spread there."""
    places, numbers = [], []
    fixed = name in _FACTS
    for column in [name] if fixed else [f"int:{name}", f"float:{name}"]:
        array = columns.array(column)
        if array is None:
            continue
        there = known(array)
        here = groups >= 0 if there is None else (groups >= 0) & there
        places.append(groups[here])
        numbers.append(values(array)[here].astype(np.float64))
    if not any(map(len, places)):
        return
    place, value = np.concatenate(places), np.concatenate(numbers)
    order = np.argsort(place, kind="stable")
    place, value = place[order], value[order]
    groups_there, starts = np.unique(place, return_index=True)
    for group, some in zip(
        groups_there.tolist(), np.split(value, starts[1:]), strict=True
    ):
        low, median, high = np.quantile(some, _QUARTILES).tolist()
        yield group, Spread(name, len(some), low, median, high)


def _labels(
    columns: Columns, groups: Groups, sizes: NDArray[np.int64]
) -> Iterator[tuple[Share, ...]]:
    """The labels of each group."""
    lists = columns.array("labels")
    texts = lists.flatten()
    names = texts.dictionary.to_pylist() if len(texts) else []
    parents = groups[pc.list_parent_indices(lists).to_numpy()]
    codes = texts.indices.to_numpy() if len(texts) else np.empty(0, np.int64)
    for group, size in enumerate(sizes.tolist()):
        counts = np.bincount(codes[parents == group], minlength=len(names))
        order = np.argsort(-counts, kind="stable")[:_MOST_LABELS]
        yield tuple(
            Share(names[code], float(counts[code] / size))
            for code in order.tolist()
            if counts[code]
        )


def _counts(groups: Groups, number: int) -> NDArray[np.int64]:
    return np.bincount(groups[groups >= 0], minlength=number)
