"""Which rows fulfil a filter."""

import bisect
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skylike.service.columns import healpix
from skylike.service.columns.columns import FACTS, Columns, has_label
from skylike.service.columns.filters import (
    All,
    AnyOf,
    Between,
    Cone,
    Equals,
    Filter,
    Flagged,
    Labelled,
    Not,
    Observed,
    OneOf,
    Value,
    WithIds,
)
from skylike.service.columns.values import Mask, known, values

# Values of one condition; beyond, Arrow's way to look them up is quicker.
_FEW = 8
# Share of the rows below which to find them in order is quicker than to look at all.
_SPARSE = 1 / 64


def evaluate(wanted: Filter, columns: Columns) -> Mask:
    """Which rows fulfil a filter: (n,) bool."""
    match wanted:
        case All(parts=parts):
            return _every([evaluate(part, columns) for part in parts], len(columns))
        case AnyOf(parts=parts):
            return _any([evaluate(part, columns) for part in parts], len(columns))
        case Not(part=part):
            return ~evaluate(part, columns)
        case Cone():
            return _in_cone(wanted, columns)
        case Equals(name=name, value=value):
            return _one_of(name, (value,), columns)
        case OneOf(name=name, values=some):
            return _one_of(name, some, columns)
        case Between(name=name, low=low, high=high):
            names = f"int:{name}", f"float:{name}", FACTS.get(name, "")
            kept = [one for one in names if columns.array(one) is not None]
            found = [_between(columns, one, low, high) for one in kept]
            return _any(found, len(columns))
        case Observed(low_mjd=low, high_mjd=high):
            return _between(columns, "epoch_mjd", low, high)
        case Flagged(flags=flags):
            bits = values(columns.array("flags"))
            return np.asarray((bits & int(flags)) == int(flags))
        case Labelled(label=label):
            return has_label(columns, label)
        case WithIds(ids=ids):
            return _among(columns.array("id"), list(ids))


def _in_cone(cone: Cone, columns: Columns) -> Mask:
    sorted_cells = columns.by_cell()
    if sorted_cells is None:
        ra_deg, dec_deg = columns.numbers("ra_deg"), columns.numbers("dec_deg")
        return healpix.separation_deg(cone, ra_deg, dec_deg) <= cone.radius_deg
    cells, position = sorted_cells
    # What has no position is in no cell.
    ra_deg, dec_deg = (values(columns.array(name)) for name in ("ra_deg", "dec_deg"))
    edges, inside = healpix.ranges(cone)
    runs = np.searchsorted(cells, edges).tolist()
    within: list[list[Any]] = [[], []]
    for (first, beyond), is_inside in zip(runs, inside.tolist(), strict=True):
        within[is_inside].append(position[first:beyond])
    found = np.zeros(len(columns), np.bool_)
    for some in within[True]:
        found[some] = True
    # A cone has some hundred cells at its edge, most of them of few positions.
    some = np.concatenate([position[:0], *within[False]])
    angles = healpix.separation_deg(cone, ra_deg[some], dec_deg[some])
    found[some[angles <= cone.radius_deg]] = True
    return found


def _one_of(name: str, wanted: Sequence[Value], columns: Columns) -> Mask:
    """Numbers are equal as numbers; text and truth values only to their like."""
    found = []
    truths = [value for value in wanted if isinstance(value, bool)]
    texts = [value for value in wanted if isinstance(value, str)]
    numbers = [
        v for v in wanted if isinstance(v, int | float) and not isinstance(v, bool)
    ]
    if truths and (array := columns.array(f"bool:{name}")) is not None:
        found.append(_equal(array, truths))
    if texts and (array := columns.array(f"text:{name}")) is not None:
        codes = np.flatnonzero(_among(array.dictionary, texts))
        found.append(_equal(array.indices, codes.tolist()))
    if texts and name == "id":
        found.append(_among(columns.array("id"), texts))
    if numbers and columns.array(f"int:{name}") is not None:
        whole = [int(v) for v in numbers if v == int(v) and -(2**63) <= v < 2**63]
        found.append(_same(columns, f"int:{name}", whole))
    exact = [float(v) for v in numbers if float(v) == v]
    for floats in (f"float:{name}", FACTS.get(name, "")):
        if numbers and columns.array(floats) is not None:
            found.append(_same(columns, floats, exact))
    return _any(found, len(columns))


