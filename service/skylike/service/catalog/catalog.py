"""`Catalog`: objects, vectors and fits of one collection, in its SQLite file."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database
from skylike.service.catalog.sky_object import SkyObject
from skylike.service.errors import AlreadyExists

_CHUNK = 4096  # rows read at a time


class Catalog:
    """The truth of one collection.

    Objects are found by id or by row: a number given once, growing with every
    object added. Safe from any thread.

    Attributes
    ----------
    model_id
        The model all vectors are made by: sha256 of its file.
    dimension
        Length of every vector.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        with self._database.reading() as connection:
            self.model_id: str
            self.dimension: int
            self.model_id, self.dimension = connection.execute(
                "SELECT model_id, dimension FROM collection"
            ).fetchone()

    @staticmethod
    def create(path: Path, model_id: str, dimension: int) -> None:
        """Write a new, empty catalog to `path`, which must not exist."""
        Database.create(path, model_id, dimension)

    def state(self) -> tuple[int, int, int]:
        """The version, the number of objects and the highest row (0: none)."""
        with self._database.reading() as connection:
            version, num_objects, last_row = connection.execute(
                "SELECT version, (SELECT count(*) FROM objects), "
                "(SELECT coalesce(max(row), 0) FROM objects) FROM collection"
            ).fetchone()
        return version, num_objects, last_row

    def add(
        self, objects: Sequence[SkyObject], vectors: NDArray[np.float32]
    ) -> tuple[int, NDArray[np.int64]]:
        """Store objects with their vectors, all or none.

        Returns
        -------
        version
            The new version.
        rows : (n,) int64
            The rows they were given, ascending.

        Raises
        ------
        AlreadyExists
            If one of the ids is taken.
        """
        with self._database.writing() as connection:
            taken = _rows(connection, [sky_object.id for sky_object in objects])
            if taken:
                raise AlreadyExists(
                    f"{len(taken)} of {len(objects)} ids are taken, "
                    f"such as {min(taken)!r}. Nothing was added."
                )
            (last,) = connection.execute(
                "SELECT coalesce(max(row), 0) FROM objects"
            ).fetchone()
            numbered = list(enumerate(objects, last + 1))
            _insert(
                connection,
                "objects",
                12,
                (encoding.object_row(row, sky_object) for row, sky_object in numbered),
            )
            _insert(
                connection,
                "vectors",
                4,
                (
                    encoding.vector_row(row, sky_object.is_searchable, vector)
                    for (row, sky_object), vector in zip(numbered, vectors, strict=True)
                ),
            )
            _insert(
                connection,
                "thumbnails",
                3,
                (
                    encoding.thumbnail_row(row, sky_object.thumbnail)
                    for row, sky_object in numbered
                    if sky_object.thumbnail
                ),
            )
            version = _next_version(connection)
        return version, np.arange(last + 1, last + 1 + len(objects), dtype=np.int64)

    def rows(self, ids: Iterable[str]) -> dict[str, int]:
        """The rows of those ids that exist."""
        with self._database.reading() as connection:
            return _rows(connection, ids)

    def uris(self, uris: Iterable[str]) -> set[str]:
        """Those of `uris` that an object was made from."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT uri FROM objects WHERE uri IN (SELECT value FROM json_each(?))",
                (json.dumps(list(uris)),),
            )
            return {uri for (uri,) in found}

    def objects(
        self, rows: Iterable[int], thumbnails: bool = False
    ) -> dict[int, SkyObject]:
        """The objects in those rows that exist, by row.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        wanted = json.dumps([int(row) for row in rows])
        pictures: dict[int, bytes] = {}
        with self._database.reading() as connection:
            if thumbnails:
                pictures = {
                    values[0]: encoding.read_thumbnail(values)
                    for values in connection.execute(
                        f"SELECT {encoding.THUMBNAIL_COLUMNS} FROM thumbnails "
                        "WHERE row IN (SELECT value FROM json_each(?))",
                        (wanted,),
                    )
                }
            return {
                values[0]: encoding.read_object(values, pictures.get(values[0], b""))
                for values in connection.execute(
                    f"SELECT {encoding.OBJECT_COLUMNS} FROM objects "
                    "WHERE row IN (SELECT value FROM json_each(?))",
                    (wanted,),
                )
            }

    def first_by_id(self, rows: Iterable[int], limit: int) -> list[int]:
        """Those rows whose ids come first, at most `limit`, ordered by id."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT row FROM objects WHERE row IN (SELECT value FROM json_each(?)) "
                "ORDER BY id LIMIT ?",
                (json.dumps([int(row) for row in rows]), limit),
            )
            return [row for (row,) in found]

    def ids(self, rows: NDArray[np.int64]) -> list[str]:
        """The ids in those rows, in their order."""
        with self._database.reading() as connection:
            found = dict(
                connection.execute(
                    "SELECT row, id FROM objects "
                    "WHERE row IN (SELECT value FROM json_each(?))",
                    (json.dumps(rows.tolist()),),
                )
            )
        return [found[row] for row in rows.tolist()]

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

    def searchable(
        self, after_row: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Rows and vectors of the searchable objects beyond a row, in chunks.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        while True:
            with self._database.reading() as connection:
                values = connection.execute(
                    f"SELECT {encoding.VECTOR_COLUMNS} FROM vectors "
                    "WHERE row > ? ORDER BY row LIMIT ?",
                    (after_row, _CHUNK),
                ).fetchall()
            if not values:
                return
            rows, searchable, vectors = encoding.read_vectors(values, self.dimension)
            yield rows[searchable], vectors[searchable]
            after_row = int(rows[-1])

    def save_fits(
        self, fits: Mapping[str, Mapping[str, NDArray[Any]]]
    ) -> tuple[int, int]:
        """Store the arrays of one or more kinds of fit together.

        Returns
        -------
        version
            The new version of the collection.
        fit_version
            Their common fit version: one above the last, from 1.
        """
        blobs = {kind: encoding.pack_arrays(arrays) for kind, arrays in fits.items()}
        with self._database.writing() as connection:
            (fit_version,) = connection.execute(
                "SELECT coalesce(max(version), 0) + 1 FROM fits"
            ).fetchone()
            _insert(
                connection,
                "fits",
                4,
                (
                    (fit_version, kind, blob, zlib.crc32(blob))
                    for kind, blob in blobs.items()
                ),
            )
            version = _next_version(connection)
        return version, fit_version

    def latest_fit(self, kind: str) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """The newest fit of a kind with its fit version, None before the first.

        Raises
        ------
        DamagedData
            If it is not as it was written.
        """
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT version, arrays, crc FROM fits WHERE kind = ? "
                "ORDER BY version DESC LIMIT 1",
                (kind,),
            ).fetchone()
        if found is None:
            return None
        fit_version, blob, crc = found
        if zlib.crc32(blob) != crc:
            raise encoding.damaged(f"fit {fit_version} of the {kind}")
        return fit_version, encoding.unpack_arrays(blob)

    def check_open(self) -> None:
        """Raise `NotReady` (``closed``) if it is closed."""
        self._database.check_open()

    def close(self) -> None:
        """Close the file. Whatever was acknowledged is in it already."""
        self._database.close()


def _rows(connection: Any, ids: Iterable[str]) -> dict[str, int]:
    return dict(
        connection.execute(
            "SELECT id, row FROM objects WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
    )


def _insert(
    connection: Any, table: str, num_columns: int, rows: Iterable[tuple[Any, ...]]
) -> None:
    marks = ", ".join("?" * num_columns)
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _next_version(connection: Any) -> int:
    (version,) = connection.execute(
        "UPDATE collection SET version = version + 1 RETURNING version"
    ).fetchone()
    return int(version)
