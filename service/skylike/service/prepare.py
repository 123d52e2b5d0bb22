"""From files to stamps, in other processes: the first half of every bulk job.

This module imports little, because every process that reads imports it anew.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skylike.service import fits, stamp, thumbnail
from skylike.service.catalog import SkyObject
from skylike.service.errors import BadCutout, BadInput
from skylike.service.stamp import StampSpec

SUFFIXES = (".fits", ".fit", ".fts")
PACKED = ("", ".gz", ".bz2", ".xz", ".fz", ".Z")
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Reject:
    """A file that gave no stamp, and why."""

    path: Path
    code: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A file, ready to be embedded."""

    object: SkyObject
    pixels: NDArray[np.float32]


def find_files(sources: Sequence[Path]) -> list[Path]:
    """Every FITS file under folders, and the files named, sorted, each once.

    In folders only names that end like FITS (``.fits``, ``.fit``, ``.fts``, also
    packed) count; a file that is named itself always does.

    Raises
    ------
    BadInput
        ``no_files`` if a source does not exist or nothing is found.
    """
    found: set[Path] = set()
    for source in sources:
        if source.is_dir():
            found |= {path for path in source.rglob("*") if _looks_like_fits(path)}
        elif source.exists():
            found.add(source)
        else:
            raise BadInput(f"{source}: no such file or folder", reason="no_files")
    if not found:
        names = ", ".join(map(str, sources))
        raise BadInput(f"no FITS files under {names}", reason="no_files")
    return sorted(found)


def prepare(
    files: Sequence[tuple[str, Path]],
    spec: StampSpec,
    *,
    workers: int,
    pictures: bool = True,
) -> Iterator[list[Prepared | Reject]]:
    """Read files and make their stamps, in other processes, in order.

    Parameters
    ----------
    files
        Id and path of each.
    spec
        What stamps to make.
    workers
        Processes; twice as many chunks are under way.
    pictures
        Whether to render thumbnails.

    Yields
    ------
    list
        The results of one chunk of files.
    """
    chunks = (files[i : i + _CHUNK] for i in range(0, len(files), _CHUNK))
    # Processes start afresh: the threads of onnxruntime do not survive a fork.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = (
            lambda c=chunk: pool.submit(_prepare_chunk, c, spec, pictures)
            for chunk in chunks
        )
        yield from _in_order(jobs, ahead=2 * workers)


def _in_order(
    jobs: Iterable[Callable[[], Future[list[Prepared | Reject]]]], ahead: int
) -> Iterator[list[Prepared | Reject]]:
    """Results in order, with at most `ahead` jobs begun and not taken."""
    running: deque[Future[list[Prepared | Reject]]] = deque()
    for begin in jobs:
        running.append(begin())
        if len(running) >= ahead:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _prepare_chunk(
    files: Sequence[tuple[str, Path]], spec: StampSpec, pictures: bool
) -> list[Prepared | Reject]:
    return [_prepare(object_id, path, spec, pictures) for object_id, path in files]


def _prepare(
    object_id: str, path: Path, spec: StampSpec, picture: bool
) -> Prepared | Reject:
    try:
        image = fits.read(path)
        made = stamp.make(image, spec)
        described = SkyObject(
            id=object_id,
            position=image.position,
            epoch_mjd=image.epoch_mjd,
            uri=text(path.resolve()),
            hdu=image.hdu,
            attributes=header_attributes(image),
            flags=made.flags,
            valid_fraction=made.valid_fraction,
            thumbnail=thumbnail.render(image) if picture else b"",
        )
    except BadCutout as error:
        return Reject(path, error.reason, str(error))
    except BadInput as error:
        return Reject(path, error.reason, f"{path}: {error}")
    return Prepared(described, made.pixels)


def text(path: Path) -> str:
    r"""A path as text that can be stored: bytes that are no UTF-8 become ``\udcXX``."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def header_attributes(image: fits.Image) -> dict[str, str | int | float | bool]:
    """What the header tells: ``name``, ``unit`` and ``pixel_scale_arcsec``."""
    attributes: dict[str, str | int | float | bool] = {}
    if image.name:
        attributes["name"] = image.name
    if image.unit:
        attributes["unit"] = image.unit
    if image.pixel_scale_arcsec is not None:
        attributes["pixel_scale_arcsec"] = image.pixel_scale_arcsec
    return attributes


def _looks_like_fits(path: Path) -> bool:
    name = path.name
    for packed in PACKED:
        if packed and not name.endswith(packed):
            continue
        if name.removesuffix(packed).lower().endswith(SUFFIXES):
            return path.is_file()
    return False
