"""Where fitted clusters and anomaly scores are kept, with all their versions."""

from collections.abc import Collection, Mapping
from typing import Any

from numpy.typing import NDArray

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database, next_version


class Fits:
    """The fits of one collection: named arrays by kind and version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        fits: Mapping[str, Mapping[str, NDArray[Any]]],
        *,
        brief: Collection[str] = (),
    ) -> tuple[int, int]:
        """Store the arrays of one or more kinds of fit together.

        Parameters
        ----------
        fits
            Named arrays by kind.
        brief
            Kinds of which this version and the one before are kept, and no other.

        Returns
        -------
        version
            The new version of the collection.
        fit_version
            Their common fit version: one above the last, from 1.
        """
        with self._database.writing() as connection:
            (fit_version,) = connection.execute(
                "SELECT coalesce(max(version), 0) + 1 FROM fits"
            ).fetchone()
            connection.executemany(
                "INSERT INTO fits VALUES (?, ?, ?, ?)",
                [
                    encoding.fit_row(fit_version, kind, arrays)
                    for kind, arrays in fits.items()
                ],
            )
            connection.executemany(
                "DELETE FROM fits WHERE kind = ? AND version < ?",
                [(kind, fit_version - 1) for kind in brief],
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
                f"SELECT {encoding.FIT_COLUMNS} FROM fits WHERE kind = ? "
                "ORDER BY version DESC LIMIT 1",
                (kind,),
            ).fetchone()
        return None if found is None else encoding.read_fit(found)

    def of(self, kind: str, version: int) -> dict[str, NDArray[Any]] | None:
        """The fit of a kind and version, None if it is not kept; raises as `latest`."""
        with self._database.reading() as connection:
            found = connection.execute(
                f"SELECT {encoding.FIT_COLUMNS} FROM fits "
                "WHERE kind = ? AND version = ?",
                (kind, version),
            ).fetchone()
        return None if found is None else encoding.read_fit(found)[1]
