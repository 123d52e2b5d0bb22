"""From files to a collection: bulk indexing that never stops for one file.

Processes read files and make stamps, this one embeds and writes; at most a few
chunks are under way, so that memory stays flat. Whatever gives no stamp becomes
a row of ``rejects.parquet``. What is already in the collection is left alone,
so that an interrupted run goes on where it stopped.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from skylike.service import fits, stamp, thumbnail
from skylike.service.collection import Collection, SkyObject
from skylike.service.encoder import Encoder
from skylike.service.errors import BadInput
from skylike.service.flags import Flag
from skylike.service.stamp import StampSpec

SUFFIXES = (".fits", ".fit", ".fts")
PACKED = ("", ".gz", ".bz2", ".xz", ".fz", ".Z")
_CHUNK = 64
_REJECTS = pa.schema(
    [
        ("path", pa.string()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Reject:
    """A file that gave no stamp, and why."""

    path: Path
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Attributes
    ----------
    indexed, known
        Objects added, and files that were in the collection before.
    rejects
        Files that gave no stamp.
    seconds
        Wall time.
    """

    indexed: int
    known: int
    rejects: tuple[Reject, ...]
    seconds: float


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


def index(
    collection: Collection,
    encoder: Encoder,
    sources: Sequence[Path],
    *,
    workers: int = 2,
    rejects: Path | None = None,
    progress: bool = False,
) -> Report:
    """Embed every file under `sources` and add it to a collection.

    An object's id is its path below the folder that holds all sources.

    Parameters
    ----------
    collection
        Where to add.
    encoder
        The collection's model.
    sources
        Files and folders.
    workers
        Processes that read.
    rejects
        Table to write of what was not indexed: path, code, message, time.
    progress
        Whether to show a bar.

    Returns
    -------
    Report
        What was done. Rows are durable when this returns.
    """
    began = time.monotonic()
    paths = find_files(sources)
    ids = dict(zip(paths, object_ids(paths, sources), strict=True))
    known = collection.known(ids.values())
    todo = [(ids[path], path) for path in paths if ids[path] not in known]
    refused: list[Reject] = []
    indexed = 0
    with tqdm(
        total=len(todo), desc="indexing", unit="file", disable=not progress
    ) as bar:
        for chunk in prepare(todo, encoder.spec, workers=workers):
            ready = [item for item in chunk if isinstance(item, Prepared)]
            refused += [item for item in chunk if isinstance(item, Reject)]
            if ready:
                vectors = encoder.embed(np.stack([item.pixels for item in ready]))
                collection.add([item.object for item in ready], vectors)
            indexed += len(ready)
            bar.update(len(chunk))
            bar.set_postfix(rejects=len(refused))
    collection.compact()
    if rejects is not None:
        write_rejects(rejects, refused)
    return Report(indexed, len(known), tuple(refused), time.monotonic() - began)


def embed_files(
    encoder: Encoder, sources: Sequence[Path], *, workers: int = 2
) -> NDArray[np.float32]:
    """Vectors of every readable, not constant file under `sources`: (n, D)."""
    paths = find_files(sources)
    vectors = [np.empty((0, encoder.dimension), np.float32)]
    for chunk in prepare(
        [(str(p), p) for p in paths], encoder.spec, workers=workers, pictures=False
    ):
        pixels = [
            item.pixels
            for item in chunk
            if isinstance(item, Prepared) and Flag.CONSTANT not in item.object.flags
        ]
        if pixels:
            vectors.append(encoder.embed(np.stack(pixels)))
    return np.concatenate(vectors)


def object_ids(paths: Sequence[Path], sources: Sequence[Path]) -> list[str]:
    """Path of each file below the deepest folder that holds all sources."""
    folders = [s if s.is_dir() else s.parent for s in sources]
    root = Path(os.path.commonpath([folder.absolute() for folder in folders]))
    return [path.absolute().relative_to(root).as_posix() for path in paths]


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
    except BadInput as error:
        return Reject(path, error.reason, str(error))
    attributes: dict[str, str | int | float | bool] = {}
    if image.name:
        attributes["name"] = image.name
    if image.unit:
        attributes["unit"] = image.unit
    if image.pixel_scale_arcsec is not None:
        attributes["pixel_scale_arcsec"] = image.pixel_scale_arcsec
    described = SkyObject(
        id=object_id,
        position=image.position,
        epoch_mjd=image.epoch_mjd,
        uri=str(path.resolve()),
        hdu=image.hdu,
        attributes=attributes,
        flags=made.flags,
        valid_fraction=made.valid_fraction,
        thumbnail=thumbnail.render(image) if picture else b"",
    )
    return Prepared(described, made.pixels)


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write the table of files that were not indexed, possibly with no row."""
    now = datetime.now(UTC)
    rows = [
        {
            "path": str(reject.path),
            "code": reject.code,
            "message": reject.message,
            "time": now,
        }
        for reject in rejects
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, _REJECTS), path)


def _looks_like_fits(path: Path) -> bool:
    name = path.name
    for packed in PACKED:
        if packed and not name.endswith(packed):
            continue
        if name.removesuffix(packed).lower().endswith(SUFFIXES):
            return path.is_file()
    return False
