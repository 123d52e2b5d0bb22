"""The view of a collection at opening, from its catalog and its shelf."""

from collections.abc import Iterator

import numpy as np
import structlog

from skylike.service import durable
from skylike.service.anomaly import AnomalyFit
from skylike.service.catalog import Catalog
from skylike.service.clusters import ClusterFit
from skylike.service.collection.compaction import in_memory
from skylike.service.collection.fitting import ANOMALY, CLUSTERS
from skylike.service.collection.segment import Segment, Tail
from skylike.service.collection.shelf import Manifest, Shelf
from skylike.service.collection.view import Part, View
from skylike.service.columns import Columns
from skylike.service.errors import DamagedData

_log = structlog.get_logger()

_MOST_IN_MEMORY = 100_000  # rows


def load(name: str, catalog: Catalog, shelf: Shelf) -> View:
    """What was committed, whatever the shelf holds of it.

    Rows that no whole segment stands for are read from the catalog.

    Raises
    ------
    DamagedData
        If the catalog has lost writes that the manifest knows of, or a row that is
        read is not as it was written.
    """
    state = catalog.state()
    is_whole = True
    try:
        manifest = shelf.read()
    except DamagedData as error:
        _log.warning("rebuilding_segments", collection=name, reason=str(error))
        manifest = Manifest(0, ())
        is_whole = False
    if manifest.version > state.version:
        raise DamagedData(
            f"The catalog of {name!r} ends with write {state.version}, its segments know "
            f"of write {manifest.version}: the catalog has lost writes. Restore it from "
            "a backup; or delete manifest.json to accept the loss."
        )
    gone, revised = catalog.journal()
    whole = [one for one in manifest.segments if isinstance(one, Segment)]
    whole.sort(key=lambda segment: segment.after_row)
    damaged = [
        one.last_row for one in manifest.segments if not isinstance(one, Segment)
    ]
    parts: list[Part] = []
    covered = 0
    for segment in whole:
        parts += _missing(catalog, shelf, covered, segment.after_row, state.version)
        parts.append(Part(segment).without(gone))
        covered = segment.last_row
    if max(damaged, default=0) > covered:
        parts += _missing(catalog, shelf, covered, max(damaged), state.version)
        covered = max(damaged)
    *made, tail = _blocks(catalog, shelf, covered, state.last_row, state.version)
    parts += [Part(segment) for segment in made]
    objects = catalog.objects(revised.tolist())
    known = [row for row in revised.tolist() if row in objects]
    cluster_fit = catalog.fits.latest(CLUSTERS)
    anomaly_fit = catalog.fits.latest(ANOMALY)
    view = View(
        version=state.version,
        objects_version=state.version,
        num_objects=state.num_objects,
        last_row=state.last_row,
        lost_at=state.version,
        layout=0,
        segments=tuple(parts),
        tail=Part(tail),
        revised=Columns.of(known, [objects[row] for row in known]),
        revised_at=np.full(len(known), state.version, np.int64),
        clusters=cluster_fit and ClusterFit.from_arrays(*cluster_fit),
        anomaly=anomaly_fit and AnomalyFit.from_arrays(*anomaly_fit),
    )
    num_found = sum(len(part.block.rows) - part.num_gone() for part in view.parts)
    if num_found != state.num_objects:
        raise DamagedData(
            f"The catalog of {name!r} has {state.num_objects} objects, but {num_found} "
            "are found. Restore it from a backup."
        )
    blocks = [part.block for part in parts if isinstance(part.block, Segment)]
    if not is_whole or any(map(shelf.has, set(blocks) - set(whole))):
        catalog.settle()  # a manifest must not know more than the truth
        shelf.publish(blocks, version=state.version)
    return view


def _missing(
    catalog: Catalog, shelf: Shelf, after_row: int, last_row: int, version: int
) -> list[Part]:
    """Segments of the rows between two others."""
    found = []
    for block in _blocks(catalog, shelf, after_row, last_row, version):
        made = block
        if isinstance(made, Tail):
            made = in_memory(
                made, after_row=after_row, last_row=last_row, version=version
            )
        if len(made.rows):
            found.append(Part(made))
        after_row = made.last_row
    return found


def _blocks(
    catalog: Catalog, shelf: Shelf, after_row: int, last_row: int, version: int
) -> Iterator[Segment | Tail]:
    """Rows as the catalog has them: segments in files, and what remains in memory."""
    tail = Tail.empty(catalog.dimension)
    for rows, objects, vectors in catalog.contents(after_row, last_row):
        tail = tail.extended(rows, objects, vectors)
        if len(tail.rows) >= _MOST_IN_MEMORY:
            last = int(rows[-1])
            made = in_memory(tail, after_row=after_row, last_row=last, version=version)
            with durable.storing(shelf.directory):
                yield shelf.write(made, shelf.stem())
            after_row, tail = last, Tail.empty(catalog.dimension)
    yield tail
