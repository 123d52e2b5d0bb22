"""What bulk jobs read: folders, files, lists of files, tables of cutouts."""

import itertools
import math
import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from skylike.service import caller
from skylike.service.cutouts.catalogue import (
    angles_of,
    attributes_of,
    column_of,
    sky_position,
)
from skylike.service.errors import BadInput, PermissionDenied
from skylike.service.fits import Box, SkyPosition, selector
from skylike.service.fits.address import text
from skylike.service.fits.table import Columns, read_table
from skylike.service.folders import find_files
from skylike.service.prepare import Reject, Source
from skylike.service.roots import allowed, is_named_below

_LISTS = (".txt", ".lst", ".list")
_TABLES = (".parquet", ".feather", ".vot", ".votable", ".xml", ".ecsv", ".csv", ".tsv")
_PLACES = ("uri", "path", "file", "filename", "source")
_IDS = ("id", "object_id", "source_id", "objid")
_TEXTS = (".csv", ".tsv", ".ecsv")
_MISSING = ("", "nan", "null", "none", "--")
_EXACT = 2.0**53
_EDGES = ("x0", "y0", "x1", "y1")
_PARTS = ("hdu", *_EDGES)
_FILE_SCHEME = "file://"
_COMMENT = re.compile(r"(?:^|\s)#")  # names may hold one
_NAME = re.compile(r"\s*\([^)]*\)")  # what answers write behind an HDU's number

_Row = TypeVar("_Row")


def find_images(
    sources: Sequence[Path], roots: Sequence[Path] | None = None
) -> list[str]:
    """Every image that sources name, as `fits.read` takes it, each once.

    ==========  ============================================================
    a folder    the FITS files below it
    a list      ``.txt``, ``.lst``, ``.list``: a file per line, which may end
                in a selector such as ``[SCI]``; ``#`` at the beginning of
                a word begins a comment
    a table     Parquet, Feather, VOTable, ECSV or CSV, told by its name, with
                a column ``uri``, ``path``, ``file``, ``filename`` or
                ``source``, and if it likes ``hdu`` and a box in pixels from
                0, ``x0``, ``y0``, ``x1``, ``y1``, the ends excluded
    a file      itself, selector included
    ==========  ============================================================

    What lists and tables name is relative to their folder. With `roots`, a link to a
    folder that leads out of them is told as if it were an image, and not followed.

    Raises
    ------
    BadInput
        ``no_files`` if a source does not exist or nothing is found, ``bad_table`` if
        a table has no such column.
    """
    return list(dict.fromkeys(_each(sources, _images_of, roots)))


def find_sources(
    sources: Sequence[Path], roots: Sequence[Path] | None = None, prefix: str = ""
) -> list[Source]:
    """As `find_images`, with ids and what tables say of their images.

    A column ``id``, ``object_id``, ``source_id`` or ``objid`` names each, ``ra`` and
    ``dec`` say where it is, and every other number or text becomes an attribute. What
    has no such id is called by its path below the deepest folder that holds all sources;
    by its whole path, if it lies elsewhere. `prefix` stands before every id. An image
    comes once for each name.
    """
    folders = [one if one.is_dir() else one.parent for one in sources]
    root = os.path.join(os.path.commonpath([one.absolute() for one in folders]), "")
    found: dict[object, Source] = {}
    for one in _each(sources, _rows_of, roots):
        made = Source(one, "") if isinstance(one, str) else one
        if not made.is_named:
            made = replace(made, id=_id_below(root, made.image, made.box))
        if prefix:
            made = replace(made, id=prefix + made.id)
        # What a table names twice is told; what it does not name is the same image.
        key = len(found) if made.is_named else (made.image, made.box)
        found.setdefault(key, made)
    return list(found.values())


def within(
    sources: Iterable[Source], roots: Sequence[Path] | None
) -> tuple[list[Source], list[Reject]]:
    """Those that may be read, by where they lie, and why others may not.

    Lists, tables and links name what they like, and callers say where objects are of.

    Parameters
    ----------
    sources
        What is to be read.
    roots
        What lies below one of them may be; None: all may.
    """
    if roots is None:
        return list(sources), []
    kept, refused = [], []
    for source in caller.each(sources):
        path, part = selector.locate(source.image)
        try:
            image = f"{allowed(path, roots)}{part or ''}"
        except PermissionDenied as error:
            why = str(error)
            if is_named_below(path, roots):
                why = (
                    f"{path}: a link that leads out of the folders that this service "
                    "may read from; its setting roots names these"
                )
            refused.append(Reject(source.image, error.reason, why))
        else:
            kept.append(replace(source, image=image))
    return kept, refused


def _id_below(root: str, image: str, box: Box | None) -> str:
    section = f"[{box.x0 + 1}:{box.x1},{box.y0 + 1}:{box.y1}]" if box else ""
    if "://" in image:
        return image + section
    return text(os.path.join(os.getcwd(), image).removeprefix(root)) + section


def _each(
    sources: Sequence[Path],
    tabled: Callable[[Path], Iterable[_Row]],
    roots: Sequence[Path] | None,
) -> Iterator[str | _Row]:
    """What sources name, where `tabled` says what tables do."""
    is_empty = True
    for source in sources:
        suffix = source.suffix.lower()
        found: Iterable[str | _Row]
        if source.is_file() and suffix in _LISTS and not _is_fits(source):
            found = _listed(source)
        elif source.is_file() and suffix in _TABLES:
            found = tabled(source)
        elif not selector.exists(str(source)) and _names_part(source):
            found = [str(source)]
        else:
            found = find_files([source], roots)
        for one in found:
            is_empty = False
            yield one
    if is_empty:
        names = ", ".join(map(str, sources))
        raise BadInput(f"{names} name no images", reason="no_files")


