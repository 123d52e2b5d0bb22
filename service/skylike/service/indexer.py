"""From files to a collection: bulk indexing that never stops for one file.

Processes read files and make stamps, this one embeds and writes. Whatever gives
no stamp becomes a row of ``rejects.parquet``. What is already in the collection
is left alone, so that an interrupted run goes on where it stopped.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from skylike.service.collection import Collection
from skylike.service.encoder import Encoder
from skylike.service.flags import Flag
from skylike.service.prepare import Prepared, Reject, find_files, prepare, text

_REJECTS = pa.schema(
    [
        ("path", pa.string()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
    ]
)


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
        [(text(p), p) for p in paths], encoder.spec, workers=workers, pictures=False
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
    return [text(path.absolute().relative_to(root)) for path in paths]


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write the table of files that were not indexed, possibly with no row."""
    now = datetime.now(UTC)
    rows = [
        {
            "path": text(reject.path),
            "code": reject.code,
            "message": text(Path(reject.message)),
            "time": now,
        }
        for reject in rejects
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, _REJECTS), path)
