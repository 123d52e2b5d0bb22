"""`Catalog`: objects and vectors of one collection, in its SQLite file."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database, State, next_version, state
from skylike.service.catalog.fits import Fits
from skylike.service.catalog.glance import Glance
from skylike.service.catalog.ratings import Ratings
from skylike.service.catalog.requests import Requests, remember
from skylike.service.catalog.scrub import Flaw, check, scrub
from skylike.service.catalog.sky_object import SkyObject
from skylike.service.catalog.statements import (
    AMONG,
    Rows,
    as_json,
    ascending,
    forget,
    insert,
    note,
    objects_in,
    rows_of,
)
from skylike.service.catalog.writing import DURABLE, Writing
from skylike.service.errors import AlreadyExists

_CHUNK = 4096  # rows read at a time


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What a write did.

    Attributes
    ----------
    version
        The new version of the collection; the old one if there was nothing to write.
    rows : (n,) int64
        The rows that objects were given, or have, in the order of the objects.
    gone : (m,) int64
        The rows that hold nothing any more, ascending.
    """

    version: int
    rows: Rows
    gone: Rows


class Catalog:
    """The truth of one collection.

    Objects are found by id or by row: a number given once and never again, growing
    with every object that is written. An object that is replaced gets a new row; one
    whose attributes or labels change keeps it. Safe from any thread.

    Attributes
    ----------
    model_id
        The model all vectors are made by: sha256 of its file.
    dimension
        Length of every vector.
    fits
        Where clusters and anomaly scores are kept.
    requests
        Which writes were done that callers have named.
    ratings
        What people think of objects.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self.requests = Requests(self._database)
        self.fits = Fits(self._database, self.requests)
        self.ratings = Ratings(self._database, self.requests)
        self._glance = Glance(self._database)
        found = self.state()
        self.model_id = found.model_id
        self.dimension = found.dimension

    @staticmethod
    def create(path: Path, model_id: str, dimension: int) -> None:
        """Write a new, empty catalog to `path`, which must not exist."""
        Database.create(path, model_id, dimension)

    def state(self) -> State:
        """Version, number of objects and highest row given, at one moment."""
        with self._database.reading() as connection:
            return state(connection)

    def add(
        self,
        objects: Sequence[SkyObject],
        vectors: NDArray[np.float32],
        *,
        replace: bool = False,
        how: Writing = DURABLE,
    ) -> Written:
        """Store objects with their vectors, all or none.

        Parameters
        ----------
        objects
            With ids that differ.
        vectors : (n, dimension) float32
        replace
            Whether objects of ids that are taken are replaced.
        how
            What is promised, here and below.

        Raises
        ------
        AlreadyExists
            If one of the ids is taken, unless they are replaced.
        AlreadyDone, BadRequest
            If a write of that name was done, or another of its name, here and below.
        """
        with self.requests.writing(how) as connection:
            taken = rows_of(connection, [sky_object.id for sky_object in objects])
            if taken and not replace:
                raise AlreadyExists(
                    f"{len(taken)} of {len(objects)} ids are taken, "
                    f"such as {min(taken)!r}. Nothing was added."
                )
            last = state(connection).last_row
            numbered = list(enumerate(objects, last + 1))
            gone = ascending(taken.values())
            version = next_version(
                connection, more=len(objects) - len(gone), last_row=last + len(objects)
            )
            forget(connection, gone, version)
            insert(
                connection,
                "objects",
                (encoding.object_row(row, sky_object) for row, sky_object in numbered),
            )
            insert(
                connection,
                "vectors",
                (
                    encoding.vector_row(row, sky_object.is_searchable, vector)
                    for (row, sky_object), vector in zip(numbered, vectors, strict=True)
                ),
            )
            insert(
                connection,
                "thumbnails",
                (
                    encoding.thumbnail_row(row, sky_object.thumbnail)
                    for row, sky_object in numbered
                    if sky_object.thumbnail
                ),
            )
            remember(connection, how, version, len(objects))
        rows = np.arange(last + 1, last + 1 + len(objects), dtype=np.int64)
        return Written(version, rows, gone)

    def delete(self, ids: Iterable[str], how: Writing = DURABLE) -> Written:
        """Take out those of some objects that exist, with all that is theirs."""
        with self.requests.writing(how) as connection:
            gone = ascending(rows_of(connection, ids).values())
            version = state(connection).version
            if len(gone):
                version = next_version(connection, more=-len(gone))
                forget(connection, gone, version)
            remember(connection, how, version, len(gone))
        return Written(version, np.empty(0, np.int64), gone)

    def revise(
        self,
        ids: Sequence[str],
        edit: Callable[[SkyObject], SkyObject],
        how: Writing = DURABLE,
    ) -> tuple[Written, list[SkyObject]]:
        """Change what is told of those of some objects that exist, all or none.

        Parameters
        ----------
        ids
            Of the objects.
        edit
            Gives the object as it shall be, of the same id, flags and thumbnail.
        how
            What is promised.

        Returns
        -------
        written
            With the rows of those that exist.
        objects
            As they are now, without thumbnails.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        with self.requests.writing(how) as connection:
            found = objects_in(connection, rows_of(connection, ids).values())
            rows = ascending(found)
            revised = [edit(found[row]) for row in rows.tolist()]
            version = state(connection).version
            old = [encoding.object_row(row, found[row]) for row in rows.tolist()]
            new = list(map(encoding.object_row, rows.tolist(), revised))
            if new != old:
                version = next_version(connection)
                insert(connection, "objects", new, replace=True)
                note(connection, rows, version, is_gone=False)
            remember(connection, how, version, len(rows))
        return Written(version, rows, np.empty(0, np.int64)), revised

    def journal(self) -> tuple[Rows, Rows]:
        """Rows that are gone, and rows revised, since segments were made of them.

        Raises
        ------
        DamagedData
            If an entry is not as it was written.
        """
        with self._database.reading() as connection:
            entries = [
                encoding.read_journal(values)
                for values in connection.execute(
                    f"SELECT {encoding.JOURNAL_COLUMNS} FROM journal ORDER BY row"
                )
            ]
        rows = np.array([row for row, _, _ in entries], np.int64)
        is_gone = np.array([gone for _, _, gone in entries], np.bool_)
        return rows[is_gone], rows[~is_gone]

    def clear_journal(self, rows: Iterable[int], version: int) -> None:
        """Forget what segments know by now: entries of `rows` up to a version."""
        with self._database.writing() as connection:
            connection.execute(
                f"DELETE FROM journal WHERE version <= ? AND row {AMONG}",
                (version, as_json(rows)),
            )

    def rows(self, ids: Iterable[str]) -> dict[str, int]:
        """The rows of those ids that exist."""
        with self._database.reading() as connection:
            return rows_of(connection, ids)

    def rows_from(self, uris: Iterable[str]) -> list[int]:
        """The rows of objects that were made from one of `uris`."""
        with self._database.reading() as connection:
            found = connection.execute(
                f"SELECT row FROM objects WHERE uri {AMONG}", (json.dumps(list(uris)),)
            )
            return [row for (row,) in found]

    def objects(
        self, rows: Iterable[int], thumbnails: bool = False
    ) -> dict[int, SkyObject]:
        """The objects in those rows that exist, by row.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        with self._database.reading() as connection:
            return objects_in(connection, rows, thumbnails=thumbnails)

    def vector(self, row: int) -> NDArray[np.float32]:
        """The vector in a row, (dimension,) float32.

        Raises
        ------
        DamagedData
            If it is missing or not as it was written.
        """
        with self._database.reading() as connection:
            values = connection.execute(
                f"SELECT {encoding.VECTOR_COLUMNS} FROM vectors WHERE row = ?", (row,)
            ).fetchall()
        if not values:
            raise encoding.damaged(f"the vector in row {row}")
        _, _, vectors = encoding.read_vectors(values, self.dimension)
        vector: NDArray[np.float32] = vectors[0]
        return vector

    def vectors(self, rows: Rows) -> NDArray[np.float32]:
        """The vectors in some rows, in their order: (n, dimension) float32.

        Raises
        ------
        DamagedData
            If one of them is missing or not as it was written.
        """
        known, found = self.vectors_there(rows)
        place = np.searchsorted(known, rows)
        if len(known) < len(np.unique(rows)):
            raise encoding.damaged(f"the vector in row {np.setdiff1d(rows, known)[0]}")
        return found[place]

    def vectors_there(self, rows: Rows) -> tuple[Rows, NDArray[np.float32]]:
        """Those of some rows that there are, ascending, and their vectors.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        wanted = np.unique(rows)
        known = [np.empty(0, np.int64)]
        found = [np.empty((0, self.dimension), np.float32)]
        for start in range(0, len(wanted), _CHUNK):
            with self._database.reading() as connection:
                values = connection.execute(
                    f"SELECT {encoding.VECTOR_COLUMNS} FROM vectors "
                    f"WHERE row {AMONG} ORDER BY row",
                    (as_json(wanted[start : start + _CHUNK]),),
                ).fetchall()
            some, _, vectors = encoding.read_vectors(values, self.dimension)
            known.append(some)
            found.append(vectors)
        return np.concatenate(known), np.concatenate(found)

    def contents(
        self, after_row: int, last_row: int
    ) -> Iterator[tuple[Rows, list[SkyObject], NDArray[np.float32]]]:
        """Rows beyond one, up to another, with objects and vectors, in chunks.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        while True:
            with self._database.reading() as connection:
                known = connection.execute(
                    f"SELECT {encoding.OBJECT_COLUMNS} FROM objects "
                    "WHERE row > ? AND row <= ? ORDER BY row LIMIT ?",
                    (after_row, last_row, _CHUNK),
                ).fetchall()
                if not known:
                    return
                stored = connection.execute(
                    f"SELECT {encoding.VECTOR_COLUMNS} FROM vectors "
                    "WHERE row > ? AND row <= ? ORDER BY row",
                    (after_row, known[-1][0]),
                ).fetchall()
            rows, _, vectors = encoding.read_vectors(stored, self.dimension)
            if rows.tolist() != [values[0] for values in known]:
                raise encoding.damaged(f"a vector near row {known[0][0]}")
            if rows[0] <= after_row or (np.diff(rows) <= 0).any():
                raise encoding.damaged(f"the order of rows near {known[0][0]}")
            yield rows, [encoding.read_object(values, b"") for values in known], vectors
            after_row = int(rows[-1])

    def scrub(self) -> Iterator[Flaw]:
        """Read every row, and tell everything that is wrong."""
        return scrub(self._database)

    def glance(self) -> None:
        """Read a little of the file anew; `DamagedData` or `StorageFailed` if bad."""
        self._glance.look()

    def settle(self) -> None:
        """See to it that every write so far survives the loss of power."""
        self._database.settle()

    def mend_indexes(self) -> None:
        """Make SQLite's indexes anew from their tables, if one of them is wrong."""
        if any(flaw.is_derived for flaw in check(self._database)):
            with self._database.writing() as connection:
                connection.execute("REINDEX")

    def copy(self, path: Path) -> State:
        """Copy the catalog as it is at one moment to a new file; its state then."""
        self._database.copy(path)
        copied = Database(path)
        try:
            with copied.reading() as connection:
                return state(connection)
        finally:
            copied.close()

    def check_open(self) -> None:
        """Raise `Closed` if it is closed."""
        self._database.check_open()

    def close(self) -> None:
        """Close the file. Whatever was acknowledged is in it already."""
        self._glance.close()
        self._database.close()
