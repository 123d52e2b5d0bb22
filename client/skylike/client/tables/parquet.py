"""Parquet: typed columns, their meaning and the origin in the schema.

They stand there three times, for there is no one way: with each column, for readers of
Arrow; as JSON; and as astropy has it, which reads units, descriptions and origin back.
"""

import io
import json
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from skylike.client.tables.table import Cell, Column, Kind, Table

ORIGIN = "skylike"
_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.TRUTH: pa.bool_(),
}
_OF_ASTROPY = {
    Kind.TEXT: "string",
    Kind.NUMBER: "float64",
    Kind.INTEGER: "int64",
    Kind.TRUTH: "bool",
}


def content(table: Table) -> bytes:
    """The table as Parquet; the facts are JSON under the key ``skylike``."""
    stream = io.BytesIO()
    parquet.write_table(arrow(table), stream)
    return stream.getvalue()


def arrow(table: Table) -> Any:
    """The same as an Arrow table."""
    values = {column.name: _values(column) for column in table.columns}
    schema = pa.schema(
        [_field(column) for column in table.columns],
        metadata={
            ORIGIN: json.dumps(dict(table.facts)),
            "table_meta_yaml": _for_astropy(table),
            **{
                f"table::len::{column.name}": str(_width(values[column.name]))
                for column in table.columns
                if column.kind is Kind.TEXT
            },
        },
    )
    arrays = [pa.array(values[one.name], _TYPES[one.kind]) for one in table.columns]
    return pa.table(arrays, schema=schema)


def _values(column: Column) -> list[Cell]:
    """With empty texts for absent ones, which astropy would read as the text None."""
    if column.kind is not Kind.TEXT:
        return list(column.values)
    return ["" if value is None else value for value in column.values]


def _width(texts: list[Cell]) -> int:
    return max((len(str(text)) for text in texts), default=0) or 1


def _for_astropy(table: Table) -> str:
    """The header of ECSV, as YAML, of which JSON is a part."""
    columns: list[dict[str, Any]] = []
    for column in table.columns:
        one: dict[str, Any] = {
            "name": column.name,
            "datatype": _OF_ASTROPY[column.kind],
            "description": column.description,
        }
        if column.unit:
            one["unit"] = column.unit
        if column.ucd:
            one["meta"] = {"ucd": column.ucd}
        columns.append(one)
    # Escapes of JSON name halves of characters, which YAML does not take.
    header = {"datatype": columns, "meta": dict(table.facts)}
    return json.dumps(header, ensure_ascii=False)


def _field(column: Column) -> pa.Field:
    meaning = {
        "description": column.description,
        "unit": column.unit,
        "ucd": column.ucd,
    }
    return pa.field(
        column.name,
        _TYPES[column.kind],
        metadata={name: text for name, text in meaning.items() if text},
    )
