"""`Predicting`: what objects of a collection tell, learned so that it can be predicted."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import Catalog, SkyObject
from skylike.service.collection.rating import Rated
from skylike.service.collection.view import View
from skylike.service.columns import Columns, Filter, has_attribute, has_label
from skylike.service.errors import BadRequest, NotReady
from skylike.service.teaching import (
    MIN_EXAMPLES,
    Classes,
    Examples,
    Quantity,
    fit_classes,
    fit_quantity,
)

_MOST_EXAMPLES = 5000  # what is learned from; more are drawn from
_MOST_CLASSES = 100
_REMEMBERED = 8  # what was learned last
_CELL_DEG = 20 / 3600  # a place on the sky: about what a cutout shows

Rows = NDArray[np.int64]
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Target:
    """What to predict: an attribute, or else which of some labels.

    Attributes
    ----------
    attribute
        Its name; empty for labels.
    labels
        Two or more.

    Raises
    ------
    BadRequest
        ``bad_target`` unless it is one of the two.
    """

    attribute: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.attribute) == bool(self.labels):
            raise _bad("name an attribute, or two labels or more")
        if self.labels and len(set(self.labels)) < 2:
            raise _bad("name two different labels or more")
        if len(self.labels) > _MOST_CLASSES:
            raise _bad(f"{len(self.labels)} labels were sent; {_MOST_CLASSES} can be")

    def __str__(self) -> str:
        if self.attribute:
            return f"the attribute {self.attribute!r}"
        return f"exactly one of the labels {', '.join(map(repr, self.labels))}"

    def told_by(self, one: SkyObject) -> Value | None:
        """What an object tells of it."""
        if self.attribute:
            return one.attributes.get(self.attribute)
        [found, *others] = [*(one.labels & set(self.labels)), None]
        return None if others != [None] else found

    def in_columns(self, columns: Columns) -> NDArray[np.bool_]:
        """Which rows may tell it."""
        if self.attribute:
            return has_attribute(columns, self.attribute)
        found = np.zeros(len(columns), np.bool_)
        for label in self.labels:
            found |= has_label(columns, label)
        return found


@dataclass(frozen=True, eq=False)
class Lesson:
    """What was learned of a target.

    Attributes
    ----------
    version
        Of the collection it was learned from.
    ids
        Of the examples, in their order.
    classes
        What the classes are called; none of a quantity.
    model
        What predicts.
    """

    version: int
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    model: Quantity | Classes


class Predicting(Rated):
    """Learns what objects tell, when it is asked."""

    _lessons: "Lessons"

    def lesson(self, target: Target, where: Filter | None = None) -> Lesson:
        """What the objects that there are teach about a target.

        Parameters
        ----------
        target
            What to predict.
        where
            Which objects to learn from; None for all.

        Raises
        ------
        NotReady
            ``too_few_examples`` if fewer than 20 searchable objects, or objects of fewer
            than 20 places, tell it, or all tell the same.
        BadRequest
            ``bad_target`` if it is text in one object and a number in another, or has more
            than 100 classes; and as filters.
        """
        if where is not None:
            self._view.check(where)
        return self._lessons.of(self._view, target, where)


class Lessons:
    """What was learned of a catalog. Safe from any thread; who learns waits in line."""

    def __init__(self, name: str, catalog: Catalog) -> None:
        self._name = name
        self._catalog = catalog
        self._known: dict[tuple[Target, Filter | None], Lesson] = {}
        self._lock = threading.Lock()

    def of(self, view: View, target: Target, where: Filter | None) -> Lesson:
        """As `Predicting.lesson`."""
        key = target, where
        with self._lock:
            known = self._known.pop(key, None)
            if known is None or known.version != view.version:
                known = self._learned(view, target, where)
            self._known[key] = known  # the last that was asked for
            while len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
            return known

    def _learned(self, view: View, target: Target, where: Filter | None) -> Lesson:
        rows = _telling(view, target, where)
        if len(rows) > _MOST_EXAMPLES:
            drawn = np.random.default_rng(0).permutation(len(rows))[:_MOST_EXAMPLES]
            rows = rows[np.sort(drawn)]
        objects = self._catalog.objects(rows.tolist())
        told = {row: target.told_by(one) for row, one in objects.items()}
        rows = np.array([row for row in rows.tolist() if told.get(row) is not None])
        values = [value for row in rows.tolist() if (value := told[row]) is not None]
        there = [objects[row] for row in rows.tolist()]
        places = _places(there)
        num_places = len(np.unique(places))
        if num_places < MIN_EXAMPLES:
            raise NotReady(
                f"{len(rows)} searchable objects of {self._name!r}, at {num_places} "
                f"places on the sky, have {target}; {MIN_EXAMPLES} of each are needed",
                reason="too_few_examples",
            )
        examples = Examples(self._catalog.vectors(rows), places)
        ids = tuple(one.id for one in there)
        is_number = [_is_number(value) for value in values]
        if all(is_number):
            numbers = np.array(values, np.float64)
            return Lesson(view.version, ids, (), fit_quantity(examples, numbers))
        if any(is_number):
            raise _bad(
                f"{target} is a number in {sum(is_number)} objects and none in "
                f"{len(rows) - sum(is_number)}"
            )
        names, which = np.unique(
            [_name(value) for value in values], return_inverse=True
        )
        if len(names) == 1:
            raise NotReady(
                f"all {len(rows)} objects of {self._name!r} that have {target} have "
                f"{names[0]!r}: there is nothing to tell apart",
                reason="too_few_examples",
            )
        if len(names) > _MOST_CLASSES:
            raise _bad(
                f"{target} has {len(names)} values; at most {_MOST_CLASSES} classes can "
                "be told apart"
            )
        classes = tuple(names.tolist())
        model = fit_classes(examples, which.astype(np.int64), len(classes))
        return Lesson(view.version, ids, classes, model)


def _telling(view: View, target: Target, where: Filter | None) -> Rows:
    """Rows of searchable objects that may tell a target, ascending."""
    columns = [view.revised, *(one for part in view.parts for one in part.block.parts)]
    rows = [some.rows[target.in_columns(some)] for some in columns]
    found = np.unique(np.concatenate(rows))
    found = found[view.holds(found, where)]
    return found[np.isin(found, view.searchable_rows())]


def _places(objects: Sequence[SkyObject]) -> Rows:
    """A number for each place: a piece of sky, else a file, else the object alone."""
    numbers: dict[tuple[str | int, ...], int] = {}
    return np.array(
        [numbers.setdefault(_place(one), len(numbers)) for one in objects], np.int64
    )


def _place(one: SkyObject) -> tuple[str | int, ...]:
    if one.position is not None:
        band = round(one.position.dec_deg / _CELL_DEG)
        width = np.cos(np.radians(min(abs(band) * _CELL_DEG, 90.0)))
        return band, round(one.position.ra_deg * width / _CELL_DEG)
    return ("file", one.uri) if one.uri else ("id", one.id)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bad(what: str) -> BadRequest:
    return BadRequest(what, reason="bad_target")
