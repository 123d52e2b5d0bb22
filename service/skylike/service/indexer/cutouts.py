"""From large images to a collection: every object that a plan finds in them."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from skylike.service import stamp
from skylike.service.collection import Collection, SkyObject
from skylike.service.cutouts import Blank, Cutout, Mosaic, Plan, cut
from skylike.service.encoder import Encoder
from skylike.service.errors import AlreadyExists, BadCutout, BadInput
from skylike.service.fits import Options
from skylike.service.indexer.report import Report, write_rejects
from skylike.service.prepare import Prepared, Reject, describe

_BATCH = 64


def index_cutouts(
    collection: Collection,
    encoder: Encoder,
    mosaics: Sequence[Mosaic],
    plan: Plan,
    *,
    options: Options | None = None,
    blank: Blank | None = None,
    rejects: Path | None = None,
    progress: bool = False,
) -> Report:
    """Cut the objects out of large images and add them to a collection.

    An object's id is the name of the image, a slash, and its id there. Objects whose
    id the collection has already are left alone, so that an interrupted run goes on
    where it stopped.

    Parameters
    ----------
    collection
        Where to add.
    encoder
        The collection's model.
    mosaics
        The images.
    plan
        How objects are found in each.
    options
        How to read the images.
    blank
        Pixels of the cutouts to make blank.
    rejects
        Table to write of what was not indexed: path, code, message, time.
    progress
        Whether to show a bar for each image.

    Returns
    -------
    Report
        What was done. Rows are durable when this returns.
    """
    began = time.monotonic()
    indexed = known = left_out = 0
    refused: list[Reject] = []
    for mosaic in mosaics:
        results = _prepare(mosaic, plan, encoder, options or Options(), blank, progress)
        while batch := list(islice(results, _BATCH)):
            ready = [item for item in batch if isinstance(item, Prepared)]
            refused += [item for item in batch if isinstance(item, Reject)]
            left_out += sum(item for item in batch if isinstance(item, int))
            there = collection.known(item.object.id for item in ready)
            new = [item for item in ready if item.object.id not in there]
            taken = [item.object for item in ready if item.object.id in there]
            clashes = [_clash(one, collection) for one in taken]
            refused += [clash for clash in clashes if clash is not None]
            if new:
                vectors = encoder.embed(np.stack([item.pixels for item in new]))
                collection.add([item.object for item in new], vectors)
            indexed += len(new)
            known += clashes.count(None)
    collection.compact()
    if rejects is not None:
        write_rejects(rejects, refused)
    seconds = time.monotonic() - began
    return Report(indexed, known, tuple(refused), seconds, left_out)


def _clash(new: SkyObject, collection: Collection) -> Reject | None:
    """Why an object cannot be added whose id is taken; None if it is that object."""
    old = collection.get(new.id)
    if (old.uri, old.box) == (new.uri, new.box):
        return None
    message = (
        f"{new.uri} {new.id}: the collection has another object of this id, from "
        f"{old.uri} {old.box}: use another collection, or name the image differently"
    )
    return Reject(new.uri or "", AlreadyExists.reason, message)


def _prepare(
    mosaic: Mosaic,
    plan: Plan,
    encoder: Encoder,
    options: Options,
    blank: Blank | None,
    progress: bool,
) -> Iterator[Prepared | Reject | int]:
    """The objects of one image, each with its stamp, after how many were left out."""
    where = mosaic.uri
    try:
        with mosaic.opened(options) as frame:
            found = plan.find(frame)
            yield found.num_left_out
            items = cut(frame, found, blank)
            for item in tqdm(
                items,
                desc=mosaic.name,
                unit="object",
                total=len(found.targets),
                disable=not progress,
            ):
                if isinstance(item, Cutout):
                    yield _prepared(item, mosaic, encoder)
                else:
                    target, error = item
                    yield Reject(where, error.reason, f"{where} {target.id}: {error}")
    except BadInput as error:
        yield Reject(where, error.reason, mosaic.told(error))


def _prepared(item: Cutout, mosaic: Mosaic, encoder: Encoder) -> Prepared | Reject:
    try:
        made = stamp.make(item.image, encoder.spec)
        name = f"{mosaic.name}/{item.id}"
        described = describe(name, item.image, made, mosaic.uri)
    except (BadCutout, BadInput) as error:
        where = mosaic.uri
        return Reject(where, error.reason, f"{where} {item.id}: {error}")
    box = item.image.box
    edges = None if box is None else (box.x0, box.y0, box.x1, box.y1)
    attributes = {**described.attributes, **item.attributes}
    found = dataclasses.replace(
        described, position=item.position, box=edges, attributes=attributes
    )
    return Prepared(found, made.pixels)
