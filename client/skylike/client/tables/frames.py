"""Data frames of pandas."""

from typing import Any

import pandas as pd

from skylike.client.tables.table import Kind, Table

_DTYPES = {
    Kind.TEXT: "string",
    Kind.NUMBER: "float64",
    Kind.INTEGER: "Int64",
    Kind.TRUTH: "boolean",
}


def frame(table: Table) -> Any:
    """The table; ``attrs`` tell its origin, and the unit of each column."""
    made = pd.DataFrame(
        {
            column.name: pd.Series(list(column.values), dtype=_DTYPES[column.kind])
            for column in table.columns
        }
    )
    made.attrs.update(table.facts)
    made.attrs["units"] = {
        column.name: column.unit for column in table.columns if column.unit
    }
    return made
