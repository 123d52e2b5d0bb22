"""The view of a collection at opening, from its catalog and its shelf."""

import numpy as np
import structlog

from skylike.service.anomaly import AnomalyFit
from skylike.service.catalog import Catalog
from skylike.service.clusters import ClusterFit
from skylike.service.collection.compaction import in_memory
from skylike.service.collection.segment import Segment, Tail
from skylike.service.collection.shelf import Manifest, Shelf
from skylike.service.collection.view import Part, View
from skylike.service.columns import Columns
from skylike.service.errors import DamagedData

_log = structlog.get_logger()


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
    parts: list[Part] = []
    covered = 0
    for segment in whole:
        _add_missing(parts, catalog, covered, segment.after_row, state.version)
        parts.append(Part(segment).without(gone))
        covered = segment.last_row
    damaged = [
        one.last_row for one in manifest.segments if not isinstance(one, Segment)
    ]
    if damaged and max(damaged) > covered:
        _add_missing(parts, catalog, covered, max(damaged), state.version)
        covered = max(damaged)
    objects = catalog.objects(revised.tolist())
    known = [row for row in revised.tolist() if row in objects]
    cluster_fit = catalog.fits.latest("clusters")
    anomaly_fit = catalog.fits.latest("anomaly")
    view = View(
        version=state.version,
        num_objects=state.num_objects,
        last_row=state.last_row,
        segments=tuple(parts),
        tail=Part(_tail(catalog, covered, state.last_row)),
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
    if not is_whole:  # all rows are in the tail: so says the new one
        shelf.publish((), version=state.version)
    return view


def _add_missing(
    parts: list[Part], catalog: Catalog, after_row: int, last_row: int, version: int
) -> None:
    """Add the rows between two segments, if there are any."""
    if last_row <= after_row:
        return
    tail = _tail(catalog, after_row, last_row)
    if len(tail.rows):
        segment = in_memory(
            tail, after_row=after_row, last_row=last_row, version=version
        )
        parts.append(Part(segment))


def _tail(catalog: Catalog, after_row: int, last_row: int) -> Tail:
    tail = Tail.empty(catalog.dimension)
    for rows, objects, vectors in catalog.contents(after_row, last_row):
        tail = tail.extended(rows, objects, vectors)
    return tail
