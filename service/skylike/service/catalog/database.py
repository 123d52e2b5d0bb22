"""Connections to one SQLite file: a writer, and as many readers as threads ask."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skylike.service.errors import DamagedData, NotReady

APPLICATION_ID = 0x736B796C  # "skyl": `file catalog.sqlite3` shows whose it is
SCHEMA_VERSION = 1

# Vectors and pictures stand apart from the objects, so that reading a hit does
# not page through them. Foreign keys keep the three together.
SCHEMA = f"""
CREATE TABLE collection (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    model_id TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE TABLE objects (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    ra_deg REAL,
    dec_deg REAL,
    epoch_mjd REAL,
    uri TEXT,
    hdu TEXT,
    box TEXT,
    flags INTEGER NOT NULL,
    valid_fraction REAL NOT NULL,
    attributes TEXT NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE INDEX objects_by_uri ON objects (uri) WHERE uri IS NOT NULL;
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
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


class Database:
    """One SQLite file in WAL mode.

    Reading and writing are safe from any thread; writes wait for each other,
    reads wait for nothing.

    Raises
    ------
    DamagedData
        On opening a file that is missing, of another kind or of a newer
        skylike; and whenever SQLite finds the file malformed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._write_lock = threading.Lock()
        if not path.is_file():
            raise DamagedData(f"{path} is missing; restore it from a backup.")
        with self._refuse_damage():
            self._writer = self._connect()
            try:
                self._check_schema()
            except BaseException:
                self._writer.close()
                raise

    @staticmethod
    def create(path: Path, model_id: str, dimension: int) -> None:
        """Write a new, empty catalog to `path`, which must not exist."""
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
            connection.execute(
                "INSERT INTO collection VALUES (1, ?, ?, 0)", (model_id, dimension)
            )
        finally:
            connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone, until the block ends."""
        with self._lock:
            self.check_open()
            connection = self._idle.pop() if self._idle else None
        with self._refuse_damage():
            connection = connection or self._connect()
            try:
                yield connection
            finally:
                with self._lock:
                    if not self._closed:
                        self._idle.append(connection)
                        connection = None
                if connection is not None:
                    connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The writer inside a transaction: all of the block is kept, or none."""
        with self._write_lock, self._refuse_damage():
            self.check_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def check_open(self) -> None:
        """Raise `NotReady` (``closed``) if it is closed."""
        if self._closed:
            raise NotReady("The collection is closed.", reason="closed")

    def close(self) -> None:
        """Close every connection; those in use, when their reading ends."""
        with self._write_lock, self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a missing file is an error, not a new database.
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        # Text damaged beyond UTF-8 must reach the CRC check, not stop before it.
        connection.text_factory = lambda text: text.decode(errors="surrogateescape")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _check_schema(self) -> None:
        (kind,) = self._writer.execute("PRAGMA application_id").fetchone()
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if kind != APPLICATION_ID:
            raise DamagedData(f"{self._path} is not a skylike catalog.")
        if version > SCHEMA_VERSION:
            raise DamagedData(
                f"{self._path} has schema {version}, this skylike knows up to "
                f"{SCHEMA_VERSION}: open it with a newer skylike.",
                reason="newer_schema",
            )

    @contextmanager
    def _refuse_damage(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The bare class is "malformed" and "not a database"; its subclasses
            # are clashes, full disks and our own mistakes.
            if type(error) is not sqlite3.DatabaseError:
                raise
            raise DamagedData(
                f"SQLite cannot read {self._path}: {error}. "
                "Restore the collection from a backup or index it again."
            ) from error