def _same(columns: Columns, name: str, wanted: Sequence[float]) -> Mask:
    """Where a column has one of some numbers."""
    if len(wanted) <= _FEW:
        few = _in_order(columns, name, [(one, one) for one in wanted])
        if few is not None:
            return few
    return _equal(columns.array(name), wanted)


def _equal(array: Any, wanted: Sequence[bool | int | float]) -> Mask:
    """Where an array of numbers or truth values has one of some."""
    if len(wanted) > _FEW:
        return _among(array, wanted)
    numbers = values(array)
    return _where_known(_any([numbers == one for one in wanted], len(array)), array)


def _among(array: Any, wanted: Sequence[Value]) -> Mask:
    """The same for any array, and for many values."""
    if pa.types.is_floating(array.type) and 0.0 in wanted:
        wanted = [*wanted, 0.0, -0.0]  # of which Arrow sees the sign
    return values(pc.is_in(array, pa.array(wanted, array.type)))


def _between(
    columns: Columns, name: str, low: float | None, high: float | None
) -> Mask:
    array = columns.array(name)
    inwards = _whole_inwards if pa.types.is_integer(array.type) else _float_inwards
    low = None if low is None else inwards(low, math.inf)
    high = None if high is None else inwards(high, -math.inf)
    few = _in_order(columns, name, [(low, high)])
    if few is not None:
        return few
    numbers = values(array)
    conditions = []
    if low is not None:
        conditions.append(numbers >= low)
    if high is not None:
        conditions.append(numbers <= high)
    return _where_known(_every(conditions, len(array)), array)


def _in_order(
    columns: Columns, name: str, ranges: Sequence[tuple[float | None, float | None]]
) -> Mask | None:
    """Which numbers lie in a range, if these are few and the column has an order."""
    order = columns.by_value(name)
    if order is None:
        return None
    numbers = values(columns.array(name))

    def number(position: int) -> float:
        found: float = numbers[position].item()
        return found

    some = []
    for low, high in ranges:
        first, beyond = 0, len(order)
        if low is not None:
            first = bisect.bisect_left(order, low, key=number)
        if high is not None:
            beyond = bisect.bisect_right(order, high, key=number)
        if beyond - first > _SPARSE * len(columns):
            return None
        some.append(order[first:beyond])
    found = np.zeros(len(columns), np.bool_)
    for positions in some:
        found[positions] = True
    return found


def _whole_inwards(end: float, towards: float) -> float:
    """The first whole number from an end on: those beyond 2**53 must not be rounded."""
    if isinstance(end, float) and math.isfinite(end):
        end = math.ceil(end) if towards > 0 else math.floor(end)
    # Numpy compares a column exactly with any of Python's whole numbers.
    return end


def _float_inwards(end: float, towards: float) -> float:
    """The first float from an end on: whole numbers beyond 2**53 may lie between two."""
    near = float(end)
    if near == end or (near > end) == (towards > 0):
        return near
    return math.nextafter(near, towards)


def _where_known(found: Mask, array: Any) -> Mask:
    there = known(array)
    return found if there is None else found & there


def _every(masks: Sequence[Mask], count: int) -> Mask:
    return functools.reduce(np.logical_and, masks) if masks else np.ones(count, bool)


def _any(masks: Sequence[Mask], count: int) -> Mask:
    return functools.reduce(np.logical_or, masks) if masks else np.zeros(count, bool)
