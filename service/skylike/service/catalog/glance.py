"""`Glance`: a short look at the file of a catalog that is open, past what is in memory."""

import secrets
import sqlite3
import threading
from contextlib import suppress

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database, State, connect, state, typed
from skylike.service.catalog.statements import objects_in
from skylike.service.errors import Closed


class Glance:
    """Reads a little of a catalog's file, and writes and syncs nothing.

    It keeps a connection of its own, which may not write: opening one for each look
    would read how tables are described, settle the log and take thirty times longer.
    Safe from any thread.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def look(self) -> None:
        """Read one object, at random, with its vector.

        Raises
        ------
        DamagedData, StorageFailed
            If the file is missing, or another, or what was read is not as it was
            written. The next look opens the file anew.
        """
        with self._database.reading() as connection:
            before = state(connection)
        with self._lock, typed(self._database.path):
            if self._is_closed:
                raise Closed("The collection is closed.")
            self._database.check_file()
            if self._connection is None:
                self._connection = connect(self._database.path, "ro")
            try:
                self._read(self._connection, before)
            except BaseException:
                self._drop()
                raise

    def close(self) -> None:
        """Close the connection; before the writer's, which folds the log as the last."""
        with self._lock:
            self._is_closed = True
            self._drop()

    def _read(self, connection: sqlite3.Connection, before: State) -> None:
        connection.execute("PRAGMA shrink_memory")  # the pages that it has read
        if state(connection).version < before.version:
            raise encoding.damaged("the number of writes")
        row = 1 + secrets.randbelow(max(1, before.last_row))
        objects_in(connection, [row], thumbnails=True)
        vectors = connection.execute(
            f"SELECT {encoding.VECTOR_COLUMNS} FROM vectors WHERE row = ?", (row,)
        ).fetchall()
        encoding.read_vectors(vectors, before.dimension)

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
