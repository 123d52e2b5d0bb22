"""`Ratings`: what people think of the objects of one collection."""

import json
import math
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database, next_version, state
from skylike.service.catalog.requests import Requests, remember
from skylike.service.catalog.statements import (
    AMONG,
    as_json,
    changed_ratings,
    rows_of,
)
from skylike.service.catalog.writing import Writing
from skylike.service.errors import BadRequest

MAX_SCORE = 5.0
_MAX_WHO, _MAX_NOTE = 200, 1000  # characters


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody thinks of an object. One that breaks a rule cannot be made.

    Attributes
    ----------
    score
        How interesting it is, 0 to 5.
    is_artefact
        Whether it is nothing on the sky.
    note
        At most 1,000 characters.

    Raises
    ------
    BadRequest
        ``bad_rating``.
    """

    score: float
    is_artefact: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.score) and 0 <= self.score <= MAX_SCORE):
            raise _bad(f"the score is {self.score}; it is from 0 to {MAX_SCORE:.0f}")
        if len(self.note) > _MAX_NOTE:
            raise _bad(
                f"the note has {len(self.note)} characters; {_MAX_NOTE} are allowed"
            )

    @property
    def interest(self) -> float:
        """How interesting it counts: an artefact not at all."""
        return 0.0 if self.is_artefact else self.score


class Rating(NamedTuple):
    """An opinion, of what, whose and since when.

    Attributes
    ----------
    row, id
        The object.
    who
        Who says so.
    opinion
        What is thought of it.
    time
        When it was written, seconds since 1970 UTC.
    key
        The name of the key that it was written with; empty where none was asked for.
    """

    row: int
    id: str
    who: str
    opinion: Opinion
    time: float
    key: str = ""


class AllRatings(NamedTuple):
    """Ratings by row, then by who, and the version in which any was changed last."""

    version: int
    ratings: tuple[Rating, ...]


class Ratings:
    """The ratings of a catalog. Safe from any thread."""

    def __init__(self, database: Database, requests: Requests) -> None:
        self._database = database
        self._requests = requests

    def write(
        self,
        who: str,
        opinions: Mapping[str, Opinion | None],
        how: Writing,
        key: str = "",
    ) -> tuple[int, set[str]]:
        """Keep somebody's opinions by id, None to forget one, all or none.

        What is thought already stays as it is, with when and by which key it was written.

        Returns
        -------
        version
            Of the collection: the old one if there was nothing to change.
        there
            Those of the ids that exist.

        Raises
        ------
        AlreadyDone, BadRequest
            As `Requests.writing`, and ``bad_rating`` for a name nobody can have.
        """
        if not (who.strip() and len(who) <= _MAX_WHO and who.isprintable()):
            raise _bad(
                f"who rates is {who[:_MAX_WHO]!r}: give a name of 1 to {_MAX_WHO} "
                "printable characters"
            )
        with self._requests.writing(how) as connection:
            there = rows_of(connection, opinions)
            mine = _read(
                connection,
                f"WHERE who = ? AND ratings.row {AMONG}",
                (who, as_json(there.values())),
            )
            old = {one.row: one.opinion for one in mine}
            changed = [
                (row, opinions[id])
                for id, row in sorted(there.items())
                if old.get(row) != opinions[id]
            ]
            version = state(connection).version
            if changed:
                version = next_version(connection)
                changed_ratings(connection, version)
                now = time.time()
                for row, opinion in changed:
                    _put(connection, row, who, opinion, now, key)
            remember(connection, how, version, len(there))
        return version, set(there)

    def version(self) -> int:
        """In which version of the collection a rating was changed last; 0: never."""
        with self._database.reading() as connection:
            return _version(connection)

    def all(self) -> AllRatings:
        """All there are.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        return self.some("", None, -1)

    def some(self, who: str, after: tuple[int, str] | None, limit: int) -> AllRatings:
        """The first of somebody's, or of all, behind a row and who rated it.

        Parameters
        ----------
        who
            Empty for all.
        after
            The last of those before; None for the first.
        limit
            At most so many; -1 for all.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        row, last = after or (0, "")
        with self._database.reading() as connection:
            connection.execute("BEGIN")  # version and ratings of one state
            try:
                found = _read(
                    connection,
                    "WHERE (ratings.row, who) > (?, ?) AND (? = '' OR who = ?) "
                    "ORDER BY ratings.row, who LIMIT ?",
                    (row, last, who, who, limit),
                )
                return AllRatings(_version(connection), tuple(found))
            finally:
                connection.rollback()

    def rows(self) -> NDArray[np.int64]:
        """The rows that somebody has rated, ascending."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT DISTINCT row FROM ratings ORDER BY row")
            return np.array([row for (row,) in found], np.int64)

    def take_over(self, others: Sequence[Rating]) -> None:
        """Have just these ratings of another catalog, of those ids that are here."""
        with self._database.writing() as connection:
            rows = rows_of(connection, {one.id for one in others})
            wanted = {(rows[one.id], one.who): one for one in others if one.id in rows}
            here = {(one.row, one.who): one for one in _read(connection, "", ())}
            if {key: one[3:] for key, one in wanted.items()} == {
                key: one[3:] for key, one in here.items()
            }:
                return
            changed_ratings(connection, next_version(connection))
            connection.execute("DELETE FROM ratings")
            for (row, who), one in wanted.items():
                _put(connection, row, who, one.opinion, one.time, one.key)


def _put(
    connection: sqlite3.Connection,
    row: int,
    who: str,
    opinion: Opinion | None,
    time: float,
    key: str,
) -> None:
    if opinion is None:
        connection.execute("DELETE FROM ratings WHERE row = ? AND who = ?", (row, who))
        return
    body = json.dumps([opinion.score, opinion.is_artefact, opinion.note, time, key])
    connection.execute(
        "REPLACE INTO ratings VALUES (?, ?, ?, ?)",
        encoding.rating_row(row, who, body),
    )


def _version(connection: Any) -> int:
    values = connection.execute(f"SELECT {encoding.RATED_COLUMNS} FROM rated")
    return encoding.read_rated(values.fetchone())


def _read(connection: Any, which: str, values: Sequence[Any]) -> Iterator[Rating]:
    for *found, id in connection.execute(
        "SELECT ratings.row, who, ratings.body, ratings.crc, objects.id FROM ratings "
        f"JOIN objects ON objects.row = ratings.row {which}",
        values,
    ):
        row, who, body = encoding.read_rating(tuple(found))
        # Those that an older skylike wrote name no key.
        score, is_artefact, note, time, *key = json.loads(body)
        yield Rating(row, id, who, Opinion(score, is_artefact, note), time, *key)


def _bad(what: str) -> BadRequest:
    return BadRequest(what, reason="bad_rating")
