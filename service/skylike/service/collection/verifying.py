"""Whether a collection on disk is whole: its truth, and what is derived from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skylike.service import durable
from skylike.service.catalog import Catalog
from skylike.service.collection.segment import Rows, Segment
from skylike.service.collection.shelf import Shelf
from skylike.service.errors import SkylikeError
from skylike.service.index import Kind

_ROUNDED = 1e-3  # what float16 may change in a number of a unit vector


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be.

    Attributes
    ----------
    message
        What, in one or two sentences.
    is_derived
        Whether it can be made anew from the truth.
    """

    message: str
    is_derived: bool


def problems(directory: Path, catalog_name: str, models: Path) -> Iterator[Problem]:
    """Read all of a collection that no process writes to, and tell what is wrong.

    The truth is whole if SQLite and the checksum of every row say so, and every vector
    is finite and of unit norm. What is derived is right if its files are as they were
    written, and hold the rows, ids and vectors that the truth has.

    Parameters
    ----------
    directory
        Of the collection.
    catalog_name
        The file of its catalog.
    models
        Folder of the models.
    """
    try:
        catalog = Catalog(directory / catalog_name)
    except SkylikeError as error:
        yield Problem(str(error), is_derived=False)
        return
    try:
        is_whole = True
        for problem in _until_an_error(
            (Problem(*flaw) for flaw in catalog.scrub()), is_derived=False
        ):
            is_whole &= problem.is_derived
            yield problem
        model = models / f"{catalog.model_id}.onnx"
        if not model.is_file() or durable.sha256_of(model) != catalog.model_id:
            yield Problem(
                f"{model} is missing or not as it was written. Put back the file whose "
                "sha256 is its name.",
                is_derived=False,
            )
        if is_whole:
            found = _derived(Shelf(directory), catalog)
            yield from _until_an_error(found, is_derived=True)
    finally:
        catalog.close()


def _until_an_error(found: Iterator[Problem], *, is_derived: bool) -> Iterator[Problem]:
    """All problems, the last of which may be that nothing more can be read."""
    try:
        yield from found
    except SkylikeError as error:
        yield Problem(str(error), is_derived)


def _derived(shelf: Shelf, catalog: Catalog) -> Iterator[Problem]:
    manifest = shelf.read()
    if manifest.version > catalog.state().version:
        yield Problem(
            "The manifest knows of writes that the catalog has lost. Restore the "
            "collection from a backup; or delete manifest.json to accept the loss.",
            is_derived=False,
        )
        return
    gone, _ = catalog.journal()
    before = 0
    for segment in manifest.segments:
        if not isinstance(segment, Segment):
            yield Problem(segment.why, is_derived=True)
            continue
        if segment.after_row < before:
            yield Problem(f"Segments overlap at row {segment.after_row}.", True)
        before = segment.last_row
        for message in _segment(segment, catalog, gone):
            yield Problem(message, is_derived=True)


def _segment(segment: Segment, catalog: Catalog, gone: Rows) -> Iterator[str]:
    """Compare a segment with the truth of its rows."""
    name = f"The segment of rows {segment.after_row + 1} to {segment.last_row}"
    known = segment.rows[~np.isin(segment.rows, gone)]
    vectors_known = set(segment.vector_rows.tolist())
    num_found = 0
    for rows, objects, vectors in catalog.contents(segment.after_row, segment.last_row):
        places, here = segment.places(rows)
        num_found += int(np.count_nonzero(here))
        if not here.all():
            yield f"{name} lacks row {rows[~here][0]}."
        ids = segment.ids(places)
        some = [
            one for one, is_here in zip(objects, here.tolist(), strict=True) if is_here
        ]
        if ids != [one.id for one in some]:
            yield f"{name} names other objects than the catalog."
        searchable = np.array([one.is_searchable for one in some], np.bool_)
        indexed = np.array(
            [row in vectors_known for row in rows[here].tolist()], np.bool_
        )
        if (searchable != indexed).any():
            yield f"{name} does not search for what should be found."
        if segment.index is not None and indexed.any():
            stored = segment.index.at(places[indexed])
            tolerance = _ROUNDED if segment.index.kind is Kind.IVF else 0.0
            if not np.allclose(stored, vectors[here][indexed], 0, tolerance):
                yield f"{name} holds other vectors than the catalog."
    if num_found < len(known):
        yield f"{name} has {len(known) - num_found} rows that the catalog does not have."
