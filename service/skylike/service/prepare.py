"""From files to stamps, in other processes: the first half of every bulk job.

This module imports little, because every process that reads imports it anew.
"""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import fits, stamp, thumbnail
from skylike.service.catalog import SkyObject
from skylike.service.errors import BadCutout, BadInput, NotReady
from skylike.service.stamp import StampSpec

SUFFIXES = (".fits", ".fit", ".fts")
PACKED = (".gz", ".bz2", ".xz", ".fz", ".z")
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
            raise BadInput(f"{source}: no such file or folder", reason="no_files")
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

    Raises
    ------
    NotReady
        ``no_processes`` if none can be started.
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
            _require_processes()
            yield _with_care(chunks[done], spec, pictures)
            done += 1


def _in_order(
    chunks: Sequence[_Files], spec: StampSpec, workers: int, pictures: bool
) -> Iterator[list[Prepared | Reject]]:
    """Results in order, with at most twice as many chunks under way as workers."""
    running: deque[Future[list[Prepared | Reject]]] = deque()
    with _pool(workers) as pool:
        for chunk in chunks:
            running.append(pool.submit(_prepare_chunk, chunk, spec, pictures))
            if len(running) >= 2 * workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _pool(workers: int) -> ProcessPoolExecutor:
    # Processes start afresh: the threads of onnxruntime do not survive a fork.
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start)


def _start() -> None:
    """Prepare a process that reads: one BLAS thread, and no life of its own.

    Several threads would wait for each other. The limit holds because this module
    has imported numpy by then.
    """
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process that is killed cannot stop its children: they watch it themselves."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _require_processes() -> None:
    """Tell a file that kills its process from processes that never start."""
    try:
        with _pool(1) as pool:
            pool.submit(_start).result()
    except BrokenProcessPool as error:
        raise NotReady(
            "no process to read files can be started: memory may be short; a script "
            "that calls this needs an `if __name__ == '__main__':`",
            reason="no_processes",
        ) from error


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
    return text(_place(path))


def _place(path: Path) -> Path:
    # Unlike Path.resolve, this does not stumble over links that go round in a circle.
    return Path(os.path.realpath(path))


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
    return stem(path.name) != path.name and not path.is_dir()


def stem(name: str) -> str:
    """A file's name without what marks it as FITS: ``J0123.4.fits.gz`` is ``J0123.4``.

    Other names stay as they are.
    """
    bare = name
    for packed in PACKED:
        if bare.lower().endswith(packed):
            bare = bare[: -len(packed)]
            break
    for suffix in SUFFIXES:
        if bare.lower().endswith(suffix):
            return bare[: -len(suffix)]
    return name
