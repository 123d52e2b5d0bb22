"""Parquet: typed columns, their meaning and the origin in the schema."""

import io
import json

import pyarrow as pa
from pyarrow import parquet

from skylike.client.tables.table import Column, Kind, Table

ORIGIN = "skylike"
_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.TRUTH: pa.bool_(),
}


def content(table: Table) -> bytes:
    """The table as Parquet; the facts are JSON under the key ``skylike``."""
    schema = pa.schema(
        [_field(column) for column in table.columns],
        metadata={ORIGIN: json.dumps(dict(table.facts))},
    )
    columns = [pa.array(column.values, _TYPES[column.kind]) for column in table.columns]
    stream = io.BytesIO()
    parquet.write_table(pa.table(columns, schema=schema), stream)
    return stream.getvalue()


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
