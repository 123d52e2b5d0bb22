"""The statements that several methods of the catalog share, within a transaction."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.sky_object import SkyObject

AMONG = "IN (SELECT value FROM json_each(?))"

Rows = NDArray[np.int64]


def as_json(rows: Iterable[int]) -> str:
    """Rows as `AMONG` takes them."""
    return str(list(map(int, rows)))


def ascending(rows: Iterable[int]) -> Rows:
    """Rows in order."""
    return np.array(sorted(rows), np.int64)


def rows_of(connection: Any, ids: Iterable[str]) -> dict[str, int]:
    """The rows of those ids that exist; `DamagedData` if an id is not that of its row."""
    found = {}
    # What SQLite's index says is compared with the row itself.
    for id, row, there in connection.execute(
        "SELECT named.id, named.row, stored.id FROM objects AS named "
        "LEFT JOIN objects AS stored ON stored.row = named.row "
        f"WHERE named.id {AMONG}",
        (json.dumps(list(ids)),),
    ):
        if id != there:
            raise encoding.damaged(f"the index of ids at {id!r}")
        found[id] = row
    return found


def objects_in(
    connection: Any, rows: Iterable[int], *, thumbnails: bool = False
) -> dict[int, SkyObject]:
    """The objects in those rows that exist; `DamagedData` if one has changed."""
    wanted = (as_json(rows),)
    pictures: dict[int, bytes] = {}
    if thumbnails:
        pictures = {
            values[0]: encoding.read_thumbnail(values)
            for values in connection.execute(
                f"SELECT {encoding.THUMBNAIL_COLUMNS} FROM thumbnails WHERE row {AMONG}",
                wanted,
            )
        }
    return {
        values[0]: encoding.read_object(values, pictures.get(values[0], b""))
        for values in connection.execute(
            f"SELECT {encoding.OBJECT_COLUMNS} FROM objects WHERE row {AMONG}", wanted
        )
    }


def insert(
    connection: Any,
    table: str,
    rows: Iterable[tuple[Any, ...]],
    *,
    replace: bool = False,
) -> None:
    """Insert rows into a table, or replace those that are there."""
    marks = ", ".join("?" * encoding.NUM_COLUMNS[table])
    how = "REPLACE" if replace else "INSERT"
    connection.executemany(f"{how} INTO {table} VALUES ({marks})", rows)


def forget(connection: Any, rows: Rows, version: int) -> None:
    """Take rows out of every table, and note that they are gone."""
    if not len(rows):
        return
    gone = connection.execute(
        f"DELETE FROM ratings WHERE row {AMONG}", (as_json(rows),)
    )
    if gone.rowcount:
        changed_ratings(connection, version)
    for table in ("thumbnails", "vectors", "objects"):
        connection.execute(f"DELETE FROM {table} WHERE row {AMONG}", (as_json(rows),))
    note(connection, rows, version, is_gone=True)


def changed_ratings(connection: Any, version: int) -> None:
    """Note the version in which ratings were changed."""
    connection.execute(
        "REPLACE INTO rated VALUES (1, ?, ?)", encoding.rated_row(version)
    )


def note(connection: Any, rows: Rows, version: int, *, is_gone: bool) -> None:
    """Note in the journal what has become of rows."""
    insert(
        connection,
        "journal",
        (encoding.journal_row(row, version, is_gone=is_gone) for row in rows.tolist()),
        replace=True,
    )