def _is_fits(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"


def _names_part(source: Path) -> bool:
    """Whether this is a file that exists, and a selector."""
    path, part = selector.locate(str(source))
    return part is not None and selector.exists(path)


def _listed(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8-sig", "surrogateescape").splitlines():
        name = _COMMENT.split(line)[0].strip()
        if name:
            yield _beside(path, name)


def _beside(path: Path, name: str) -> str:
    """What a list or table names: an address as it is, a file relative to its folder."""
    name = name.removeprefix(_FILE_SCHEME)
    return name if "://" in name else str(path.parent / name)


def _images_of(path: Path) -> Iterator[str]:
    table = read_table(path)
    return named_by(path, table, _place_in(path, table))


def _rows_of(path: Path) -> Iterator[Source]:
    table = read_table(path)
    place = _place_in(path, table)
    by_name = {name.lower(): name for name in table}
    id_column = next((by_name[name] for name in _IDS if name in by_name), "")
    ra, dec = (column_of(table, role, {}) for role in ("ra", "dec"))
    positions: Iterable[SkyPosition | None] = itertools.repeat(None)
    if ra and dec:
        positions = map(sky_position, *angles_of(table, ra, dec))
    left_out = {
        by_name[name] for name in (*_PARTS, ra.lower(), dec.lower()) if name in by_name
    }
    attributes = attributes_of(table, {place, id_column, *left_out})
    is_cut = _is_cut(place, by_name)
    ids: Iterable[str] = itertools.repeat("")
    if id_column and not is_cut:  # which says what it was in its own image
        ids = _ids(path, table, id_column)
    keys = itertools.repeat("") if is_cut else _keys(table, by_name)
    boxes = itertools.repeat(None) if is_cut else _boxes(path, table, by_name)
    each = zip(table[place], keys, ids, boxes, positions, attributes, strict=False)
    for name, key, id, *told in each:
        yield Source(_beside(path, str(name)) + key, id, bool(id), *told)


def _ids(path: Path, table: Columns, name: str) -> list[str]:
    """The ids of a table, empty where one is missing; all their digits count."""
    values = table[name]
    if path.suffix.lower() in _TEXTS:
        values = read_table(path, as_text=True)[name]
    if values.dtype.kind == "f":
        if np.nanmax(np.abs(values), initial=0) > _EXACT:
            raise BadInput(
                f"{path}: the column {name!r} holds numbers beyond 2**53 as floats, "
                "which have lost digits: write it as integers or text",
                reason="bad_table",
            )
        return [f"{value:.16g}" if math.isfinite(value) else "" for value in values]
    texts = [str(value).strip() for value in values]
    return ["" if text.lower() in _MISSING else text for text in texts]


def _place_in(path: Path, table: Columns) -> str:
    """The column that tells where images are."""
    by_name = {name.lower(): name for name in table}
    place = next((by_name[name] for name in _PLACES if name in by_name), None)
    if place is None:
        raise BadInput(
            f"{path}: no column tells where images are: call one uri, path or file; it "
            f"has {', '.join(table)}",
            reason="bad_table",
        )
    return place


def named_by(path: Path, table: Columns, place: str) -> Iterator[str]:
    """The image of each row of a table, as `find_images` names it.

    Parameters
    ----------
    path
        Of the table.
    table
        What it holds.
    place
        The column that tells where images are.
    """
    by_name = {name.lower(): name for name in table}
    is_cut = _is_cut(place, by_name)
    keys, boxes = _keys(table, by_name), _boxes(path, table, by_name)
    for name, key, box in zip(table[place], keys, boxes, strict=True):
        image = _beside(path, str(name))
        if is_cut:
            yield image
        elif box is None:
            yield image + key
        else:
            yield f"{image}{key}[{box.x0 + 1}:{box.x1},{box.y0 + 1}:{box.y1}]"


def _is_cut(place: str, by_name: Container[str]) -> bool:
    """Whether files are cutouts that were written, and the rest tells of what."""
    return place.lower() == "file" and "source" in by_name


def _keys(table: Columns, by_name: dict[str, str]) -> list[str]:
    """The selector of an HDU for each row, empty where none is named."""
    if "hdu" not in by_name:
        return [""] * len(next(iter(table.values())))
    plain = [_NAME.sub("", str(key)).strip() for key in table[by_name["hdu"]]]
    return [f"[{key}]" if key else "" for key in plain]


def _boxes(path: Path, table: Columns, by_name: dict[str, str]) -> list[Box | None]:
    """The section of each row, None where there is none."""
    there = [name for name in _EDGES if name in by_name]
    if not there:
        return [None] * len(next(iter(table.values())))
    if len(there) < len(_EDGES):
        raise BadInput(
            f"{path}: a box has the columns {', '.join(_EDGES)}; there are only "
            f"{', '.join(there)}",
            reason="bad_table",
        )
    edges = np.stack([table.numbers(by_name[name]) for name in _EDGES], axis=1)
    num_known = np.isfinite(edges).sum(axis=1)
    torn = np.flatnonzero((num_known > 0) & (num_known < len(_EDGES)))
    if len(torn):
        raise BadInput(
            f"{path}: of the box in row {torn[0] + 1} a part is missing, and of "
            f"{len(torn) - 1} more: give all of a box, or nothing",
            reason="bad_table",
        )
    return [
        Box(*map(round, row)) if count else None
        for row, count in zip(edges.tolist(), num_known.tolist(), strict=True)
    ]
