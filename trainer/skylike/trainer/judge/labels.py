"""Kinds and quantities of objects, from tables; only the judge reads them.

A row belongs to the image of the same name, whatever it ends in, as far as folders tell
names apart: of several that are called alike, the one whose folders are the same furthest
upwards. What stays ambiguous is refused, never guessed.
"""

import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadInput, BadSettings
from skylike.service.fits import selector, stem
from skylike.service.fits.table import Columns, read_table
from skylike.service.sources import PLACES, named_by

_PICTURES = {".jpg", ".jpeg", ".png"}
_MISSING = {"", "nan"}

# Selector, stem, and folders from the innermost outwards.
_Place = tuple[selector.Selector | str | None, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What tables tell of one image.

    Attributes
    ----------
    kind
        None where they tell none.
    quantities
        By name; what is unknown is left out.
    """

    kind: str | None = None
    quantities: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Tables of kinds and quantities.

    Attributes
    ----------
    tables
        In the order in which they go before each other, the last first.
    """

    tables: "tuple[_Table, ...]"

    def of(self, images: Sequence[Path]) -> list[Known]:
        """What is known of each of some images.

        Raises
        ------
        BadSettings
            If an image may be in several rows that tell different kinds, or a row may
            be of several images.
        """
        found = [Known() for _ in images]
        for table in self.tables:
            for number, row in table.matched(images).items():
                kind = found[number].kind if row.kind is None else row.kind
                known = {**found[number].quantities, **row.quantities}
                found[number] = Known(kind, known)
        return found

    def example(self) -> str:
        """The name of one row, for messages."""
        return next((name for table in self.tables for name in table.names), "")


def columns(known: Sequence[Known]) -> dict[str, NDArray[np.float64]]:
    """The quantities of some objects by name: (n,) each, NaN where unknown."""
    names = dict.fromkeys(name for one in known for name in one.quantities)
    return {
        name: np.array([one.quantities.get(name, np.nan) for one in known])
        for name in names
    }


def read(
    paths: Sequence[Path], column: str, undetermined: float | None = None
) -> Labels:
    """Read tables, the later ones going first where two know the same object.

    Parameters
    ----------
    paths
        What `read_table` takes, with a column as `find_images` wants it, or ``id``.
    column
        The column that holds the kinds; empty text and NaN are none.
    undetermined
        A number that stands for "unknown" in the other columns.

    Raises
    ------
    BadInput
        ``bad_table`` if a table cannot be read.
    BadSettings
        If it lacks a column.
    """
    return Labels(tuple(_read(path, column, undetermined) for path in paths))


def _read(path: Path, column: str, undetermined: float | None) -> "_Table":
    table = read_table(path, as_text=[*PLACES, "id", column])
    places = {name for name in table if name.lower() in {*PLACES, "id"}}
    if not places or column not in table:
        raise BadSettings(
            f"{path}: needs a column path, file or id, and {column!r}; it has "
            f"{', '.join(table)}"
        )
    if {name.lower() for name in places} == {"id"}:
        [only] = places
        images = [str(path.parent / str(name)) for name in table[only]]
    else:
        images = list(named_by(path, table))
    kinds = [str(kind).strip() for kind in table[column]]
    numbers = _numbers(table, {*places, column})
    rows = [
        Known(
            None if kind.lower() in _MISSING else kind,
            {
                name: float(values[i])
                for name, values in numbers.items()
                if not math.isnan(values[i]) and values[i] != undetermined
            },
        )
        for i, kind in enumerate(kinds)
    ]
    return _Table(path, tuple(images), tuple(rows))


def _numbers(table: Columns, without: set[str]) -> dict[str, NDArray[np.float64]]:
    """The columns that hold numbers, also those of which some are missing."""
    found = {}
    for name in table:
        if name in without or table[name].dtype.kind == "b":
            continue
        try:
            found[name] = table.numbers(name)
        except BadInput:
            continue
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The rows of one table: the image that each names, and what it tells of it."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[Known, ...]

    def matched(self, images: Sequence[Path]) -> dict[int, Known]:
        """Number of an image to its row, as far as there is one."""
        by_place: defaultdict[_Place, list[int]] = defaultdict(list)
        for number, name in enumerate(self.names):
            for place in _places(name):
                by_place[place].append(number)
        chosen: dict[int, tuple[int, int]] = {}  # row: folders in common, image
        for number, image in enumerate(images):
            row, common = self._row(str(image), by_place)
            if row is None:
                continue
            other = chosen.get(row)
            if other is None or other[0] < common:
                chosen[row] = common, number
            elif other[0] == common:
                raise BadSettings(
                    f"{self.path}: {self.names[row]!r} may be {images[other[1]]} or "
                    f"{image}: name the folder, or the part of the file, in the table"
                )
        return {number: self.rows[row] for row, (_, number) in chosen.items()}

    def _row(
        self, image: str, by_place: Mapping[_Place, list[int]]
    ) -> tuple[int | None, int]:
        """The row of an image, and how much of the place they have in common."""
        for places in (_places(image), _places(image, any_part=True)):
            for place in reversed(places):
                if place in by_place:
                    first, *others = by_place[place]
                    for other in others:
                        self._require_one_kind(image, first, other)
                    return others[-1] if others else first, len(place)
        return None, 0

    def _require_one_kind(self, image: str, first: int, other: int) -> None:
        kinds = [self.rows[number].kind for number in (first, other)]
        if kinds[0] != kinds[1]:
            raise BadSettings(
                f"{self.path}: {image} may be {self.names[first]!r}, labelled "
                f"{kinds[0]!r}, or {self.names[other]!r}, labelled {kinds[1]!r}: name "
                "the folder in the table, or label it once"
            )


def _places(image: str, *, any_part: bool = False) -> list[_Place]:
    """Where an image is: told by its name alone, by a folder as well, and so on."""
    path, part = selector.locate(image)
    folder, name = os.path.split(os.path.abspath(path))
    begin = None if any_part or part is None else selector.parse(part)
    folders = folder.strip(os.sep).split(os.sep)[::-1]
    whole = (begin, file_stem(name), *folders)
    return [whole[:length] for length in range(2, len(whole) + 1)]


def file_stem(name: str) -> str:
    """``folder/x.fits.gz`` is ``x``, and so is the picture ``x.jpg``."""
    path = Path(name)
    return path.stem if path.suffix.lower() in _PICTURES else stem(path.name)
