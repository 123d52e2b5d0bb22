"""Where fitted clusters and anomaly scores are kept, with all their versions."""

import zlib
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database, next_version


class Fits:
    """The fits of one collection: named arrays by kind and version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, fits: Mapping[str, Mapping[str, NDArray[Any]]]) -> tuple[int, int]:
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
            connection.executemany(
                "INSERT INTO fits VALUES (?, ?, ?, ?)",
                (
                    (fit_version, kind, blob, zlib.crc32(blob))
                    for kind, blob in blobs.items()
                ),
            )
            version = next_version(connection)
        return version, fit_version

    def latest(self, kind: str) -> tuple[int, dict[str, NDArray[Any]]] | None:
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
