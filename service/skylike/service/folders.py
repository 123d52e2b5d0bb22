"""FITS files below folders."""

import os
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path

from skylike.service import fits
from skylike.service.errors import BadInput
from skylike.service.fits.address import place_of


def find_files(
    sources: Iterable[str | PathLike[str]], roots: Sequence[Path] | None = None
) -> list[str]:
    """Every FITS file under folders, and the files named, sorted, each once.

    In folders only names that end like FITS (``.fits``, ``.fit``, ``.fts``, also
    packed) count; a file that is named itself always does. Links are followed, to
    files and folders. A folder that cannot be opened stands in the result itself, so
    that reading it tells why; and so does a link that leads out of `roots`, if there
    are any: nothing is told of what lies there.

    Raises
    ------
    BadInput
        ``no_files`` if a source does not exist or nothing is found.
    """
    found: dict[str, str] = {}
    folders: dict[str, str] = {}
    named = [os.fspath(source) for source in sources]
    inside = None if roots is None else [os.path.realpath(root) for root in roots]
    for source in named:
        for path in _below(source, inside):
            found.setdefault(place_of(path, folders), path)
    if not found:
        raise BadInput(f"no FITS files under {', '.join(named)}", reason="no_files")
    return sorted(found.values())


def _below(source: str, inside: Sequence[str] | None) -> Iterable[str]:
    if os.path.isdir(source):
        return _walk(source, inside)
    if os.path.exists(source):
        return [source]
    hint = ": say which part to read by --hdu" if "[" in source else ""
    raise BadInput(f"{source}: no such file or folder{hint}", reason="no_files")


def _walk(folder: str, inside: Sequence[str] | None) -> Iterator[str]:
    """FITS files below a folder, and folders that cannot or must not be opened."""
    closed: list[str] = []
    visited: set[str] = set()
    for root, folders, names in os.walk(
        folder,
        followlinks=True,
        onerror=lambda error: closed.append(error.filename),
    ):
        place = os.path.realpath(root)
        if place in visited:  # a link to a folder above it
            folders.clear()
            continue
        visited.add(place)
        if inside is not None and not any(map(Path(place).is_relative_to, inside)):
            folders.clear()
            yield root
            continue
        # What `os.walk` calls a file is none that is a folder.
        yield from (os.path.join(root, name) for name in names if fits.is_fits(name))
    yield from closed
