"""What an attribute of some objects is, as colours show it: numbers, or categories."""

from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from skylike.service.collection.asking import unknown
from skylike.service.collection.numbers import located
from skylike.service.collection.view import View
from skylike.service.columns import FACTS, Columns
from skylike.service.columns.values import known
from skylike.service.errors import BadRequest

MOST_CATEGORIES = 20
OTHER = "other"
"""What the categories beyond are called together."""

Rows = NDArray[np.int64]


class Colors(NamedTuple):
    """What is known of n objects.

    Attributes
    ----------
    values : (n,) float32
        A number of each, or that of its category; NaN where it is unknown.
    categories
        What these are called; empty for numbers.
    """

    values: NDArray[np.float32]
    categories: tuple[str, ...] = ()


def by_attribute(view: View, rows: Rows, name: str) -> Colors:
    """Numbers if it is one of any object, else categories: texts, or truth values.

    Raises
    ------
    BadRequest
        ``unknown_attribute`` if there are objects, and none has it.
    """
    numbers = np.full(len(rows), np.nan)
    texts = np.full(len(rows), "", object)
    parts = [columns for part in view.parts for columns in part.block.parts]
    if name not in FACTS and not any(
        name in columns.attributes for columns in (*parts, view.revised)
    ):
        there = {one for columns in parts for one in columns.attributes}
        if sum(map(len, parts)):
            raise BadRequest(unknown(name, there), reason="unknown_attribute")
        return Colors(numbers.astype(np.float32))
    # What was told since counts for all of an object, and comes last.
    for columns in (*parts, view.revised):
        positions, here = located(columns.rows, rows)
        if len(positions):
            numbers[here] = _numbers(columns, name, positions)
            texts[here] = _texts(columns, name, positions)
    if np.isfinite(numbers).any() or not texts.astype(bool).any():
        return Colors(numbers.astype(np.float32))
    return _categories(texts)


def _numbers(columns: Columns, name: str, positions: Rows) -> NDArray[np.float64]:
    found = np.full(len(positions), np.nan)
    for column in (FACTS.get(name, ""), f"int:{name}", f"float:{name}"):
        if columns.array(column) is not None:
            some = columns.numbers(column)[positions].astype(np.float64)
            found = np.where(np.isfinite(some), some, found)
    return found


def _texts(columns: Columns, name: str, positions: Rows) -> NDArray[np.object_]:
    found = np.full(len(positions), "", object)
    for column in (f"text:{name}", f"bool:{name}"):
        array = columns.array(column)
        if array is None:
            continue
        some = array.take(positions)
        there = known(some)
        told = pc.cast(some, "string").to_numpy(zero_copy_only=False)
        found = told if there is None else np.where(there, told, found)
    return found


def _categories(texts: NDArray[np.object_]) -> Colors:
    """The most frequent texts, and all others as one more."""
    kinds, numbers, counts = np.unique(
        texts.astype(str), return_inverse=True, return_counts=True
    )
    order = [i for i in np.lexsort((kinds, -counts)).tolist() if kinds[i]]
    values = np.full(len(kinds), np.nan, np.float32)
    kept = order[:MOST_CATEGORIES]
    values[kept] = np.arange(len(kept))
    values[order[MOST_CATEGORIES:]] = len(kept)
    others = (OTHER,) if len(order) > MOST_CATEGORIES else ()
    return Colors(values[numbers], (*(str(kinds[i]) for i in kept), *others))
