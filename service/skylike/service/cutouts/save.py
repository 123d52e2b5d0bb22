"""Cutouts as files: a FITS file for each, and a table of all."""

import re
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skylike.service.cutouts.cut import Cutout
from skylike.service.errors import BadSettings
from skylike.service.fits import to_fits

TABLE = "cutouts.parquet"
_PART = f"{TABLE}.part"
_UNSAFE = re.compile(r"[^A-Za-z0-9.+_-]+")


class Folder:
    """A folder that cutouts are written to; its table when it is left.

    Parameters
    ----------
    path
        Made if it does not exist. Files of the same name are replaced, and the table of
        an earlier run.

    Raises
    ------
    BadSettings
        ``bad_folder`` if nothing can be written there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[dict[str, object]] = []
        self._taken: set[str] = set()
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / _PART).touch()
            (path / TABLE).unlink(missing_ok=True)
        except OSError as error:
            raise BadSettings(
                f"nothing can be written to {path}: {error.strerror}",
                reason="bad_folder",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write the table: one row for each file, also where the run was broken off."""
        names = dict.fromkeys(name for row in self._rows for name in row)
        columns = {
            name: _column([row.get(name) for row in self._rows]) for name in names
        }
        pq.write_table(pa.table(columns), self.path / _PART)
        (self.path / _PART).replace(self.path / TABLE)

    def add(self, name: str, source: str, cutout: Cutout) -> Path:
        """Write one cutout.

        Parameters
        ----------
        name
            What to call the file, without suffix; what no file system likes becomes an
            underscore, and a number is added where the name is taken.
        source
            Where the frame is.
        cutout
            What to write.

        Returns
        -------
        Path
            The file.
        """
        image = cutout.image
        path = self.path / f"{self._free(name)}.fits"
        box = image.box
        edges = ("", "", "", "") if box is None else (box.x0, box.y0, box.x1, box.y1)
        where = ",".join(map(str, edges))
        cards = {"ORIGFILE": source, "ORIGHDU": image.hdu, "ORIGBOX": where}
        path.write_bytes(to_fits(image, cards))
        position = cutout.position
        self._rows.append(
            {
                # What a catalogue calls alike must not hide where a file came from.
                **cutout.attributes,
                "file": path.name,
                "id": cutout.id,
                "source": source,
                "hdu": image.hdu,
                **dict(zip(("x0", "y0", "x1", "y1"), edges, strict=True)),
                "ra": position.ra_deg if position else None,
                "dec": position.dec_deg if position else None,
                "valid_fraction": float(np.isfinite(image.pixels).mean()),
            }
        )
        return path

    def _free(self, name: str) -> str:
        safe = _UNSAFE.sub("_", name).strip(".")[:120] or "cutout"
        free, number = safe, 1
        while free.lower() in self._taken:  # some file systems take a for A
            number += 1
            free = f"{safe}-{number}"
        self._taken.add(free.lower())
        return free


def _column(values: list[object]) -> pa.Array:
    """An array of one type; text where catalogues disagree about it."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])
