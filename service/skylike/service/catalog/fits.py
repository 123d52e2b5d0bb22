"""Where fitted clusters and anomaly scores are kept, with all their versions."""

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from skylike.service.catalog import rows as encoding
from skylike.service.catalog.database import Database, next_version
from skylike.service.catalog.requests import Requests, remember
from skylike.service.catalog.writing import DURABLE, Writing


class Fits:
    """The fits of one collection: named arrays by kind and version."""

    def __init__(self, database: Database, requests: Requests) -> None:
        self._database = database
        self._requests = requests

    def save(
        self,
        fits: Mapping[str, Mapping[str, NDArray[Any]]],
        *,
        brief: Mapping[str, int] = MappingProxyType({}),
    ) -> tuple[int, int]:
        """Store the arrays of one or more kinds of fit together.

        Parameters
        ----------
        fits
            Named arrays by kind.
        brief
            Kinds of which only so many versions are kept, this one among them.

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
                    row
                    for kind, arrays in fits.items()
                    for row in encoding.fit_rows(fit_version, kind, arrays)
                ],
            )
            connection.executemany(
                f"DELETE FROM fits WHERE {_OF_KIND} AND version < ?",
                [
                    (*_of_kind(kind), fit_version - kept + 1)
                    for kind, kept in brief.items()
                ],
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
        newest = "(SELECT max(version) FROM fits WHERE kind = ?)"
        with self._database.reading() as connection:
            return _read(connection, kind, newest, kind)

    def of(self, kind: str, version: int) -> dict[str, NDArray[Any]] | None:
        """The fit of a kind and version, None if it is not kept; raises as `latest`."""
        if not 0 < version < 2**63:  # of which SQLite knows none
            return None
        with self._database.reading() as connection:
            found = _read(connection, kind, "?", version)
        return None if found is None else found[1]

    def versions(self, kind: str) -> list[int]:
        """The versions of a kind that are kept, ascending."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT version FROM fits WHERE kind = ? ORDER BY version", (kind,)
            ).fetchall()
        return [version for (version,) in found]

    def rewrite(
        self,
        kind: str,
        version: int,
        arrays: Mapping[str, NDArray[Any]],
        how: Writing = DURABLE,
    ) -> int:
        """Store other arrays in place of those of a fit; the collection's new version.

        Raises
        ------
        AlreadyDone
            If the write was done before, by its name.
        """
        with self._requests.writing(how) as connection:
            connection.execute(
                f"DELETE FROM fits WHERE {_OF_KIND} AND version = ?",
                (*_of_kind(kind), version),
            )
            connection.executemany(
                "INSERT INTO fits VALUES (?, ?, ?, ?)",
                encoding.fit_rows(version, kind, arrays),
            )
            changed = next_version(connection)
            remember(connection, how, changed, 1)
        return changed


# The rows of a fit that was cut: what begins with its kind and a slash.
_OF_KIND = "(kind = ? OR kind >= ? AND kind < ?)"


def _of_kind(kind: str) -> tuple[str, str, str]:
    return kind, f"{kind}/", f"{kind}0"


def _read(
    connection: sqlite3.Connection, kind: str, which: str, value: int | str
) -> tuple[int, dict[str, NDArray[Any]]] | None:
    rows = connection.execute(
        f"SELECT {encoding.FIT_COLUMNS} FROM fits WHERE {_OF_KIND} AND version = {which}",
        (*_of_kind(kind), value),
    ).fetchall()
    return (rows[0][0], encoding.read_fit(rows)) if rows else None
