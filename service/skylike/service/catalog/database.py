"""Connections to one SQLite file: a writer, and as many readers as threads ask."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from skylike.service import caller, durable
from skylike.service.catalog import rows, schema
from skylike.service.errors import (
    Closed,
    DamagedData,
    NoSpace,
    Overloaded,
    StorageFailed,
)

# Beyond the first the log of writes is folded into the file; where that is impossible,
# a write is refused beyond the second, so that with its own pages the log stays below
# 256 MB.
_FOLDED_BYTES = 32 << 20
_LOG_BYTES = 128 << 20
_COPIED = 1024  # pages between two moments when others may write
_IMPATIENCE_MS, _PATIENCE_MS = 50, 5000
_FULL = {sqlite3.SQLITE_FULL}
_FAILED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


class State(NamedTuple):
    """A collection at one moment.

    Attributes
    ----------
    model_id, dimension
        Of all vectors.
    version
        Number of writes.
    num_objects
        How many objects there are.
    last_row
        The highest row ever given, 0 before the first.
    """

    model_id: str
    dimension: int
    version: int
    num_objects: int
    last_row: int


class Database:
    """One SQLite file in WAL mode.

    Reading and writing are safe from any thread; writes wait for each other,
    reads wait for nothing.

    Attributes
    ----------
    path
        The file.

    Raises
    ------
    DamagedData
        On opening a file that is missing, of another kind or of a newer
        skylike; and whenever SQLite finds the file malformed.
    NoSpace, StorageFailed
        Whenever the disk is full, or does not read or write. A write then leaves
        nothing behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._is_settled = False  # the log may be of a process that was killed
        self._write_lock = threading.Lock()
        self._file = _file_at(path)
        with typed(self.path):
            self._writer = connect(path)
            try:
                schema.bring_up_to_date(self._writer, str(path))
                # What a killed process left in the log is read from now on, and so must
                # not be lost any more.
                self.settle()
            except BaseException:
                self._writer.close()
                raise

    @staticmethod
    def create(path: Path, model_id: str, dimension: int) -> None:
        """Write a new, empty catalog to `path`, which must not exist."""
        with typed(path):
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                schema.create(connection, model_id, dimension)
            finally:
                connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone, until the block ends."""
        with self._lock:
            self.check_open()
            connection = self._idle.pop() if self._idle else None
        with typed(self.path):
            connection = connection or connect(self.path)
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
    def writing(self, is_durable: bool = True) -> Iterator[sqlite3.Connection]:
        """The writer inside a transaction: all of the block is kept, or none.

        Parameters
        ----------
        is_durable
            Whether it survives the loss of power when the block has ended; and with it
            all that was there before, also if the block writes nothing.

        Raises
        ------
        Overloaded
            ``log_full`` if a reader has held the file for so long that the log of
            writes cannot be folded into it.
        """
        with self._write_lock, typed(self.path):
            self.check_open()
            self._require_short_log()
            level = "FULL" if is_durable else "NORMAL"
            self._writer.execute(f"PRAGMA synchronous = {level}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                before = self._writer.total_changes
                yield self._writer
                self._writer.execute("COMMIT")
                if self._writer.total_changes > before:
                    self._is_settled = is_durable
                elif is_durable:
                    self._sync_log()
            except BaseException:
                if self._writer.in_transaction:
                    with suppress(sqlite3.Error):  # the first error is what counts
                        self._writer.execute("ROLLBACK")
                raise

    def settle(self) -> None:
        """See to it that all that is committed survives the loss of power."""
        with self._write_lock, typed(self.path):
            self.check_open()
            self._sync_log()

    def copy(self, path: Path) -> None:
        """Copy all that is committed at one moment to a new file, beside writing.

        SQLite's online backup through the writer's own connection: what is written
        meanwhile goes into the copy too, so that it never begins anew.
        """

        def let_others_write(*_: int) -> None:
            self._write_lock.release()
            time.sleep(0)
            self._write_lock.acquire()
            caller.check()

        with typed(path), self._write_lock:
            self.check_open()
            copy = sqlite3.connect(path)
            try:
                self._writer.backup(copy, pages=_COPIED, progress=let_others_write)
            finally:
                copy.close()

    def check_file(self) -> None:
        """Raise `DamagedData` unless the file that is open is at its path."""
        if _file_at(self.path) != self._file:
            raise DamagedData(
                f"{self.path} is another file than was opened. Restart the service to "
                "use it, or put the old one back."
            )

    def check_open(self) -> None:
        """Raise `Closed` if it is closed."""
        if self._closed:
            raise Closed("The collection is closed.")

    def close(self) -> None:
        """Close every connection; those in use, when their reading ends."""
        with self._write_lock, self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            self._writer.close()

    def _sync_log(self) -> None:
        if not self._is_settled and self._log.exists():
            with self._log.open("rb") as log:
                os.fsync(log.fileno())
        self._is_settled = True

    def _require_short_log(self) -> None:
        """Fold the log into the file where it has grown long, or refuse to write."""
        found = self._log_bytes()
        if found <= _FOLDED_BYTES:
            return
        patience = _IMPATIENCE_MS if found <= _LOG_BYTES else _PATIENCE_MS
        self._writer.execute(f"PRAGMA busy_timeout = {patience}")
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if self._log_bytes() > _LOG_BYTES:
            raise Overloaded(
                f"{self._log} has {self._log_bytes() >> 20} MB and cannot be folded "
                f"into {self.path.name}: something has held that file open for "
                "reading. Let it end, then write again; nothing was stored.",
                reason="log_full",
            )

    def _log_bytes(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """A connection to a catalog that is there, which by mode "ro" cannot write."""
    # A missing file is an error in either mode, not a new database.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    # Text damaged beyond UTF-8 must reach the CRC check, not stop before it.
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # done before a write
    return connection


def state(connection: sqlite3.Connection) -> State:
    """What the row of the collection says.

    Raises
    ------
    DamagedData
        If it is not as it was written.
    """
    [values] = connection.execute(f"SELECT {rows.COLLECTION_COLUMNS} FROM collection")
    return State(*rows.read_collection(values))


def next_version(
    connection: sqlite3.Connection, *, more: int = 0, last_row: int | None = None
) -> int:
    """Count a write, which adds so many objects, up to this row; the new version."""
    old = state(connection)
    new = old._replace(
        version=old.version + 1,
        num_objects=old.num_objects + more,
        last_row=old.last_row if last_row is None else last_row,
    )
    connection.execute(
        "REPLACE INTO collection VALUES (1, ?, ?, ?, ?, ?, ?)",
        rows.collection_row(*new),
    )
    return new.version


@contextmanager
def typed(path: Path) -> Iterator[None]:
    """Errors of SQLite as ours."""
    try:
        yield
    except UnicodeDecodeError as error:  # in what SQLite tells of damage
        raise DamagedData(
            f"SQLite cannot read {path}. Restore the collection from a backup or index "
            "it again."
        ) from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _FULL:
            raise NoSpace(
                f"The disk of {path} is full: nothing of this was stored. "
                "Make room and try again."
            ) from error
        if code in _FAILED:
            raise StorageFailed(
                f"SQLite cannot read or write {path}: {error}. Look at the "
                "disk, its permissions and limits; nothing of this was stored."
            ) from error
        # The bare class is "malformed" and "not a database". A statement of ours that
        # has no meaning ("no such column") has met damage in how tables are described.
        # What is left are clashes and our own mistakes.
        if type(error) is not sqlite3.DatabaseError and code != sqlite3.SQLITE_ERROR:
            raise
        raise DamagedData(
            f"SQLite cannot read {path}: {error}. "
            "Restore the collection from a backup or index it again."
        ) from error


def _file_at(path: Path) -> tuple[int, int]:
    """Which file is at a path."""
    with durable.storing(path):
        if not path.is_file():
            raise DamagedData(f"{path} is missing; restore it from a backup.")
        found = path.stat()
        return found.st_dev, found.st_ino
