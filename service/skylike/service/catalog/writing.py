"""`Writing`: what a write promises, and that one with a name is done once."""

import re
import sqlite3
from dataclasses import dataclass

from skylike.service.catalog import rows as encoding
from skylike.service.errors import AlreadyDone, BadRequest

_KEPT = 10_000  # named requests that are remembered
_REQUEST_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Writing:
    """How to write.

    Attributes
    ----------
    request_id
        The caller's name for the write; empty for none. The last 10,000 are remembered.
    is_durable
        Whether it survives the loss of power when it returns. If not it survives the
        end of the process, and the loss of power as soon as a durable write follows.

    Raises
    ------
    BadRequest
        ``bad_request_id`` unless the name is 1 to 128 printable ASCII characters.
    """

    request_id: str = ""
    is_durable: bool = True

    def __post_init__(self) -> None:
        if self.request_id and not _REQUEST_ID.fullmatch(self.request_id):
            raise BadRequest(
                "A request_id is 1 to 128 printable ASCII characters without blanks.",
                reason="bad_request_id",
            )


DURABLE = Writing()


def require_new(connection: sqlite3.Connection, how: Writing) -> None:
    """Raise `AlreadyDone` if a write of this name was done."""
    if not how.request_id:
        return
    found = connection.execute(
        f"SELECT {encoding.REQUEST_COLUMNS} FROM requests WHERE id = ?",
        (how.request_id,),
    ).fetchone()
    if found is not None:
        version, num_objects = encoding.read_request(found)
        raise AlreadyDone(
            f"the request {how.request_id!r} was done before",
            version=version,
            num_objects=num_objects,
        )


def remember(
    connection: sqlite3.Connection, how: Writing, version: int, num_objects: int
) -> None:
    """Note that a write was done, inside its own transaction."""
    if not how.request_id:
        return
    (last,) = connection.execute("SELECT max(row) FROM requests").fetchone()
    row = (last or 0) + 1
    values = encoding.request_row(row, how.request_id, version, num_objects)
    connection.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?)", values)
    connection.execute("DELETE FROM requests WHERE row <= ?", (row - _KEPT,))
