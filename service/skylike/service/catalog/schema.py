"""The tables of a catalog, and how older ones become the newest."""

import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping

from skylike.service.catalog import rows
from skylike.service.catalog.sky_object import SkyObject
from skylike.service.errors import DamagedData
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag

APPLICATION_ID = 0x736B796C  # "skyl": `file catalog.sqlite3` shows whose it is
VERSION = 5

# Vectors and pictures stand apart from the objects, so that reading a hit does
# not page through them. Foreign keys keep the three together.
_OBJECTS = """
CREATE TABLE objects (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    uri TEXT,
    body TEXT NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE INDEX objects_by_uri ON objects (uri) WHERE uri IS NOT NULL;
"""
# What segments do not know yet: which of their rows are gone, or tell something else.
_JOURNAL = """
CREATE TABLE journal (
    row INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    is_gone INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
"""
# Which writes were done that a caller had named, so that none is done twice.
_REQUESTS = """
CREATE TABLE requests (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    version INTEGER NOT NULL,
    num_objects INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
"""
# What people think of objects, and the version in which that was changed last.
_RATINGS = """
CREATE TABLE ratings (
    row INTEGER NOT NULL REFERENCES objects,
    who TEXT NOT NULL,
    body TEXT NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (row, who)
) STRICT;
CREATE TABLE rated (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
"""
_COLLECTION = """
CREATE TABLE collection (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    model_id TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    version INTEGER NOT NULL,
    num_objects INTEGER NOT NULL,
    last_row INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
"""
_SCHEMA = f"""
{_COLLECTION}
{_OBJECTS}
CREATE TABLE vectors (
    row INTEGER PRIMARY KEY REFERENCES objects,
    searchable INTEGER NOT NULL,
    vector BLOB NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE thumbnails (
    row INTEGER PRIMARY KEY REFERENCES objects,
    png BLOB NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE fits (
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    arrays BLOB NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (kind, version)
) STRICT;
{_JOURNAL}
{_REQUESTS}
{_RATINGS}
"""


def create(connection: sqlite3.Connection, model_id: str, dimension: int) -> None:
    """Make the tables of an empty catalog, in one transaction."""
    connection.executescript(f"BEGIN; {_SCHEMA} {_mark(VERSION)}")
    values = rows.collection_row(model_id, dimension, 0, 0, 0)
    connection.execute("INSERT INTO collection VALUES (1, ?, ?, ?, ?, ?, ?)", values)
    connection.execute("INSERT INTO rated VALUES (1, ?, ?)", rows.rated_row(0))
    connection.execute("COMMIT")


def bring_up_to_date(connection: sqlite3.Connection, where: str) -> None:
    """Turn an older catalog into one of today's, in one transaction.

    Raises
    ------
    DamagedData
        If it is no catalog, one of a newer skylike (``newer_schema``), or a row is
        not as it was written.
    """
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if kind != APPLICATION_ID:
        raise DamagedData(f"{where} is not a skylike catalog.")
    if version > VERSION or version < 1:
        raise DamagedData(
            f"{where} has schema {version}, this skylike knows up to {VERSION}: open it "
            "with a newer skylike.",
            reason="newer_schema",
        )
    while version < VERSION:
        # While tables are replaced, what refers to them must stay as it is.
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA legacy_alter_table = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            _MIGRATIONS[version](connection)
            version += 1
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute("PRAGMA legacy_alter_table = OFF")
            connection.execute("PRAGMA foreign_keys = ON")


def _mark(version: int) -> str:
    return f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};"


def _add_labels_and_journal(connection: sqlite3.Connection) -> None:
    """From 1 to 2: labels under the checksum, a journal, counters."""
    connection.execute("DROP INDEX objects_by_uri")
    connection.execute("ALTER TABLE objects RENAME TO old_objects")
    connection.execute("ALTER TABLE collection RENAME TO old_collection")
    for statement in f"{_COLLECTION}{_OBJECTS}{_JOURNAL}".split(";"):
        connection.execute(statement)
    num_objects = last_row = 0
    for values in connection.execute("SELECT * FROM old_objects ORDER BY row"):
        old = values[:-1]
        if rows.checksum(old) != values[-1]:
            raise rows.damaged(f"object {old[1]!r}")
        row, id, ra_deg, dec_deg, epoch_mjd, uri, hdu, box, flags, valid, known = old
        made = SkyObject(
            id,
            None if ra_deg is None else SkyPosition(ra_deg, dec_deg),
            epoch_mjd,
            uri,
            hdu,
            None if box is None else tuple(json.loads(box)),
            json.loads(known),
            flags=Flag(flags),
            valid_fraction=valid,
        )
        connection.execute(
            "INSERT INTO objects VALUES (?, ?, ?, ?, ?)", rows.object_row(row, made)
        )
        num_objects, last_row = num_objects + 1, row
    model_id, dimension, version = connection.execute(
        "SELECT model_id, dimension, version FROM old_collection"
    ).fetchone()
    connection.execute(
        "INSERT INTO collection VALUES (1, ?, ?, ?, ?, ?, ?)",
        rows.collection_row(model_id, dimension, version, num_objects, last_row),
    )
    connection.execute("DROP TABLE old_objects")
    connection.execute("DROP TABLE old_collection")


def _add_requests_and_check_fits(connection: sqlite3.Connection) -> None:
    """From 2 to 3: requests by name; kind and version of fits under the checksum."""
    connection.execute(_REQUESTS)
    fits = connection.execute(f"SELECT {rows.FIT_COLUMNS} FROM fits").fetchall()
    for version, kind, blob, crc in fits:
        if zlib.crc32(blob) != crc:
            raise rows.damaged(f"fit {version} of the {kind}")
        connection.execute(
            "UPDATE fits SET crc = ? WHERE version = ? AND kind = ?",
            (rows.fit_crc(version, kind, blob), version, kind),
        )


def _add_digests_of_requests(connection: sqlite3.Connection) -> None:
    """From 3 to 4: what was asked; of the requests until now nobody knows it."""
    connection.execute("ALTER TABLE requests RENAME TO old_requests")
    connection.execute(_REQUESTS)
    for values in connection.execute(
        "SELECT row, id, version, num_objects, crc FROM old_requests"
    ).fetchall():
        row, id, version, num_objects, crc = values
        if rows.checksum(values[:-1]) != crc:
            raise rows.damaged(f"the request in row {row}")
        connection.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)",
            rows.request_row(row, id, "", version, num_objects),
        )
    connection.execute("DROP TABLE old_requests")


def _add_ratings(connection: sqlite3.Connection) -> None:
    """From 4 to 5: what people think of objects."""
    for statement in _RATINGS.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO rated VALUES (1, ?, ?)", rows.rated_row(0))


_MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    1: _add_labels_and_journal,
    2: _add_requests_and_check_fits,
    3: _add_digests_of_requests,
    4: _add_ratings,
}
