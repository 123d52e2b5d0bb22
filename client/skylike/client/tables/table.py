"""A table as every form of it is made from: columns of plain values, and its origin.

A `Field` says what a column is and where its values are found in a row; `gather` reads the
rows once. What follows (quantities, frames, files) sees only columns. Text is disarmed
here, so that all forms hold the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from skylike.client.tables.text import printable

# A column of arrays is as wide as its widest text: one that is endless would fill memory.
_MOST_CHARACTERS = 4000

Cell = str | int | float | bool | None


class Kind(Enum):
    """What the values of a column are."""

    TEXT = "text"
    NUMBER = "number"
    """64-bit floating point."""
    INTEGER = "integer"
    """64-bit, signed."""
    TRUTH = "truth"


@dataclass(frozen=True, slots=True)
class Field:
    """What a column means, and how to get it.

    Attributes
    ----------
    path
        Names of attributes from a row on, joined by dots: ``object.ra_deg``. Where one
        of them is None, the value is absent.
    unit
        As astropy and the VO write it; empty: none.
    ucd
        The IVOA's word for what it is.
    cell
        From what is found there to the value; texts may be several, absent ones empty.
    """

    name: str
    kind: Kind
    path: str
    description: str
    unit: str = ""
    ucd: str = ""
    cell: Callable[[Any], Any] = lambda value: value

    def within(self, path: str) -> "Field":
        """The same, of what each row has under that path."""
        return replace(self, path=f"{path}.{self.path}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its values: of its kind, or None where absent."""

    name: str
    kind: Kind
    description: str
    unit: str
    ucd: str
    values: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length, and the facts of their origin by name."""

    columns: tuple[Column, ...]
    facts: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.columns[0].values)

    def rows(self) -> Iterable[tuple[Cell, ...]]:
        """The values row by row."""
        return zip(*(column.values for column in self.columns), strict=True)


def gather(
    fields: Sequence[Field], rows: Sequence[Any], facts: Mapping[str, str]
) -> Table:
    """Read the fields of all rows."""
    return Table(
        tuple(
            Column(
                field.name,
                field.kind,
                field.description,
                field.unit,
                field.ucd,
                tuple(_cell(row, field) for row in rows),
            )
            for field in fields
        ),
        {printable(name): printable(fact) for name, fact in facts.items() if fact},
    )


def walk(row: Any, path: str) -> Any:
    """What lies at the end of a path, None where the path ends early."""
    for name in path.split("."):
        if row is None:
            return None
        row = getattr(row, name)
    return row


def _cell(row: Any, field: Field) -> Cell:
    found = walk(row, field.path)
    value = None if found is None else field.cell(found)
    if value is None:
        return None
    match field.kind:
        case Kind.TEXT:
            text = value if isinstance(value, str) else ", ".join(value)
            if len(text) > _MOST_CHARACTERS:
                text = f"{text[:_MOST_CHARACTERS]}..."
            return printable(text) or None
        case Kind.NUMBER:
            return float(value)
        case Kind.INTEGER:
            return int(value)
        case Kind.TRUTH:
            return bool(value)
