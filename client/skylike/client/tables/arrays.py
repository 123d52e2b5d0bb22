"""Embeddings as a bare array of numpy, for what learns from them."""

import io

import numpy as np

from skylike.client.errors import BadInput
from skylike.client.tables.columns import COMPONENT
from skylike.client.tables.table import Table


def content(table: Table) -> bytes:
    """The embeddings as (n, dimension) float32 in the format of numpy, NaN where absent.

    Raises
    ------
    BadInput
        ``bad_format`` if the table holds none.
    """
    columns = [
        one.values
        for one in table.columns
        # An attribute may be called the same, but has no UCD.
        if one.name.startswith(COMPONENT) and one.ucd
    ]
    if not columns:
        raise BadInput(
            "there is no embedding in this table, and nothing else is written as .npy",
            reason="bad_format",
        )
    stream = io.BytesIO()
    np.save(stream, np.array(columns, np.float32).T.copy(), allow_pickle=False)
    return stream.getvalue()
