"""Parquet with places on a map and the rows of neighbours, for embedding-atlas."""

import io
from collections.abc import Sequence

import pyarrow as pa
from pyarrow import parquet as pq

from skylike.client.tables import parquet
from skylike.client.tables.table import Table

_NEAR = pa.struct(
    [("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float64()))]
)


def content(
    table: Table,
    places: Sequence[tuple[float, float]],
    near: Sequence[tuple[Sequence[int], Sequence[float]]],
) -> bytes:
    """The table as Parquet, with ``x``, ``y`` and ``neighbors`` beside its columns.

    A column of the same name makes room: it is called ``attribute_x``.
    """
    found = parquet.arrow(table)
    taken = {"x", "y", "neighbors"}
    names = [
        f"attribute_{name}" if name in taken else name for name in found.schema.names
    ]
    found = found.rename_columns(names)
    x, y = ([place[axis] for place in places] for axis in (0, 1))
    found = found.append_column("x", pa.array(x, pa.float32()))
    found = found.append_column("y", pa.array(y, pa.float32()))
    structures = [{"ids": ids, "distances": far} for ids, far in near]
    found = found.append_column("neighbors", pa.array(structures, _NEAR))
    stream = io.BytesIO()
    pq.write_table(found, stream)
    return stream.getvalue()
