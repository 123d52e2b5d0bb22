"""Which rows fulfil a filter."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from skylike.service.columns import healpix
from skylike.service.columns.columns import Columns, has_label
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

Mask = NDArray[np.bool_]


def evaluate(wanted: Filter, columns: Columns) -> Mask:
    """Which rows fulfil a filter: (n,) bool."""
    match wanted:
        case All(parts=parts):
            every = (evaluate(part, columns) for part in parts)
            return functools.reduce(np.logical_and, every, np.ones(len(columns), bool))
        case AnyOf(parts=parts):
            some = (evaluate(part, columns) for part in parts)
            return functools.reduce(np.logical_or, some, np.zeros(len(columns), bool))
        case Not(part=part):
            return ~evaluate(part, columns)
        case Cone():
            return _in_cone(wanted, columns)
        case Equals(name=name, value=value):
            return _one_of(name, (value,), columns)
        case OneOf(name=name, values=values):
            return _one_of(name, values, columns)
        case Between(name=name, low=low, high=high):
            return _between(
                [columns.array(f"{kind}:{name}") for kind in ("int", "float")],
                low,
                high,
                len(columns),
            )
        case Observed(low_mjd=low, high_mjd=high):
            return _between([columns.array("epoch_mjd")], low, high, len(columns))
        case Flagged(flags=flags):
            bits = columns.array("flags").to_numpy()
            return np.asarray((bits & int(flags)) == int(flags))
        case Labelled(label=label):
            return has_label(columns, label)
        case WithIds(ids=ids):
            return _is_in(columns.array("id"), list(ids), pa.large_string())


def _in_cone(cone: Cone, columns: Columns) -> Mask:
    ra_deg, dec_deg = columns.numbers("ra_deg"), columns.numbers("dec_deg")
    sorted_cells = columns.by_cell()
    if sorted_cells is None:
        return healpix.separation_deg(cone, ra_deg, dec_deg) <= cone.radius_deg
    cells, position = sorted_cells
    found = np.zeros(len(columns), np.bool_)
    edges, inside = healpix.ranges(cone)
    runs = np.searchsorted(cells, edges)
    for (first, beyond), is_inside in zip(runs.tolist(), inside.tolist(), strict=True):
        some = position[first:beyond]
        if is_inside:
            found[some] = True
        else:
            angles = healpix.separation_deg(cone, ra_deg[some], dec_deg[some])
            found[some[angles <= cone.radius_deg]] = True
    return found


def _one_of(name: str, values: Sequence[Value], columns: Columns) -> Mask:
    """Numbers are equal as numbers; text and truth values only to their like."""
    found = np.zeros(len(columns), np.bool_)
    truths = [value for value in values if isinstance(value, bool)]
    texts = [value for value in values if isinstance(value, str)]
    numbers = [
        v for v in values if isinstance(v, int | float) and not isinstance(v, bool)
    ]
    if truths and (array := columns.array(f"bool:{name}")) is not None:
        found |= _is_in(array, truths, pa.bool_())
    if texts and (array := columns.array(f"text:{name}")) is not None:
        codes = np.flatnonzero(_is_in(array.dictionary, texts, pa.string()))
        found |= _is_in(array.indices, codes.tolist(), pa.int32())
    if numbers and (array := columns.array(f"int:{name}")) is not None:
        whole = [int(v) for v in numbers if v == int(v) and -(2**63) <= v < 2**63]
        found |= _is_in(array, whole, pa.int64())
    if numbers and (array := columns.array(f"float:{name}")) is not None:
        exact = [float(v) for v in numbers if float(v) == v]
        found |= _is_in(array, exact, pa.float64())
    return found


def _between(
    arrays: Sequence[Any], low: float | None, high: float | None, count: int
) -> Mask:
    found = np.zeros(count, np.bool_)
    for array in arrays:
        if array is None:
            continue
        fulfilled = pc.is_valid(array)
        for end, compare in ((low, pc.greater_equal), (high, pc.less_equal)):
            if end is not None:
                fulfilled = pc.and_(fulfilled, _compared(array, end, compare))
        found |= _mask(fulfilled)
    return found


def _compared(array: Any, end: float, compare: Callable[..., Any]) -> Any:
    if not pa.types.is_integer(array.type):
        near = float(end)
        # A whole number beyond 2**53 may lie between two floats.
        if compare is pc.greater_equal and near < end:
            near = math.nextafter(near, math.inf)
        elif compare is pc.less_equal and near > end:
            near = math.nextafter(near, -math.inf)
        return compare(array, pa.scalar(near, pa.float64()))
    # Whole numbers beyond 2**53 must not be rounded: the end is.
    inwards = np.ceil(end) if compare is pc.greater_equal else np.floor(end)
    if isinstance(end, int):
        inwards = end
    if -(2**63) <= inwards < 2**63:
        return compare(array, pa.scalar(int(inwards), pa.int64()))
    holds = (inwards < 0) == (compare is pc.greater_equal)
    return pa.array(np.full(len(array), holds))


def _is_in(array: Any, values: Sequence[Any], kind: pa.DataType) -> Mask:
    return _mask(pc.is_in(array, pa.array(values, kind)))


def _mask(array: Any) -> Mask:
    found: Mask = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return found
