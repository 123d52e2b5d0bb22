"""What the rows of a catalogue tell of objects: ids, places on the sky, attributes."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadInput
from skylike.service.fits import SkyPosition
from skylike.service.fits.table import Columns

Attribute = str | int | float | bool

# Names that catalogues give, lower case; the first that is there counts. SExtractor
# counts pixels from 1.
NAMES: dict[str, Sequence[str]] = {
    "id": ("id", "name", "source_id", "objid", "number", "label"),
    "ra": ("ra", "ra_deg", "raj2000", "_raj2000", "alpha_j2000", "ra_icrs"),
    "dec": ("dec", "dec_deg", "decl", "dej2000", "_dej2000", "delta_j2000", "de_icrs"),
    "x": ("x", "x_image"),
    "y": ("y", "y_image"),
    "size": ("size",),
}
_MOST_TURNS = 2
_NOTHING = (math.inf, -math.inf, "", None)
_LARGEST_INTEGER = 2**63 - 1  # of tables and collections


def column_of(table: Columns, role: str, names: Mapping[str, str]) -> str:
    """The name of the column with a role, empty where there is none."""
    if role in names:
        if names[role] not in table:
            raise BadInput(
                f"the table has no column {names[role]!r}; it has {', '.join(table)}",
                reason="bad_table",
            )
        return names[role]
    lower = {name.lower(): name for name in table}
    return next((lower[name] for name in NAMES[role] if name in lower), "")


def angles_of(
    table: Columns, ra: str, dec: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Degrees of two columns, NaN where they are no place on the sky."""
    ra_deg, dec_deg = table.degrees(ra, are_hours=True), table.degrees(dec)
    # Beyond the pole is nothing, nor where -999 stands for nothing.
    is_sky = (np.abs(dec_deg) <= 90) & (np.abs(ra_deg) <= _MOST_TURNS * 360)
    return np.where(is_sky, ra_deg, np.nan), np.where(is_sky, dec_deg, np.nan)


def ids_of(given: Iterable[object]) -> list[str]:
    """The ids of a table, with a free number for each that is missing."""
    ids = [str(one) for one in given]
    taken = set(ids)
    for i, one in enumerate(ids):
        if not one:
            ids[i] = next(
                name for n in itertools.count(i) if (name := str(n)) not in taken
            )
            taken.add(ids[i])
    return ids


def attributes_of(
    table: Mapping[str, NDArray[Any]], left_out: Set[str]
) -> list[dict[str, Attribute]]:
    """The finite numbers and the text of every row; what is missing is left out."""
    rows: list[dict[str, Attribute]] = [{} for _ in next(iter(table.values()))]
    text_of = table.text_of if isinstance(table, Columns) else {}
    for name, values in table.items():
        if values.ndim != 1 or name in left_out:
            continue
        typed = text_of.get(name)
        for row, value in zip(rows, _storable(values).tolist(), strict=True):
            if value == value and value not in _NOTHING:
                row[name] = _typed(value, typed) if typed else value
    return rows


def _typed(text: str, kind: type) -> Attribute:
    """What a text stands for; whole numbers beyond the largest stay text."""
    if kind is bool:
        return text.lower() == "true"
    number = int(text)
    return number if abs(number) <= _LARGEST_INTEGER else text


def sky_position(ra: float, dec: float) -> SkyPosition | None:
    """A position, in the range where they lie; None for what is none."""
    if not (math.isfinite(ra) and -90 <= dec <= 90):
        return None
    return SkyPosition(float(ra) % 360.0 % 360.0, float(dec))


def _storable(values: NDArray[Any]) -> NDArray[Any]:
    """Integers beyond the largest that can be stored become text: they are ids."""
    if values.dtype.kind == "u" and values.max(initial=0) > _LARGEST_INTEGER:
        return values.astype(str)
    return values
