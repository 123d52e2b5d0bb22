"""`Requests`: the writes that callers have named, so that none is done twice."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database, state
from skylike.service.catalog.writing import Writing
from skylike.service.errors import AlreadyDone, BadRequest

_KEPT = 10_000  # named requests that are remembered


class Requests:
    """The named writes of a catalog. Safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def require_new(self, how: Writing) -> None:
        """See that a write is to be done.

        Raises
        ------
        AlreadyDone
            If one of its name was done, which is as durable as is wanted now.
        BadRequest
            ``request_id_reused`` if that was another one.
        """
        if how.request_id:
            with self._settled(how), self._database.reading() as connection:
                _require_new(connection, how)

    @contextmanager
    def writing(self, how: Writing) -> Iterator[sqlite3.Connection]:
        """The writer inside the transaction of a new write; raises as `require_new`."""
        with self._settled(how), self._database.writing(how.is_durable) as connection:
            if how.request_id:
                _require_new(connection, how)
            yield connection

    def take_over(self, other: "Requests") -> None:
        """Know the named writes of another catalog, as done in this one's version."""
        with other._database.reading() as connection:
            found = connection.execute(
                f"SELECT {encoding.REQUEST_COLUMNS} FROM requests ORDER BY row"
            ).fetchall()
        with self._database.writing() as connection:
            version = state(connection).version
            for values in found:
                id, digest, _, num_objects = encoding.read_request(values)
                _insert(connection, id, digest, version, num_objects)

    @contextmanager
    def _settled(self, how: Writing) -> Iterator[None]:
        """What was done before may have promised less."""
        try:
            yield
        except AlreadyDone:
            if how.is_durable:
                self._database.settle()
            raise


def remember(
    connection: sqlite3.Connection, how: Writing, version: int, num_objects: int
) -> None:
    """Note that a write was done, inside its own transaction."""
    if how.request_id:
        _insert(connection, how.request_id, how.digest, version, num_objects)


def _require_new(connection: sqlite3.Connection, how: Writing) -> None:
    found = connection.execute(
        f"SELECT {encoding.REQUEST_COLUMNS} FROM requests WHERE id = ?",
        (how.request_id,),
    ).fetchone()
    if found is None:
        return
    _, digest, version, num_objects = encoding.read_request(found)
    if digest and how.digest and digest != how.digest:
        raise BadRequest(
            f"The request_id {how.request_id!r} was given to another request before: "
            "give each its own, and the same only to who asks the same again.",
            reason="request_id_reused",
        )
    raise AlreadyDone(
        f"the request {how.request_id!r} was done before",
        version=version,
        num_objects=num_objects,
    )


def _insert(
    connection: sqlite3.Connection, id: str, digest: str, version: int, num_objects: int
) -> None:
    (last,) = connection.execute("SELECT max(row) FROM requests").fetchone()
    row = (last or 0) + 1
    values = encoding.request_row(row, id, digest, version, num_objects)
    # One that is taken over may be known: the newer one stays.
    connection.execute(
        "INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?)", values
    )
    connection.execute("DELETE FROM requests WHERE row <= ?", (row - _KEPT,))
