"""Tables of objects, in whatever astronomers keep them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from numpy.typing import NDArray

from skylike.service.errors import BadInput
from skylike.service.fits.header import printable
from skylike.service.fits.warned import recorded


class Columns(dict[str, NDArray[Any]]):
    """Columns by name.

    Attributes
    ----------
    angles
        Names of the columns whose unit says that they are angles; they hold degrees.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.angles: set[str] = set()


def read_table(path: Path) -> Columns:
    """Read a table of numbers and text.

    Parameters
    ----------
    path
        Parquet, Feather, FITS, VOTable, ECSV, CSV or any other text that astropy
        knows; told by its first bytes, then by its name.

    Returns
    -------
    Columns
        Those of one dimension in their order, all equally long; others are left
        out. Missing floats are NaN, missing text is empty; a column of integers of
        which some are missing is text. Angles are in degrees, other quantities plain
        numbers in the unit of their column.

    Raises
    ------
    BadInput
        ``bad_table`` if it cannot be read or has no rows.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(6)
        with recorded():
            columns = _arrow(path, magic) or _astropy(path)
    except Exception as error:  # a dozen formats raise a dozen families of errors
        words = printable(f"{type(error).__name__}: {error}")
        raise BadInput(
            f"{path}: this table cannot be read ({words}); Parquet, FITS, VOTable, ECSV "
            "and CSV are known",
            reason="bad_table",
        ) from error
    if not columns or not len(next(iter(columns.values()))):
        raise BadInput(f"{path}: the table has no rows", reason="bad_table")
    return columns


def _arrow(path: Path, magic: bytes) -> Columns | None:
    if magic.startswith(b"PAR1"):
        table = pq.read_table(path)
    elif magic == b"ARROW1":
        table = feather.read_table(path)
    else:
        return None
    columns = Columns()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if _is_plain(column.type):
            if column.null_count and pa.types.is_integer(column.type):
                column = column.cast(pa.string())  # as float64 they would lose digits
            if column.null_count and not pa.types.is_floating(column.type):
                column = column.cast(pa.string()).fill_null("")
            columns[name] = column.to_numpy()
    return columns


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
    )


def _astropy(path: Path) -> Columns:
    from astropy.table import Table  # noqa: PLC0415 -- slow, and seldom needed
    from astropy.units import Quantity  # noqa: PLC0415

    try:
        table = Table.read(path)
    except Exception:  # no format by its name: whatever text can be taken for
        table = Table.read(path, format="ascii")
    columns = Columns()
    for name, column in _flat(table):
        unit = getattr(column, "unit", None)
        if unit is not None and unit.is_equivalent("deg"):
            column = Quantity(column).to("deg")  # radians and hours as well
            columns.angles.add(name)
        values = np.ma.asarray(getattr(column, "value", column))
        if values.ndim != 1 or values.dtype.kind not in "biufSU":
            continue
        columns[name] = _filled(values)
    return columns


def _flat(table: Any) -> Iterator[tuple[str, Any]]:
    """The columns, where one of sky coordinates is two: ``name.ra`` and ``name.dec``.

    The only positions of a table are plainly ra and dec.
    """
    skies = [name for name in table.colnames if hasattr(table[name], "icrs")]
    is_plain = len(skies) == 1 and not {"ra", "dec"} & set(table.colnames)
    for name in table.colnames:
        column = table[name]
        if name in skies:
            prefix = "" if is_plain else f"{name}."
            yield f"{prefix}ra", column.icrs.ra
            yield f"{prefix}dec", column.icrs.dec
        else:
            yield name, column


def _filled(values: Any) -> NDArray[Any]:
    if values.dtype.kind == "S":
        values = np.ma.asarray(np.char.decode(values.filled(b""), "latin-1"))
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    if values.dtype.kind in "biu":  # as float64 large ids would lose digits
        values = np.ma.array(values.data.astype(str), mask=values.mask)
    if values.dtype.kind == "U":
        return np.asarray(values.filled(""))
    return np.asarray(values.astype(np.float64).filled(np.nan))
