"""`Predicting`: what objects of a collection tell, learned so that it can be predicted."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.catalog import Catalog, SkyObject
from skylike.service.collection.learned import Learned
from skylike.service.collection.places import places_of
from skylike.service.collection.rating import Rated
from skylike.service.collection.view import View
from skylike.service.columns import Columns, Filter, has_attribute, has_label
from skylike.service.errors import BadRequest, NotReady
from skylike.service.teaching import (
    LARGEST,
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
_EQUAL = 1 - 1e-6  # cosine from which on something is an example itself

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
        In which objects of the collection were changed last.
    digest
        Of what was learned from.
    ids
        Of the examples, in their order.
    classes
        What the classes are called; none of a quantity.
    model
        What predicts.
    """

    version: int
    digest: str
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    model: Quantity | Classes

    def example(
        self, vector: NDArray[np.float32], ids: Sequence[str] = ()
    ) -> int | None:
        """Which example something is, by its one id or an equal vector; None for none."""
        if len(ids) == 1 and ids[0] in self.ids:
            return self.ids.index(ids[0])
        similarities = self.model.examples.vectors @ vector
        most = int(similarities.argmax())
        return most if similarities[most] >= _EQUAL else None


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
            ``unknown_attribute`` if there are objects, and none has it; ``bad_target`` if
            it is text in one object and a number in another, or has more than 100
            classes; and as filters.
        """
        if where is not None:
            self._view.check(where)
        return self._lessons.of(self._view, target, where)


class Lessons:
    """What was learned of a catalog. Safe from any thread."""

    def __init__(self, name: str, catalog: Catalog) -> None:
        self._name = name
        self._catalog = catalog
        self._learned: Learned[tuple[Target, str], Lesson] = Learned(_REMEMBERED)

    def of(self, view: View, target: Target, where: Filter | None) -> Lesson:
        """As `Predicting.lesson`."""
        return self._learned.of(
            (target, repr(where)),  # Python calls 1 and True equal; filters do not
            lambda known: self._lesson(view, target, where, known),
            lambda known: known.version == view.objects_version,
        )

    def _lesson(
        self, view: View, target: Target, where: Filter | None, known: Lesson | None
    ) -> Lesson:
        """What is known, if the examples are the same; or else what they teach now."""
        if target.attribute:
            view.check_attribute(target.attribute)
        rows = _telling(view, target, where)
        if len(rows) > _MOST_EXAMPLES:
            drawn = np.random.default_rng(0).permutation(len(rows))[:_MOST_EXAMPLES]
            rows = rows[np.sort(drawn)]
        objects = self._catalog.objects(rows.tolist())
        told: dict[int, Value] = {}
        for row in rows.tolist():  # some may have been deleted meanwhile
            value = target.told_by(objects[row]) if row in objects else None
            if value is not None:
                told[row] = value
        digest = _digest(objects, told)
        if known is not None and known.digest == digest:
            return replace(known, version=view.objects_version)
        caller.check()
        rows, vectors = self._catalog.vectors_there(np.array(list(told), np.int64))
        there = [objects[row] for row in rows.tolist()]
        examples = Examples(vectors, places_of(there))
        num_places = len(np.unique(examples.places))
        if num_places < MIN_EXAMPLES:
            raise NotReady(
                f"{len(rows)} searchable objects of {self._name!r}, at {num_places} "
                f"places on the sky, have {target}; {MIN_EXAMPLES} of each are needed",
                reason="too_few_examples",
            )
        model, classes = self._model(
            target, examples, [told[row] for row in rows.tolist()]
        )
        ids = tuple(one.id for one in there)
        return Lesson(view.objects_version, digest, ids, classes, model)

    def _model(
        self, target: Target, examples: Examples, values: list[Value]
    ) -> tuple[Quantity | Classes, tuple[str, ...]]:
        """What values teach, and what their classes are called."""
        is_number = [_is_number(value) for value in values]
        if all(is_number):
            numbers = np.array(values, np.float64)
            if (largest := np.abs(numbers).max()) > LARGEST:
                raise _bad(
                    f"{target} is {largest:.3g} in some object; numbers beyond "
                    f"{LARGEST:.0g} cannot be compared: leave these out by a filter"
                )
            return fit_quantity(examples, numbers), ()
        if any(is_number):
            raise _bad(
                f"{target} is a number in {sum(is_number)} objects and none in "
                f"{len(values) - sum(is_number)}"
            )
        names, which = np.unique(
            [_name(value) for value in values], return_inverse=True
        )
        if len(names) == 1:
            [only] = names.tolist()
            raise NotReady(
                f"all {len(values)} objects of {self._name!r} that have {target} have "
                f"{only!r}: there is nothing to tell apart",
                reason="too_few_examples",
            )
        if len(names) > _MOST_CLASSES:
            raise _bad(
                f"{target} has {len(names)} values; at most {_MOST_CLASSES} classes can "
                "be told apart"
            )
        model = fit_classes(examples, which.astype(np.int64), len(names))
        return model, tuple(names.tolist())


def _telling(view: View, target: Target, where: Filter | None) -> Rows:
    """Rows of searchable objects that may tell a target, ascending."""
    columns = [view.revised, *(one for part in view.parts for one in part.block.parts)]
    rows = [some.rows[target.in_columns(some)] for some in columns]
    found = np.unique(np.concatenate(rows))
    found = found[view.holds(found, where)]
    return found[np.isin(found, view.searchable_rows())]


def _digest(objects: Mapping[int, SkyObject], told: Mapping[int, Value]) -> str:
    """Of all that examples teach: what they tell, where they are, and their vectors' rows."""
    what = [
        (row, value, objects[row].position, objects[row].uri)
        for row, value in told.items()
    ]
    return hashlib.sha256(repr(what).encode()).hexdigest()


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bad(what: str) -> BadRequest:
    return BadRequest(what, reason="bad_target")
