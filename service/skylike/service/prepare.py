"""From files to stamps, in other processes: the first half of every bulk job.

This module imports little, because every process that reads imports it anew.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import fits, stamp, thumbnail
from skylike.service.catalog import SkyObject
from skylike.service.errors import BadCutout, BadInput
from skylike.service.stamp import StampSpec

SUFFIXES = (".fits", ".fit", ".fts")
PACKED = ("", ".gz", ".bz2", ".xz", ".fz", ".Z")
_CHUNK = 64

_Files = Sequence[tuple[str, Path]]  # id and path of each


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


def find_files(sources: Sequence[Path]) -> list[Path]:
    """Every FITS file under folders, and the files named, sorted, each once.

    In folders only names that end like FITS (``.fits``, ``.fit``, ``.fts``, also
    packed) count; a file that is named itself always does.

    Raises
    ------
    BadInput
        ``no_files`` if a source does not exist or nothing is found.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        if source.is_dir():
            paths = [path for path in source.rglob("*") if _looks_like_fits(path)]
        elif source.exists():
            paths = [source]
        else:
            raise BadInput(f"{source}: no such file or folder", reason="no_files")
        found |= {path.absolute(): path for path in paths}
    if not found:
        names = ", ".join(map(str, sources))
        raise BadInput(f"no FITS files under {names}", reason="no_files")
    return sorted(found.values())


def prepare(
    files: _Files,
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
        The results of one chunk of files. A file that kills its process, as the
        kernel does when memory runs out, is a `Reject` with the code ``crashed``.
    """
    chunks = [files[i : i + _CHUNK] for i in range(0, len(files), _CHUNK)]
    done = 0
    while done < len(chunks):
        try:
            for results in _in_order(chunks[done:], spec, workers, pictures):
                yield results
                done += 1
        except BrokenProcessPool:
            # Something in these chunks, or the machine, killed a process. Whatever
            # was under way is lost and done again, the first chunk with care.
            yield _with_care(chunks[done], spec, pictures)
            done += 1


def _in_order(
    chunks: Sequence[_Files], spec: StampSpec, workers: int, pictures: bool
) -> Iterator[list[Prepared | Reject]]:
    """Results in order, with at most twice as many chunks under way as workers."""
    running: deque[Future[list[Prepared | Reject]]] = deque()
    # Processes start afresh: the threads of onnxruntime do not survive a fork. One
    # BLAS thread each: stamps are small, and threads would wait for each other.
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=threadpool_limits, initargs=(1,)
    ) as pool:
        for chunk in chunks:
            running.append(pool.submit(_prepare_chunk, chunk, spec, pictures))
            if len(running) >= 2 * workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _with_care(
    files: _Files, spec: StampSpec, pictures: bool
) -> list[Prepared | Reject]:
    """Results of files of which one may kill the process that reads it."""
    try:
        [results] = _in_order([files], spec, 1, pictures)
    except BrokenProcessPool:
        if len(files) == 1:
            path = files[0][1]
            message = f"{path}: the process that read it died; it may lack memory"
            return [Reject(path, "crashed", message)]
        half = len(files) // 2
        return [
            *_with_care(files[:half], spec, pictures),
            *_with_care(files[half:], spec, pictures),
        ]
    return results


def _prepare_chunk(
    files: _Files, spec: StampSpec, pictures: bool
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
            uri=file_uri(path),
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
    except MemoryError:
        return Reject(path, "size_limit", f"{path}: it does not fit into memory")
    return Prepared(described, made.pixels)


def text(path: Path) -> str:
    r"""A path as text that can be stored: bytes that are no UTF-8 become ``\udcXX``."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def file_uri(path: Path) -> str:
    """Where a file lies, links followed: what a collection knows it by."""
    return text(path.resolve())


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
