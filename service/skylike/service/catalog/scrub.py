"""Reading every row of a catalog, to find those that are not as they were written."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database, state
from skylike.service.errors import DamagedData

_CHUNK = 4096
_NORM_TOLERANCE = 1e-3
_OF_INDEX = re.compile(
    r"(row \d+ missing from|wrong # of entries in|non-unique entry in) index \w+"
)


class Flaw(NamedTuple):
    """Something wrong with a catalog.

    Attributes
    ----------
    message
        One sentence.
    is_derived
        Whether an index of SQLite is wrong, which can be made anew from its table.
    """

    message: str
    is_derived: bool = False


def scrub(database: Database) -> Iterator[Flaw]:
    """Tell everything that is wrong with a catalog.

    SQLite's own check, the checksum of every row, that every object has a finite vector
    of unit norm, and the counts.
    """
    yield from check(database)
    yield from map(Flaw, _rows(database))


def check(database: Database) -> Iterator[Flaw]:
    """What SQLite's own check finds."""
    with database.reading() as connection:
        for (told,) in connection.execute("PRAGMA integrity_check"):
            if told != "ok":
                yield Flaw(f"SQLite finds: {told}", bool(_OF_INDEX.fullmatch(told)))


def _rows(database: Database) -> Iterator[str]:
    known = None
    try:
        with database.reading() as connection:
            known = state(connection)
    except DamagedData as error:
        yield str(error)
    dimension = 0 if known is None else known.dimension

    def read_vector(values: tuple[Any, ...]) -> None:
        _, _, vectors = encoding.read_vectors([values], dimension)
        norm = float(np.linalg.norm(vectors[0].astype(np.float64)))
        if not abs(norm - 1) <= _NORM_TOLERANCE:
            raise DamagedData(f"The vector in row {values[0]} has the norm {norm:.6g}.")

    yield from _damaged(
        database,
        f"SELECT {encoding.OBJECT_COLUMNS} FROM objects",
        lambda values: encoding.read_object(values, b""),
    )
    if known is not None:
        yield from _damaged(
            database, f"SELECT {encoding.VECTOR_COLUMNS} FROM vectors", read_vector
        )
    yield from _damaged(
        database,
        f"SELECT {encoding.THUMBNAIL_COLUMNS} FROM thumbnails",
        encoding.read_thumbnail,
    )
    yield from _damaged(
        database,
        f"SELECT {encoding.JOURNAL_COLUMNS} FROM journal",
        encoding.read_journal,
    )
    yield from _damaged(
        database,
        f"SELECT {encoding.REQUEST_COLUMNS} FROM requests",
        encoding.read_request,
    )
    with database.reading() as connection:
        fits = connection.execute(f"SELECT {encoding.FIT_COLUMNS} FROM fits")
        yield from _unreadable(fits, encoding.check_fit)
    with database.reading() as connection:
        ratings = connection.execute(f"SELECT {encoding.RATING_COLUMNS} FROM ratings")
        yield from _unreadable(ratings, encoding.read_rating)
        rated = connection.execute(f"SELECT {encoding.RATED_COLUMNS} FROM rated")
        yield from _unreadable(rated, encoding.read_rated)
    with database.reading() as connection:
        for told, statement in _CONSISTENT.items():
            (count,) = connection.execute(statement).fetchone()
            if count:
                yield f"{count} {told}."


_CONSISTENT = {
    "objects have no vector": (
        "SELECT count(*) FROM objects WHERE row NOT IN (SELECT row FROM vectors)"
    ),
    "vectors have no object": (
        "SELECT count(*) FROM vectors WHERE row NOT IN (SELECT row FROM objects)"
    ),
    "ratings have no object": (
        "SELECT count(*) FROM ratings WHERE row NOT IN (SELECT row FROM objects)"
    ),
    "objects more or less are counted than there are": (
        "SELECT abs(num_objects - (SELECT count(*) FROM objects)) FROM collection"
    ),
    "objects lie beyond the last row that was given": (
        "SELECT count(*) FROM objects, collection WHERE row > last_row"
    ),
}


def _damaged(
    database: Database, statement: str, read: Callable[[tuple[Any, ...]], object]
) -> Iterator[str]:
    after = -(2**63)
    while True:
        with database.reading() as connection:
            found = _chunk(connection, statement, after)
        if not found:
            return
        yield from _unreadable(found, read)
        if found[-1][0] <= after:
            raise encoding.damaged(f"the order of rows near {after}")
        after = found[-1][0]


def _unreadable(
    found: Iterable[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], object]
) -> Iterator[str]:
    for values in found:
        try:
            read(values)
        except DamagedData as error:
            yield str(error)


def _chunk(
    connection: sqlite3.Connection, statement: str, after: int
) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"{statement} WHERE row > ? ORDER BY row LIMIT {_CHUNK}", (after,)
    ).fetchall()
