"""From files to a collection: bulk indexing that never stops for one file.

Processes read files and make stamps, this one embeds and writes. Whatever gives
no stamp becomes a row of ``rejects.parquet``. Files that the collection holds
already are left alone, so that an interrupted run goes on where it stopped.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from skylike.service.collection import Collection, SkyObject
from skylike.service.encoder import Encoder
from skylike.service.errors import AlreadyExists
from skylike.service.fits import Options
from skylike.service.flags import Flag
from skylike.service.indexer.report import Report, write_rejects
from skylike.service.prepare import (
    Prepared,
    Reject,
    constant,
    file_uri,
    find_files,
    prepare,
    text,
)


def index(
    collection: Collection,
    encoder: Encoder,
    sources: Sequence[Path],
    *,
    workers: int = 2,
    options: Options | None = None,
    rejects: Path | None = None,
    progress: bool = False,
) -> Report:
    """Embed every file under `sources` and add it to a collection.

    An object's id is its path below the folder that holds all sources. A file is
    known by where it lies, whatever id it was given.

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
    options
        How to read the files.
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
    uris = [file_uri(path) for path in paths]
    known = collection.known_uris(uris)
    new = [path for path, uri in zip(paths, uris, strict=True) if uri not in known]
    named = list(zip(object_ids(new, sources), new, strict=True))
    taken = collection.known(object_id for object_id, _ in named)
    refused = [_clash(path, collection.get(id)) for id, path in named if id in taken]
    todo = [(id, path) for id, path in named if id not in taken]
    indexed = 0
    with (
        tqdm(
            total=len(todo), desc="indexing", unit="file", disable=not progress
        ) as bar,
        collection.bulk(),
    ):
        for chunk in prepare(todo, encoder.spec, workers=workers, options=options):
            ready = [item for item in chunk if isinstance(item, Prepared)]
            refused += [item for item in chunk if isinstance(item, Reject)]
            if ready:
                vectors = encoder.embed(np.stack([item.pixels for item in ready]))
                collection.add([item.object for item in ready], vectors)
            indexed += len(ready)
            bar.update(len(chunk))
            bar.set_postfix(rejects=len(refused))
    if rejects is not None:
        write_rejects(rejects, refused)
    num_known = len(paths) - len(new)
    return Report(indexed, num_known, tuple(refused), time.monotonic() - began)


def embed_files(
    encoder: Encoder,
    sources: Sequence[Path],
    *,
    workers: int = 2,
    options: Options | None = None,
) -> tuple[NDArray[np.float32], tuple[Reject, ...]]:
    """Vectors of the files under `sources`: (n, D); and what gave none, and why."""
    paths = find_files(sources)
    vectors = [np.empty((0, encoder.dimension), np.float32)]
    refused: list[Reject] = []
    named = [(text(path), path) for path in paths]
    for chunk in prepare(
        named, encoder.spec, workers=workers, options=options, pictures=False
    ):
        pixels = []
        for item in chunk:
            if isinstance(item, Reject):
                refused.append(item)
            elif Flag.CONSTANT in item.object.flags:
                refused.append(constant(Path(item.object.id)))
            else:
                pixels.append(item.pixels)
        if pixels:
            vectors.append(encoder.embed(np.stack(pixels)))
    return np.concatenate(vectors), tuple(refused)


def object_ids(paths: Sequence[Path], sources: Sequence[Path]) -> list[str]:
    """Path of each file below the deepest folder that holds all sources."""
    folders = [s if s.is_dir() else s.parent for s in sources]
    root = Path(os.path.commonpath([folder.absolute() for folder in folders]))
    return [text(path.absolute().relative_to(root)) for path in paths]


def _clash(path: Path, other: SkyObject) -> Reject:
    message = (
        f"{path}: the collection has an object {other.id!r} already, from {other.uri}; "
        "index the folders of both in one run, or into two collections"
    )
    return Reject(path, AlreadyExists.reason, message)
