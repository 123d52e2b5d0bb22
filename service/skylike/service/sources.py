"""What bulk jobs read: folders, files, lists of files, tables of cutouts."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from skylike.service.errors import BadInput
from skylike.service.fits import selector
from skylike.service.fits.table import Columns, read_table
from skylike.service.prepare import find_files

_LISTS = (".txt", ".lst", ".list")
_TABLES = (".parquet", ".feather", ".vot", ".votable", ".xml", ".ecsv", ".csv", ".tsv")
_PLACES = ("uri", "path", "file", "filename", "source")
_EDGES = ("x0", "y0", "x1", "y1")
_FILE_SCHEME = "file://"
_NAME = re.compile(r"\s*\([^)]*\)")  # what answers write behind an HDU's number


def find_images(sources: Sequence[Path]) -> list[str]:
    """Every image that sources name, as `fits.read` takes it, each once.

    ==========  ============================================================
    a folder    the FITS files below it
    a list      ``.txt``, ``.lst``, ``.list``: a file per line, which may end
                in a selector such as ``[SCI]``; ``#`` begins a comment
    a table     Parquet, Feather, VOTable, ECSV or CSV, told by its name, with
                a column ``uri``, ``path``, ``file``, ``filename`` or
                ``source``, and if it likes ``hdu`` and a box in pixels from
                0, ``x0``, ``y0``, ``x1``, ``y1``, the ends excluded
    a file      itself, selector included
    ==========  ============================================================

    What lists and tables name is relative to their folder.

    Raises
    ------
    BadInput
        ``no_files`` if a source does not exist or nothing is found, ``bad_table`` if
        a table has no such column.
    """
    found: dict[str, None] = {}
    for source in sources:
        suffix = source.suffix.lower()
        if source.is_file() and suffix in _LISTS and not _is_fits(source):
            images = _listed(source)
        elif source.is_file() and suffix in _TABLES:
            images = _tabled(source)
        elif not selector.exists(str(source)) and _names_part(source):
            images = iter([str(source)])
        else:
            images = map(str, find_files([source]))
        found |= dict.fromkeys(images)
    if not found:
        names = ", ".join(map(str, sources))
        raise BadInput(f"{names} name no images", reason="no_files")
    return list(found)


def _is_fits(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"


def _names_part(source: Path) -> bool:
    """Whether this is a file that exists, and a selector."""
    path, part = selector.locate(str(source))
    return part is not None and selector.exists(str(path))


def _listed(path: Path) -> Iterator[str]:
    for line in path.read_text(errors="surrogateescape").splitlines():
        name = line.partition("#")[0].strip()
        if name:
            yield str(path.parent / name)


def _tabled(path: Path) -> Iterator[str]:
    table = read_table(path)
    by_name = {name.lower(): name for name in table}
    place = next((by_name[name] for name in _PLACES if name in by_name), None)
    if place is None:
        raise BadInput(
            f"{path}: no column tells where images are: call one uri, path or file",
            reason="bad_table",
        )
    return named_by(path, table, place)


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
    # A table of cutouts that were written tells of what they were cut out as well.
    parts = [""] * len(table[place]) if place == "file" else _parts(table, by_name)
    for name, part in zip(table[place], parts, strict=True):
        yield str(path.parent / str(name).removeprefix(_FILE_SCHEME)) + part


def _parts(table: Columns, by_name: dict[str, str]) -> list[str]:
    """A selector for each row: HDU and section, as far as they are there."""
    count = len(next(iter(table.values())))
    keys = [""] * count
    if "hdu" in by_name:
        plain = [_NAME.sub("", str(key)).strip() for key in table[by_name["hdu"]]]
        keys = [f"[{key}]" if key else "" for key in plain]
    if not set(_EDGES) <= set(by_name):
        return keys
    edges = np.stack([table.numbers(by_name[name]) for name in _EDGES], axis=1)
    return [
        f"{key}[{x0 + 1:.0f}:{x1:.0f},{y0 + 1:.0f}:{y1:.0f}]"
        if np.isfinite((x0, y0, x1, y1)).all()
        else key
        for key, (x0, y0, x1, y1) in zip(keys, edges, strict=True)
    ]
