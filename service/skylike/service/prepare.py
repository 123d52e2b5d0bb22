"""From files to stamps, in other processes: the first half of every bulk job.

This module imports little, because every process that reads imports it.
"""

import dataclasses
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skylike.service import fits, stamp, thumbnail
from skylike.service.catalog import SkyObject
from skylike.service.errors import BadInput
from skylike.service.fits import selector
from skylike.service.fits.address import uris_of
from skylike.service.fits.header import Header
from skylike.service.processes import ProcessDied, Processes
from skylike.service.stamp import Stamp, StampSpec

_CHUNK = 64
_LARGEST = 2**63  # of the numbers an attribute can be

STAMP_ATTRIBUTES = ("stamp_pixel_scale_arcsec", "stamp_resolution_pixels")
"""What an object's attributes tell of its stamp, which depends on the model."""

Attribute: TypeAlias = str | int | float | bool
_NOTHING: Mapping[str, Attribute] = {}


@dataclass(frozen=True, slots=True)
class Source:
    """One image that a bulk job reads, and what is known of it beforehand.

    Attributes
    ----------
    image
        As `fits.read` takes it: a file, perhaps with a selector.
    id
        What it is called.
    is_named
        Whether somebody calls it so; else that is where it lies.
    box
        Which of its pixels; it may reach beyond them. None for all, or what the
        selector says.
    position
        Where it is on the sky; None for what the file says.
    attributes
        To be kept beside those that the file gives, or instead.
    labels
        To be kept.
    """

    image: str
    id: str
    is_named: bool = False
    box: fits.Box | None = None
    position: fits.SkyPosition | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: _NOTHING)
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reject:
    """An image that gave no stamp, and why; `path` is as `Source.image`."""

    path: str
    code: str
    message: str


def constant(path: str) -> Reject:
    """A file where nothing can be told apart: no use in training or calibration."""
    return Reject(path, "constant", f"{path}: every pixel has the same value")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A file, ready to be embedded."""

    object: SkyObject
    pixels: NDArray[np.float32]


_Results: TypeAlias = list[Prepared | Reject]
_Running: TypeAlias = tuple[Sequence[Source], Future[_Results]]
_Readers: TypeAlias = Processes[Sequence[Source], _Results]


def prepare(
    sources: Sequence[Source],
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
    sources
        What to read. Neighbours of one file are read while it is open.
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
        The results of one chunk of sources. A file that kills its process, as the
        kernel does when memory runs out, is a `Reject` with the code ``crashed``.

    Raises
    ------
    Overloaded
        ``no_processes`` if none can be started.
    """
    task = _Task(spec, options or fits.Options(), pictures, tuple(keywords))
    running: deque[_Running] = deque()
    with Processes(partial(_prepare_chunk, task), workers) as processes:
        for start in range(0, len(sources), _CHUNK):
            chunk = sources[start : start + _CHUNK]
            running.append((chunk, processes.submit(chunk)))
            if len(running) >= 2 * workers:
                yield _results(processes, running)
        while running:
            yield _results(processes, running)


def _results(processes: _Readers, running: deque[_Running]) -> _Results:
    """The results of the chunk that has been under way for longest."""
    sources, future = running.popleft()
    try:
        return future.result()
    except ProcessDied:
        # Something in it, or the machine, killed the process: all other work comes to
        # its end, so that this is done again alone.
        wait([other for _, other in running])
        return _with_care(processes, sources)


def _with_care(processes: _Readers, sources: Sequence[Source]) -> _Results:
    """Results of files of which one may kill the process that reads it."""
    try:
        return processes.submit(sources).result()
    except ProcessDied:
        if len(sources) == 1:
            path = sources[0].image
            message = f"{path}: the process that read it died; it may lack memory"
            return [Reject(path, "crashed", message)]
        half = len(sources) // 2
        return [
            *_with_care(processes, sources[:half]),
            *_with_care(processes, sources[half:]),
        ]


@dataclass(frozen=True, slots=True)
class _Task:
    """What to make of every file."""

    spec: StampSpec
    options: fits.Options
    pictures: bool
    keywords: tuple[str, ...]


def _prepare_chunk(task: _Task, sources: Sequence[Source]) -> _Results:
    found: _Results = []
    uris = uris_of(one.image for one in sources)
    for (image, uri), each in groupby(
        zip(sources, uris, strict=True), lambda pair: (pair[0].image, pair[1])
    ):
        found += _prepare_file(image, uri, [source for source, _ in each], task)
    return found


def _prepare_file(
    image: str, uri: str, sources: Sequence[Source], task: _Task
) -> _Results:
    found: _Results = []
    with _rejecting(image) as told, fits.opened(image, task.options) as frame:
        for source in sources:
            with _rejecting(image) as refused:
                found.append(_prepare(frame, uri, source, task))
            found += refused
    return found + (len(sources) - len(found)) * told


@contextmanager
def _rejecting(path: str) -> Iterator[list[Reject]]:
    """A list that holds, afterwards, why a file gave no stamp."""
    told: list[Reject] = []
    try:
        yield told
    except BadInput as error:
        is_named = str(error).startswith(f"{path}: ")
        message = str(error) if is_named else f"{path}: {error}"
        told.append(Reject(path, error.reason, message))
    except MemoryError:
        message = f"{path}: it does not fit into memory"
        told.append(Reject(path, "size_limit", message))


def _prepare(frame: fits.Frame, uri: str, source: Source, task: _Task) -> Prepared:
    image = frame.read(source.box)
    made = stamp.make(image, task.spec)
    described = describe(source.id, image, made, uri, task.pictures)
    cards = _cards(image.header, task.keywords) if image.header else {}
    box = source.box or part_of(source.image, task.options).box
    if cards or source.attributes or source.position or source.labels or box:
        described = dataclasses.replace(
            described,
            box=dataclasses.astuple(box) if box else None,
            position=source.position or described.position,
            attributes={**described.attributes, **cards, **source.attributes},
            labels=source.labels,
        )
    return Prepared(described, made.pixels)


def _cards(header: Header, keywords: Sequence[str]) -> dict[str, Attribute]:
    """The values of cards that are there; text on one printable line."""
    found: dict[str, Attribute] = {}
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


def part_of(image: str, options: fits.Options) -> selector.Selector:
    """Which part of a file is read, as far as its name and options say.

    Raises
    ------
    BadCutout
        ``bad_selector``.
    """
    _, part = selector.locate(image)
    part = options.hdu or part
    return selector.parse(part) if part else selector.Selector()


def seen_attributes(image: fits.Image, made: Stamp) -> dict[str, Attribute]:
    """What header and stamp tell of an object; what is unknown is left out."""
    beam = image.beam
    of_stamp = made.pixel_scale_arcsec, made.resolution_pixels
    known: dict[str, str | float | None] = {
        "name": image.name or None,
        "unit": image.unit or None,
        "pixel_scale_arcsec": image.pixel_scale_arcsec,
        "beam_major_arcsec": beam.major_arcsec if beam else None,
        "beam_minor_arcsec": beam.minor_arcsec if beam else None,
        "beam_angle_deg": beam.angle_deg if beam else None,
        "seeing_arcsec": image.seeing_arcsec,
        **dict(zip(STAMP_ATTRIBUTES, of_stamp, strict=True)),
    }
    return {name: value for name, value in known.items() if value is not None}
