"""From files to a collection: bulk indexing that never stops for one file.

Processes read files and make stamps, this one embeds, and a thread writes, all at the
same time. Whatever gives no stamp is told, with the reason.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.collection import Collection, SkyObject
from skylike.service.encoder import Encoder
from skylike.service.errors import BadInput
from skylike.service.fits import Options
from skylike.service.fits.address import text
from skylike.service.flags import Flag
from skylike.service.indexer.manifest import Manifest, identity
from skylike.service.indexer.report import Report
from skylike.service.indexer.work import work_of
from skylike.service.prepare import Prepared, Reject, Source, constant, prepare
from skylike.service.progress import Progress, Shown, Watched

_MANIFEST = "indexing.jsonl"
_SHARD = 1024  # images that become durable together


def index(
    collection: Collection,
    encoder: Encoder,
    sources: Sequence[Source],
    *,
    workers: int = 2,
    options: Options | None = None,
    refused: list[Reject] | None = None,
    max_reject_fraction: float = 1.0,
    shown: Watched = Shown.NOT,
) -> Report:
    """Embed images and add them to a collection.

    What the collection has already is left alone: an image is known by where it lies.
    What a run had rejected when it was killed is not read again: its manifest remembers.

    Parameters
    ----------
    collection
        Where to add.
    encoder
        The collection's model.
    sources
        The images, as `find_sources` finds them.
    workers
        Processes that read.
    options
        How to read the files.
    refused
        What is rejected is put here, also where an error ends this; what is there
        already counts as the others.
    max_reject_fraction
        Of all images; more rejects than that end the run.
    shown
        Where to show progress.

    Returns
    -------
    Report
        What was done. Rows are durable when this returns.

    Raises
    ------
    BadInput
        ``too_many_rejects``; what was indexed until then stays.
    """
    began = time.monotonic()
    refused = [] if refused is None else refused
    with collection.bulk(shown=shown):
        indexed, num_known = add_sources(
            collection,
            encoder,
            sources,
            refused,
            workers=workers,
            options=options or Options(),
            most_rejects=max_reject_fraction * (len(sources) + len(refused)),
            shown=shown,
        )
    return Report(indexed, num_known, tuple(refused), time.monotonic() - began)


def add_sources(
    collection: Collection,
    encoder: Encoder,
    sources: Sequence[Source],
    refused: list[Reject],
    *,
    workers: int,
    options: Options,
    most_rejects: float,
    shown: Watched,
) -> tuple[int, int]:
    """As `index`, as a part of a larger work.

    Parameters
    ----------
    refused
        What is rejected is put here, also where an error ends this.
    most_rejects
        More of them end this.

    Returns
    -------
    indexed, known
        How many were added, and how many the collection had.
    """
    names = (part for one in sources for part in (one.image, one.id, repr(one.box)))
    run = identity([collection.model_id, repr(options), *names])
    with Manifest(collection.directory / _MANIFEST, run) as manifest:
        work = work_of(collection, sources, options, manifest.rejected)
        refused += [*manifest.rejected.values(), *work.rejects]
        require_few(refused, most_rejects, manifest)
        ready = prepare(work.new, encoder.spec, workers=workers, options=options)
        indexed = 0
        with (
            Progress("indexing", len(work.new), "image", shown) as progress,
            closing(ready) as chunks,
            ThreadPoolExecutor(1, "writes") as thread,
        ):
            writing: Future[None] | None = None
            for shard in _shards(chunks, work.new, encoder, progress):
                if writing is not None:
                    writing.result()
                writing = thread.submit(_write, collection, shard, manifest)
                indexed += len(shard.objects)
                refused += [reject for _, reject in shard.rejects]
                require_few(refused, most_rejects, manifest)
            if writing is not None:
                writing.result()
        manifest.is_done = True
    return indexed, work.num_known


def calibration_of(
    encoder: Encoder,
    images: Sequence[str],
    *,
    workers: int = 2,
    options: Options | None = None,
) -> tuple[NDArray[np.float32], tuple[Reject, ...]]:
    """Vectors of ordinary objects, (m, D), m >= 1; and what gave none, and why.

    Parameters
    ----------
    images
        As `find_images` names them.

    Raises
    ------
    BadInput
        ``no_files`` if none of them can be used.
    """
    vectors, rejects = embed_files(encoder, images, workers=workers, options=options)
    if not len(vectors):
        raise BadInput(
            "none of the calibration files can be used; the fit stays as it was",
            reason="no_files",
        )
    return vectors, rejects


def embed_files(
    encoder: Encoder,
    images: Sequence[str],
    *,
    workers: int = 2,
    options: Options | None = None,
) -> tuple[NDArray[np.float32], tuple[Reject, ...]]:
    """Vectors of images: (n, D); and what gave none, and why."""
    vectors = [np.empty((0, encoder.dimension), np.float32)]
    refused: list[Reject] = []
    found = [Source(image, text(image)) for image in images]
    ready = prepare(
        found, encoder.spec, workers=workers, options=options, pictures=False
    )
    with closing(ready) as chunks:
        for chunk in chunks:
            caller.check()
            pixels = []
            for item in chunk:
                if isinstance(item, Reject):
                    refused.append(item)
                elif Flag.CONSTANT in item.object.flags:
                    refused.append(constant(item.object.id))
                else:
                    pixels.append(item.pixels)
            if pixels:
                vectors.append(encoder.embed(np.stack(pixels)))
    return np.concatenate(vectors), tuple(refused)


@dataclass(slots=True)
class _Shard:
    """Images that become durable together, and what they gave."""

    num_images: int = 0
    objects: list[SkyObject] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    rejects: list[tuple[str, Reject]] = field(default_factory=list)


def _shards(
    chunks: Iterator[list[Prepared | Reject]],
    sources: Sequence[Source],
    encoder: Encoder,
    progress: Progress,
) -> Iterator[_Shard]:
    """Embed what was read, in the order of `sources`."""
    each = iter(sources)
    shard = _Shard()
    num_rejects = 0
    for chunk in chunks:
        pixels = []
        for item, source in zip(chunk, each, strict=False):
            if isinstance(item, Reject):
                shard.rejects.append((source.id, item))
            else:
                shard.objects.append(item.object)
                pixels.append(item.pixels)
        if pixels:
            shard.vectors.append(encoder.embed(np.stack(pixels)))
        shard.num_images += len(chunk)
        num_rejects += len(chunk) - len(pixels)
        progress.advance(len(chunk), rejects=num_rejects)
        if shard.num_images >= _SHARD:
            yield shard
            shard = _Shard()
    if shard.num_images:
        yield shard


def _write(collection: Collection, shard: _Shard, manifest: Manifest) -> None:
    if shard.objects:
        collection.add(shard.objects, np.concatenate(shard.vectors))
    manifest.finish(len(shard.objects), shard.rejects)


def require_few(
    refused: Sequence[Reject], most: float, manifest: Manifest | None = None
) -> None:
    """Raise `BadInput` (``too_many_rejects``) if there are more rejects than that."""
    if len(refused) > most:
        if manifest is not None:
            manifest.is_done = True  # what is mended shall be read again
        raise BadInput(
            f"{len(refused)} images were rejected, more than {most:.10g}; the first: "
            f"{refused[0].message}. The table of rejects names all. Mend them, or allow "
            "more, and run this again: it goes on",
            reason="too_many_rejects",
        )
