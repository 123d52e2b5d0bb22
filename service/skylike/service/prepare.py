"""From files to stamps, in other processes: the first half of every bulk job.

This module imports little, because every process that reads imports it anew.
"""

import dataclasses
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skylike.service import fits, stamp, thumbnail
from skylike.service.catalog import SkyObject
from skylike.service.errors import BadCutout, BadInput
from skylike.service.fits import selector
from skylike.service.fits.header import Header
from skylike.service.processes import ProcessDied, Processes
from skylike.service.stamp import Stamp, StampSpec

_CHUNK = 64
_LARGEST = 2**63  # of the numbers an attribute can be

_Files: TypeAlias = Sequence[tuple[str, Path | str]]  # id of each, and what is read


@dataclass(frozen=True, slots=True)
class Reject:
    """A file that gave no stamp, and why."""

    path: Path
    code: str
    message: str


def constant(path: Path) -> Reject:
    """A file where nothing can be told apart: no use in training or calibration."""
    return Reject(path, "constant", f"{path}: every pixel has the same value")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A file, ready to be embedded."""

    object: SkyObject
    pixels: NDArray[np.float32]


_Results: TypeAlias = list[Prepared | Reject]
_Running: TypeAlias = tuple[_Files, Future[_Results]]
_Readers: TypeAlias = Processes[_Files, _Results]


def find_files(sources: Sequence[Path]) -> list[Path]:
    """Every FITS file under folders, and the files named, sorted, each once.

    In folders only names that end like FITS (``.fits``, ``.fit``, ``.fts``, also
    packed) count; a file that is named itself always does. Links are followed, to
    files and folders. A folder that cannot be opened stands in the result itself, so
    that reading it tells why.

    Raises
    ------
    BadInput
        ``no_files`` if a source does not exist or nothing is found.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        if source.is_dir():
            paths = list(_walk(source))
        elif source.exists():
            paths = [source]
        else:
            hint = ": say which part to read by --hdu" if "[" in source.name else ""
            raise BadInput(f"{source}: no such file or folder{hint}", reason="no_files")
        for path in paths:
            found.setdefault(_place(path), path)
    if not found:
        names = ", ".join(map(str, sources))
        raise BadInput(f"no FITS files under {names}", reason="no_files")
    return sorted(found.values())


def _walk(folder: Path) -> Iterator[Path]:
    """FITS files below a folder, and folders that cannot be opened."""
    closed: list[Path] = []
    visited: set[Path] = set()
    for root, folders, names in os.walk(
        folder,
        followlinks=True,
        onerror=lambda error: closed.append(Path(error.filename)),
    ):
        here = Path(root)
        if _place(here) in visited:  # a link to a folder above it
            folders.clear()
            continue
        visited.add(_place(here))
        yield from (here / name for name in names if _looks_like_fits(here / name))
    yield from closed


def prepare(
    files: _Files,
    spec: StampSpec,
    *,
    workers: int,
    options: fits.Options | None = None,
    pictures: bool = True,
    keywords: Sequence[str] = (),
) -> Generator[list[Prepared | Reject]]:
    """Read files and make their stamps, in other processes, in order.

    Parameters
    ----------
    files
        Id of each, and its path, as text with a selector if it likes.
    spec
        What stamps to make.
    workers
        Processes; twice as many chunks are under way.
    options
        How to read the files.
    pictures
        Whether to render thumbnails.
    keywords
        Cards of the header to keep as attributes.

    Yields
    ------
    list
        The results of one chunk of files. A file that kills its process, as the
        kernel does when memory runs out, is a `Reject` with the code ``crashed``.

    Raises
    ------
    NotReady
        ``no_processes`` if none can be started.
    """
    task = _Task(spec, options or fits.Options(), pictures, tuple(keywords))
    running: deque[_Running] = deque()
    with Processes(partial(_prepare_chunk, task), workers) as processes:
        for start in range(0, len(files), _CHUNK):
            chunk = files[start : start + _CHUNK]
            running.append((chunk, processes.submit(chunk)))
            if len(running) >= 2 * workers:
                yield _results(processes, running)
        while running:
            yield _results(processes, running)


def _results(processes: _Readers, running: deque[_Running]) -> _Results:
    """The results of the chunk that has been under way for longest."""
    files, future = running.popleft()
    try:
        return future.result()
    except ProcessDied:
        # Something in it, or the machine, killed the process: all other work comes to
        # its end, so that this is done again alone.
        wait([other for _, other in running])
        return _with_care(processes, files)


