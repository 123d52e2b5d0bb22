"""Kinds and quantities of objects, from tables; only the judge reads them.

A row belongs to the image it names. Where the image lies elsewhere, as after copying
or turning pictures into FITS, its name tells, without what it ends in, and of several
that are called alike the folders written in the table. What stays ambiguous is refused,
never guessed.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadInput, BadSettings
from skylike.service.fits import selector, stem
from skylike.service.fits.table import Columns, read_table
from skylike.service.sources import named_by

_PICTURES = {".jpg", ".jpeg", ".png"}
_PLACES = ("path", "file", "id", "filename", "uri", "source")
_MISSING = {"", "nan"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What tables tell of n images.

    Attributes
    ----------
    kinds
        n of them; None where there is none.
    quantities
        By name: (n,) float64, NaN where unknown.
    """

    kinds: list[str | None]
    quantities: dict[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Tables of kinds and quantities.

    Attributes
    ----------
    tables
        In the order in which they go before each other, the last first.
    """

    tables: "tuple[_Table, ...]"

    def of(self, images: Sequence[Path]) -> Known:
        """What is known of images: all that there are, so that none takes another's.

        Raises
        ------
        BadSettings
            If an image may be in several rows that tell different things, or a row may
            be of several images.
        """
        known = Known([None] * len(images), {})
        for table in self.tables:
            for image, rows in table.matched(images).items():
                kind = next((k for row in rows if (k := table.kinds[row])), None)
                known.kinds[image] = kind or known.kinds[image]
                for name, values in table.quantities.items():
                    value = next((v for row in rows if (v := values[row]) == v), None)
                    if value is not None:
                        unknown = np.full(len(images), np.nan)
                        known.quantities.setdefault(name, unknown)[image] = value
        return known

    def example(self) -> str:
        """The name in one row, for messages."""
        names = (place.written for table in self.tables for place in table.places)
        return next(names, "")


def read(
    paths: Sequence[Path], column: str, undetermined: float | None = None
) -> Labels:
    """Read tables, the later ones going first where two know the same object.

    Parameters
    ----------
    paths
        What `read_table` takes, with a column ``path``, ``file``, ``id``, ``filename``,
        ``uri`` or ``source`` in any case; and HDU and box as `find_images` takes them.
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
    table = read_table(path, as_text=True)
    by_name = {name.lower(): name for name in reversed(table) if name != column}
    place = next((by_name[name] for name in _PLACES if name in by_name), None)
    if place is None or column not in table:
        raise BadSettings(
            f"{path}: needs a column that names the images ({', '.join(_PLACES)}), and "
            f"{column!r}; it has {', '.join(table)}"
        )
    if place.lower() == "id":
        names = [str(path.parent / str(name)) for name in table[place]]
    else:
        names = list(named_by(path, table, place))
    kept = [
        number
        for number, written in enumerate(table[place])
        if str(written).strip().lower() not in _MISSING
    ]
    kinds = [str(kind).strip() for kind in table[column]]
    return _Table(
        path,
        tuple(_Place.of(names[i], str(table[place][i])) for i in kept),
        tuple(None if kinds[i].lower() in _MISSING else kinds[i] for i in kept),
        {
            name: np.where(values == undetermined, np.nan, values)[kept]
            for name, values in _numbers(table, {place, column}).items()
        },
    )


def _numbers(table: Columns, without: set[str]) -> dict[str, Floats]:
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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an image is, or is said to be."""

    written: str
    folder: str
    """Absolute."""
    said: tuple[str, ...]
    """The folders that are written, outermost first; none for an image."""
    name: str
    stem: str
    part: selector.Selector | None

    @classmethod
    def of(cls, image: str, written: str | None = None) -> "_Place":
        path, part = selector.locate(image)
        if part is not None and stem(Path(path).name) == Path(path).name:
            path, part = image, None  # brackets, but behind no file of FITS
        folder, name = os.path.split(os.path.abspath(path))
        said = os.path.normpath(written).split(os.sep)[:-1] if written else []
        return cls(
            written or image,
            folder,
            tuple(folder for folder in said if folder not in ("", "..")),
            name,
            _stem(name),
            None if part is None else selector.parse(part),
        )


_Key = Callable[[_Place], Hashable]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The rows of one table.

    Attributes
    ----------
    places
        The image that each row names.
    kinds
        What it is, None where the row does not say.
    quantities
        By name: (rows,) float64, NaN where unknown.
    """

    path: Path
    places: tuple[_Place, ...]
    kinds: tuple[str | None, ...]
    quantities: Mapping[str, Floats]

    def matched(self, images: Sequence[Path]) -> dict[int, list[int]]:
        """Number of an image to its rows, which tell the same."""
        places = [_Place.of(str(image)) for image in images]
        found: dict[int, list[int]] = {}
        rows, left = set(range(len(self.places))), set(range(len(places)))

        def pair(
            key: _Key, own: _Key, among: Iterable[int], others: Iterable[int]
        ) -> None:
            """Give images the rows of the same key, as far as both are left."""
            by_key: defaultdict[Hashable, list[int]] = defaultdict(list)
            for number in others:
                by_key[own(places[number])].append(number)
            wanted: defaultdict[Hashable, list[int]] = defaultdict(list)
            for row in among:
                if key(self.places[row]) in by_key:
                    wanted[key(self.places[row])].append(row)
            for value, chosen in wanted.items():
                self._require_one(chosen, [images[i] for i in by_key[value]])
                found[by_key[value][0]] = chosen
                rows.difference_update(chosen)
                left.difference_update(by_key[value])

        for is_whole in (True, False):  # with its part, and without
            for name in (_name, _stem_of):
                key = _keyed(lambda place: place.folder, name, is_whole=is_whole)
                pair(key, key, sorted(rows), sorted(left))
        lengths = {len(place.said) for place in self.places}
        for length in sorted(lengths - {0}, reverse=True):
            some = [row for row in sorted(rows) if len(self.places[row].said) == length]
            for is_whole in (True, False):
                for name in (_name, _stem_of):
                    pair(
                        _keyed(lambda place: place.said, name, is_whole=is_whole),
                        _keyed(_tail(length), name, is_whole=is_whole),
                        [row for row in some if row in rows],
                        sorted(left),
                    )
        # Folders need not be the same where nothing else is called alike.
        count = Counter(place.stem for place in places)
        for is_whole in (True, False):
            key = _keyed(lambda _: None, _stem_of, is_whole=is_whole)
            some = [
                row
                for row in sorted(rows)
                if count[self.places[row].stem] == 1 or not self.places[row].said
            ]
            pair(key, key, some, sorted(left))
        return found

    def _require_one(self, rows: Sequence[int], images: Sequence[Path]) -> None:
        """Refuse rows that may be of several images, or tell different things."""
        if len(images) > 1:
            raise BadSettings(
                f"{self.path}: {self.places[rows[0]].written!r} may be {images[0]} or "
                f"{images[1]}: name the folder, or the part of the file, in the table"
            )
        columns = [list(self.kinds), *(v.tolist() for v in self.quantities.values())]
        if len(rows) < 2:
            return
        for values in columns:
            told = {values[row] for row in rows} - {None}
            told = {value for value in told if value == value}
            if len(told) > 1:
                one, other = sorted(map(str, told))[:2]
                names = {self.places[row].written for row in rows}
                raise BadSettings(
                    f"{self.path}: of {images[0]} it says {one!r} and {other!r}, in the "
                    f"rows of {' and '.join(sorted(names))}: name the folder in the "
                    "table, or label it once"
                )


def _name(place: _Place) -> str:
    return place.name


def _stem_of(place: _Place) -> str:
    return place.stem


def _tail(length: int) -> Callable[[_Place], Hashable]:
    """The innermost folders of an image."""
    return lambda place: tuple(place.folder.split(os.sep)[-length:])


def _keyed(
    where: Callable[[_Place], Hashable],
    name: Callable[[_Place], str],
    *,
    is_whole: bool,
) -> _Key:
    return lambda place: (where(place), name(place), place.part if is_whole else None)


def _stem(name: str) -> str:
    """``x.fits.gz`` is ``x``, and so is the picture ``x.jpg``."""
    path = Path(name)
    return path.stem if path.suffix.lower() in _PICTURES else stem(name)
