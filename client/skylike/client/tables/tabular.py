"""What every answer with rows can do: be a table, a data frame or a file."""

import os
from typing import Any

from skylike.client.tables import writing
from skylike.client.tables.table import Table


class Tabular:
    """Gives answers `to_table`, `to_pandas` and `write`."""

    __slots__ = ()

    def _table(self) -> Table:
        raise NotImplementedError

    def to_table(self) -> Any:
        """An `astropy.table.QTable`: quantities with units, absent values masked.

        Every column has its description, and its UCD in ``info.meta``; ``meta`` tells
        where the table comes from. Text that does not print is spelled out.

        Raises
        ------
        MissingPackage
            If astropy is not installed.
        """
        return writing.door("quantities").qtable(self._table())

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`; ``attrs`` tell units and where it comes from.

        Raises
        ------
        MissingPackage
            If pandas is not installed.
        """
        return writing.door("frames").frame(self._table())

    def send_to_topcat(self, name: str = "skylike") -> list[str]:
        """Send the table to TOPCAT, or whoever else on this machine loads one by SAMP.

        Parameters
        ----------
        name
            What it is called there.

        Returns
        -------
        list of str
            The names of the applications that have taken it.

        Raises
        ------
        MissingPackage
            If astropy or pyvo is not installed.
        BadInput
            ``no_hub`` if no SAMP hub runs, ``no_receiver`` if nobody takes tables.
        """
        taken: list[str] = writing.door("samp").send(self._table(), name)
        return taken

    def write(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write the table to a file, whole or not at all; one that is there is replaced.

        Parameters
        ----------
        path
            Its ending tells the format: ``.ecsv``, ``.vot`` (VOTable), ``.parquet``,
            ``.csv``, ``.reg`` (regions for DS9); of embeddings ``.npy`` too. ``samp:``
            sends it instead, as `send_to_topcat` does.
        format
            ``ecsv``, ``votable``, ``parquet``, ``csv``, ``ds9`` or ``npy``, whatever the
            ending.

        Raises
        ------
        MissingPackage
            If the package that writes the format is not installed.
        BadInput
            If the format is not known, the file cannot be written, or no region has a
            place on the sky.
        """
        writing.write(self._table(), path, format)