def _with_care(processes: _Readers, files: _Files) -> _Results:
    """Results of files of which one may kill the process that reads it."""
    try:
        return processes.submit(files).result()
    except ProcessDied:
        if len(files) == 1:
            path = Path(files[0][1])
            message = f"{path}: the process that read it died; it may lack memory"
            return [Reject(path, "crashed", message)]
        half = len(files) // 2
        return [
            *_with_care(processes, files[:half]),
            *_with_care(processes, files[half:]),
        ]


@dataclass(frozen=True, slots=True)
class _Task:
    """What to make of every file."""

    spec: StampSpec
    options: fits.Options
    pictures: bool
    keywords: tuple[str, ...]


def _prepare_chunk(task: _Task, files: _Files) -> _Results:
    return [_prepare(object_id, path, task) for object_id, path in files]


def _prepare(object_id: str, source: Path | str, task: _Task) -> Prepared | Reject:
    path = Path(source)
    try:
        image = fits.read(source, task.options)
        made = stamp.make(image, task.spec)
        described = describe(object_id, image, made, uri_of(source), task.pictures)
        box = part_of(source, task.options).box
        if box is not None:
            described = dataclasses.replace(described, box=dataclasses.astuple(box))
        if task.keywords and image.header:
            cards = _cards(image.header, task.keywords)
            attributes = {**described.attributes, **cards}
            described = dataclasses.replace(described, attributes=attributes)
    except BadCutout as error:
        return Reject(path, error.reason, str(error))
    except BadInput as error:
        return Reject(path, error.reason, f"{path}: {error}")
    except MemoryError:
        return Reject(path, "size_limit", f"{path}: it does not fit into memory")
    return Prepared(described, made.pixels)


def _cards(
    header: Header, keywords: Sequence[str]
) -> dict[str, str | int | float | bool]:
    """The values of cards that are there; text on one printable line."""
    found: dict[str, str | int | float | bool] = {}
    for keyword in keywords:
        value = header.get(keyword)
        if isinstance(value, str):
            found[keyword] = header.text(keyword)
        elif value is not None and abs(value) < _LARGEST:
            found[keyword] = value
    return found


def describe(
    object_id: str, image: fits.Image, made: Stamp, uri: str, picture: bool = True
) -> SkyObject:
    """What to store of an image beside its vector."""
    return SkyObject(
        id=object_id,
        position=image.position,
        epoch_mjd=image.epoch_mjd,
        uri=uri,
        hdu=image.hdu,
        attributes=seen_attributes(image, made),
        flags=made.flags,
        valid_fraction=made.valid_fraction,
        thumbnail=thumbnail.render(image) if picture else b"",
    )


def text(path: Path) -> str:
    r"""A path as text that can be stored: bytes that are no UTF-8 become ``\udcXX``."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def uri_of(source: Path | str) -> str:
    """Where what is read lies, links followed: what a collection knows it by."""
    place, _ = selector.locate(str(source))
    return place if isinstance(place, str) else text(_place(place))


def part_of(source: Path | str, options: fits.Options) -> selector.Selector:
    """Which part of a file is read, as far as source and options say.

    Raises
    ------
    BadCutout
        ``bad_selector``.
    """
    _, part = selector.locate(str(source))
    part = part or options.hdu
    return selector.parse(part) if part else selector.Selector()


def _place(path: Path) -> Path:
    # Unlike Path.resolve, this does not stumble over links that go round in a circle.
    return Path(os.path.realpath(path))


def seen_attributes(
    image: fits.Image, made: Stamp
) -> dict[str, str | int | float | bool]:
    """What header and stamp tell of an object; what is unknown is left out."""
    beam = image.beam
    known: dict[str, str | float | None] = {
        "name": image.name or None,
        "unit": image.unit or None,
        "pixel_scale_arcsec": image.pixel_scale_arcsec,
        "beam_major_arcsec": beam.major_arcsec if beam else None,
        "beam_minor_arcsec": beam.minor_arcsec if beam else None,
        "beam_angle_deg": beam.angle_deg if beam else None,
        "seeing_arcsec": image.seeing_arcsec,
        "stamp_pixel_scale_arcsec": made.pixel_scale_arcsec,
        "stamp_resolution_pixels": made.resolution_pixels,
    }
    return {name: value for name, value in known.items() if value is not None}


def _looks_like_fits(path: Path) -> bool:
    return fits.stem(path.name) != path.name and not path.is_dir()
