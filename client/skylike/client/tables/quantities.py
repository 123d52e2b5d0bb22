"""Tables of astropy, with units and masks; and ECSV, which is their text form."""

import io
from typing import Any

import numpy as np
from astropy.table import Column as AstropyColumn
from astropy.table import MaskedColumn, QTable
from astropy.table import Table as AstropyTable

from skylike.client.tables.table import Column, Kind, Table

_EMPTY: dict[Kind, Any] = {
    Kind.TEXT: "",
    Kind.NUMBER: np.nan,
    Kind.INTEGER: 0,
    Kind.TRUTH: False,
}
_DTYPES = {Kind.NUMBER: "f8", Kind.INTEGER: "i8", Kind.TRUTH: "?", Kind.TEXT: "U"}


def qtable(table: Table) -> Any:
    """The table with quantities, masked where values are absent."""
    return QTable(columns(table))


def columns(table: Table) -> Any:
    """The same with plain columns, which know their units."""
    made = AstropyTable({column.name: _column(column) for column in table.columns})
    made.meta.update(table.facts)
    return made


def content(table: Table) -> bytes:
    """The table as ECSV."""
    text = io.StringIO()
    columns(table).write(text, format="ascii.ecsv", delimiter=",")
    return text.getvalue().encode()


def _column(column: Column) -> Any:
    mask = [value is None for value in column.values]
    empty = _EMPTY[column.kind]
    values = [empty if value is None else value for value in column.values]
    made = MaskedColumn(np.array(values, _DTYPES[column.kind]), mask=mask)
    if not any(mask):
        made = AstropyColumn(made)
    made.unit = column.unit or None
    made.description = column.description
    made.meta = {"ucd": column.ucd} if column.ucd else {}
    return made
