"""Kinds and quantities of objects, from tables; only the judge reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from skylike.service.errors import BadSettings
from skylike.service.fits import stem

_PICTURES = {".jpg", ".jpeg", ".png"}
_NAMES = ("path", "file", "id")


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is known of objects, by the stem of their file.

    Attributes
    ----------
    kinds
        The kind of each.
    quantities
        Name to values by stem; what is unknown is left out.
    """

    kinds: Mapping[str, str]
    quantities: Mapping[str, Mapping[str, float]]

    def columns(self, stems: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """The quantities of some objects, (n,) each, NaN where unknown."""
        return {
            name: np.array([values.get(stem, np.nan) for stem in stems])
            for name, values in self.quantities.items()
        }


def read(
    paths: Sequence[Path], column: str, undetermined: float | None = None
) -> Labels:
    """Read tables, the later ones going first where two know the same object.

    Parameters
    ----------
    paths
        Parquet or CSV tables with a column ``path``, ``file`` or ``id``.
    column
        The column that holds the kinds.
    undetermined
        A number that stands for "unknown" in the other columns.

    Raises
    ------
    BadSettings
        If a table cannot be read or lacks a column, or names an object twice with
        different kinds.
    """
    kinds: dict[str, str] = {}
    quantities: dict[str, dict[str, float]] = {}
    for path in paths:
        table = _table(path)
        stems = _stems(path, table, column)
        kinds |= _kinds(path, stems, table[column])
        for name in table.column_names:
            kind = table.schema.field(name).type
            if name == column or not (
                pa.types.is_integer(kind) or pa.types.is_floating(kind)
            ):
                continue
            values = zip(stems, table[name].to_pylist(), strict=True)
            quantities.setdefault(name, {}).update(
                (key, float(value))
                for key, value in values
                if value is not None and value != undetermined
            )
    return Labels(kinds, quantities)


def _table(path: Path) -> pa.Table:
    try:
        parquet = path.suffix == ".parquet"
        return pq.read_table(path) if parquet else pyarrow.csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadSettings(f"{path}: no table of labels: {error}") from error


def _stems(path: Path, table: pa.Table, column: str) -> list[str]:
    names = [name for name in _NAMES if name in table.column_names]
    if not names or column not in table.column_names:
        raise BadSettings(
            f"{path}: needs a column path, file or id, and {column!r}; it has "
            f"{', '.join(table.column_names)}"
        )
    return [file_stem(str(name)) for name in table[names[0]].to_pylist()]


def _kinds(path: Path, stems: Sequence[str], column: pa.ChunkedArray) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, label in zip(stems, pc.cast(column, "string").to_pylist(), strict=True):
        if label is not None and found.setdefault(name, label) != label:
            raise BadSettings(
                f"{path}: {name!r} is labelled {label!r} and otherwise; "
                "files are told apart by their names, without folders"
            )
    return found


def file_stem(name: str) -> str:
    """``folder/x.fits.gz`` is ``x``, and so is the picture ``x.jpg``."""
    path = Path(name)
    return path.stem if path.suffix.lower() in _PICTURES else stem(path.name)
