"""Tables of objects, in whatever astronomers keep them."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from numpy.typing import NDArray

from skylike.service.errors import BadCutout, BadInput
from skylike.service.fits import selector
from skylike.service.fits.header import printable
from skylike.service.fits.opening import contents
from skylike.service.fits.structure import Kind
from skylike.service.fits.warned import recorded

# Where astropy keeps, in Parquet files, what Parquet does not know.
_ASTROPY = b"table_meta_yaml"
# Degrees in what catalogues call an angle and astropy does not.
_SPELLINGS = {
    **dict.fromkeys(("h", "hr", "hour", "hours", "hourangle"), 15.0),
    **dict.fromkeys(("degrees", "degs", "°"), 1.0),
    **dict.fromkeys(("radians", "radian"), math.degrees(1)),
    **dict.fromkeys(("arcminutes", "arcminute", "arcmins", "amin", "'"), 1 / 60),
    **dict.fromkeys(("arcseconds", "arcsecs", "asec", '"', "''"), 1 / 3600),
}


_SEXAGESIMAL = re.compile(
    r"([+-]?)(\d{1,3})(?::|h|d|°|\s)\s*(\d{1,2})(?::|m|'|\s)\s*(\d{1,2}(?:\.\d*)?)\s*[s\"]?"
)
# Why a file is none of FITS, of which the others stand for something broken.
_NOT_FITS = ("not_fits", "empty_file", "unsupported_container")


class Columns(dict[str, NDArray[Any]]):
    """Columns by name, as they stand in the file.

    Attributes
    ----------
    units
        What the file says a column is in, for those of which it says so.
    text_of
        What columns hold that are text here since some of their values are missing:
        ``int`` or ``bool``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.units: dict[str, str] = {}
        self.text_of: dict[str, type[int] | type[bool]] = {}

    def fill(self, name: str, values: Any) -> None:
        """Take in a column of which some values may be masked."""
        if np.ma.is_masked(values) and values.dtype.kind in "biu":
            self.text_of[name] = bool if values.dtype.kind == "b" else int
        self[name] = _filled(values)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as numbers, (n,) float64, NaN where one is missing.

        Raises
        ------
        BadInput
            ``bad_table`` if it holds text.
        """
        values = self[name]
        if values.dtype.kind in "OU":
            values = np.array(
                [value if str(value).strip() else "nan" for value in values]
            )
        try:
            return values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise BadInput(
                f"the column {name!r} does not hold numbers: {printable(str(error))}",
                reason="bad_table",
            ) from error

    def degrees(self, name: str, *, are_hours: bool = False) -> NDArray[np.float64]:
        """A column of angles in degrees, (n,) float64, NaN where one is missing.

        Numbers without a unit are degrees. Text like ``10:00:00.1`` or ``+2 0 1`` is
        sexagesimal, in hours if `are_hours` and the unit does not say otherwise.

        Raises
        ------
        BadInput
            ``bad_table`` if it holds other text, or has a unit that is no angle.
        """
        factor = self.degrees_per_unit(name)
        if self[name].dtype.kind in "OU":
            texts = [str(value).strip() for value in self[name]]
            parts = [_SEXAGESIMAL.fullmatch(text) for text in texts]
            if any(parts) and all(parts[i] or not texts[i] for i in range(len(texts))):
                factor = factor or (15.0 if are_hours else 1.0)
                return factor * np.array([_sexagesimal(part) for part in parts])
        if factor is None and self.units.get(name):
            raise self.bad_unit(name, "an angle, such as deg")
        return self.numbers(name) * (factor or 1.0)

    def bad_unit(self, name: str, wanted: str) -> BadInput:
        """The error for a column in a unit that cannot be meant."""
        return BadInput(
            f"the unit of the column {name!r} is {printable(self.units[name])!r}, which "
            f"is not known as {wanted}",
            reason="bad_table",
        )

    def degrees_per_unit(self, name: str) -> float | None:
        """Degrees in the unit of a column; None for a unit that is no angle, or none."""
        unit = self.units.get(name, "").strip()
        if unit.lower() in _SPELLINGS:
            return _SPELLINGS[unit.lower()]
        from astropy.units import Unit  # noqa: PLC0415 -- slow, and seldom needed

        for spelling in (unit, unit.lower()):
            try:
                return float(Unit(spelling).to("deg")) if spelling else None
            except (TypeError, ValueError):
                continue
        return None


def read_table(source: str | Path, *, as_text: bool = False) -> Columns:
    """Read a table of numbers and text.

    Parameters
    ----------
    source
        Parquet, Feather, FITS, VOTable, ECSV, CSV or any other text that astropy
        knows; told by its first bytes, then by its name. Of a FITS file with several
        tables one is named, as in ``file.fits[2]`` or ``file.fits[LDAC_OBJECTS]``.
    as_text
        Whether all stays as it is written where the file is text: ``007`` is no
        number then. Other files know themselves what is text.

    Returns
    -------
    Columns
        Those of one dimension in their order, all equally long; others are left
        out. Missing floats are NaN, missing text is empty; a column of integers of
        which some are missing is text. Coordinates of the sky are two columns, in
        ICRS.

    Raises
    ------
    BadInput
        ``bad_table`` if it cannot be read, has no rows, or is one of several.
    """
    place, key = selector.locate(str(source))
    path = Path(place)
    columns: Columns | None
    try:
        with path.open("rb") as file:
            magic = file.read(6)
        with recorded():
            columns = None if key else _arrow(path, magic)
            columns = columns or _astropy(path, _number(path, key), as_text=as_text)
    except BadInput:
        raise
    except Exception as error:  # a dozen formats raise a dozen families of errors
        words = printable(f"{type(error).__name__}: {error}")
        raise BadInput(
            f"{source}: this table cannot be read ({words}); Parquet, FITS, VOTable, ECSV "
            "and CSV are known",
            reason="bad_table",
        ) from error
    if not columns or not len(next(iter(columns.values()))):
        raise BadInput(f"{source}: the table has no rows", reason="bad_table")
    return columns


def _arrow(path: Path, magic: bytes) -> Columns | None:
    if magic.startswith(b"PAR1"):
        table = pq.read_table(path)
    elif magic == b"ARROW1":
        table = feather.read_table(path)
    else:
        return None
    columns = Columns()
    columns.units = _units(table.schema)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if not _is_plain(column.type):
            continue
        if column.null_count and pa.types.is_integer(column.type):
            columns.text_of[name] = int
            column = column.cast(pa.string())  # as float64 they would lose digits
        elif column.null_count and pa.types.is_boolean(column.type):
            columns.text_of[name] = bool
        if column.null_count and not pa.types.is_floating(column.type):
            column = column.cast(pa.string()).fill_null("")
        columns[name] = column.to_numpy()
    for name in [name for name in columns if f"{name}.mask" in columns]:
        if _ASTROPY in (table.schema.metadata or {}):
            hidden = columns.pop(f"{name}.mask").astype(bool)
            values = columns[name]
            values = values.astype(str) if values.dtype.kind == "O" else values
            columns.fill(name, np.ma.array(values, mask=hidden))
    return columns


def _units(schema: pa.Schema) -> dict[str, str]:
    """Units, where astropy or somebody else wrote them beside the columns."""
    told = {
        field.name: (field.metadata or {}).get(b"unit", b"").decode("utf-8", "replace")
        for field in schema
    }
    header = (schema.metadata or {}).get(_ASTROPY, b"").decode()
    if header:
        from astropy.table import meta  # noqa: PLC0415 -- slow, and seldom needed

        described = meta.get_header_from_yaml(header.splitlines())["datatype"]
        told |= {one["name"]: one["unit"] for one in described if "unit" in one}
    return {name: unit for name, unit in told.items() if unit}


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
    )


def _number(path: Path, selected: str | None) -> int | None:
    """The number of the HDU to read; None for a file that is not FITS."""
    try:
        hdus = contents(path).hdus
    except BadCutout as error:
        if selected is None and error.reason in _NOT_FITS:
            return None
        raise
    tables = [hdu for hdu in hdus if hdu.kind is Kind.TABLE]
    names = printable(", ".join(hdu.label for hdu in tables)) or "none"
    key = None if selected is None else selector.parse(selected).key
    found = [
        hdu
        for hdu in tables
        if key is None
        or key.number == hdu.number
        or (key.name == hdu.name.upper() and key.version in (None, hdu.version))
    ]
    if not found:
        raise BadInput(
            f"{path}: there is no table {selected or ''}; there are: {names}",
            reason="bad_table",
        )
    if len(found) > 1:
        raise BadInput(
            f"{path}: the file has several tables: {names}; name one, such as "
            f"{path.name}[{found[-1].number}]",
            reason="bad_table",
        )
    return found[0].number


def _astropy(path: Path, number: int | None, *, as_text: bool) -> Columns:
    from astropy.table import Table  # noqa: PLC0415 -- slow, and seldom needed

    plain = {"*": str} if as_text else {}
    is_csv = as_text and path.suffix.lower() in (".csv", ".rdb")
    if number is not None:
        table = Table.read(path, format="fits", hdu=number)
    else:
        try:
            table = Table.read(path, **({"converters": plain} if is_csv else {}))
        except Exception:  # no format by its name: whatever text can be taken for
            table = Table.read(path, format="ascii", converters=plain)
    columns = Columns()
    for name, column in _flat(table):
        values = np.ma.asarray(getattr(column, "value", column))
        if values.ndim != 1 or values.dtype.kind not in "biufSU":
            continue
        columns.fill(name, values)
        if getattr(column, "unit", None) is not None:
            columns.units[name] = str(column.unit)
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
            yield f"{prefix}ra", column.icrs.ra.to("deg")
            yield f"{prefix}dec", column.icrs.dec.to("deg")
        else:
            yield name.removeprefix("\ufeff"), column  # with which some begin a file


def _sexagesimal(match: re.Match[str] | None) -> float:
    """Whole units of what has minutes and seconds; NaN for nothing."""
    if match is None:
        return math.nan
    sign, whole, minutes, seconds = match.groups()
    size = int(whole) + int(minutes) / 60 + float(seconds) / 3600
    return -size if sign == "-" else size


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


def write_table(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns as VOTable (``.vot``) or ECSV (``.ecsv``).

    Parameters
    ----------
    path
        Replaced if it exists.
    columns
        By name: lists of numbers or text, with None where one is missing, or arrays
        (n, …).
    """
    from astropy.table import Column, MaskedColumn, Table  # noqa: PLC0415 -- slow

    table = Table()
    for name, values in columns.items():
        if isinstance(values, np.ndarray):
            table[name] = Column(values)
            continue
        known = [value for value in values if value is not None]
        blank = type(known[0])() if known else ""
        filled = [blank if value is None else value for value in values]
        table[name] = MaskedColumn(filled, mask=[value is None for value in values])
    formats = {".vot": "votable", ".ecsv": "ascii.ecsv"}
    with recorded():
        table.write(path, format=formats[path.suffix.lower()], overwrite=True)
