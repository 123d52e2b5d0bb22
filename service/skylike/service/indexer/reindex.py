"""A new model goes live: a second collection beside the first, then the alias switches."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skylike.service import durable
from skylike.service.collection import Collection, SkyObject
from skylike.service.encoder import Encoder
from skylike.service.errors import (
    AlreadyExists,
    BadRequest,
    NotReady,
    UnknownCollection,
)
from skylike.service.fits import Box, Options, selector
from skylike.service.indexer.files import add_sources, calibration_of, require_few
from skylike.service.indexer.report import Report
from skylike.service.library import Library
from skylike.service.prepare import STAMP_ATTRIBUTES, Reject, Source
from skylike.service.progress import Shown, Watched
from skylike.service.sources import find_images, within

_PAGE = 100_000
_SAMPLE = 200  # vectors whose neighbours are compared with the exact ones
_NUM_NEIGHBOURS = 10
_LEAST_RECALL = 0.95
_TIE = 1e-6
_MOST_ROUNDS = 10
_PAUSE = 0.05  # seconds, doubled with every round
_PATIENCE = 10.0  # seconds that writes of others may be under way
_NUM_DIGITS = 8  # of the model id, at the end of a name
_LONGEST_NAME = 63
_UNFINISHED = "reindexing.json"  # in a collection that is being filled


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a re-indexing did.

    Attributes
    ----------
    collection, before
        Where the alias points now, and where it pointed before.
    report
        What was read.
    recall
        Share of the ten nearest that searches of the new collection find.
    calibration, calibration_before
        How many calibration objects there are now, and were: vectors of another model are
        of no use, and of their images nothing is kept.
    """

    collection: str
    before: str
    report: Report
    recall: float
    calibration: int
    calibration_before: int

    @property
    def warning(self) -> str:
        """What was lost, and what to do; empty if nothing was."""
        if self.calibration or not self.calibration_before:
            return ""
        return (
            f"there are no p-values any more: {self.calibration_before} calibration "
            f"objects of {self.before!r} were given as images that nobody has kept. Fit "
            f"{self.collection!r} with calibration images."
        )


def reindex(
    library: Library,
    alias: str,
    model: Path,
    *,
    calibration: Sequence[Path] = (),
    workers: int = 2,
    options: Options | None = None,
    refused: list[Reject] | None = None,
    max_reject_fraction: float = 0.0,
    roots: Sequence[Path] | None = None,
    shown: Watched = Shown.NOT,
) -> Reindexed:
    """Read all that an alias' collection was made from with another model, and switch.

    The collection answers meanwhile and may be written to by this process; what is
    written, labelled, rated or deleted there is done here as well before the alias
    switches. Clusters are found as there, and those that live on keep their labels and
    names. It stays afterwards, so that the alias can be rolled back. A run that was interrupted
    goes on.

    Parameters
    ----------
    library
        Of the collection.
    alias
        Which points to it.
    model
        The new model's file.
    calibration
        Ordinary objects, as for `Collection.fit`; without any there are no p-values.
    workers, options, shown
        As in `index`.
    refused
        What is rejected is put here, also where an error ends this.
    max_reject_fraction
        How many of the objects may be missing afterwards.
    roots
        Folders whose files are read; what lies elsewhere is rejected. None for all.

    Raises
    ------
    UnknownCollection
        If there is no such alias.
    BadRequest
        ``same_model`` if its collection has this model.
    AlreadyExists
        If the collection that would be made is there, and not from such a run.
    BadInput
        ``too_many_rejects``, or ``no_files`` of the calibration; the alias points to where it did, then and below.
    NotReady
        ``poor_recall``; ``never_still`` if the collection is written to without pause.
    """
    began = time.monotonic()
    options = options or Options()
    before = library.aliases().get(alias)
    if before is None:
        raise UnknownCollection(
            f"There is no alias {alias!r}: `skylike-service alias set {alias} COLLECTION` "
            "makes one."
        )
    old = library.collection(before)
    new = _beside(library, old, model)
    encoder = library.encoder_of(new)
    ordinary, useless = None, list[Reject]()
    if calibration:
        named = (Source(one, "") for one in find_images(calibration, roots))
        images, useless = within(named, roots)
        ordinary, unread = calibration_of(
            encoder, [one.image for one in images], workers=workers, options=options
        )
        useless += unread
    indexed, refused = 0, [] if refused is None else refused
    for number in range(_MOST_ROUNDS):
        basis = old.basis
        refused.clear()
        _forget_the_gone(old, new)
        with new.bulk(shown=shown):
            for sources, lost in _sources_of(old):
                sources, foreign = within(sources, roots)
                refused += foreign
                there = new.known(lost)
                refused += [_lost(id) for id in lost if id not in there]
                most = max_reject_fraction * len(old)
                require_few(refused, most)
                added, _ = add_sources(
                    new,
                    encoder,
                    sources,
                    refused,
                    workers=workers,
                    options=options,
                    most_rejects=most,
                    shown=shown,
                )
                indexed += added
        _tell_the_changed(old, new)
        recall = _recall(new)
        with suppress(NotReady):  # too few can be searched: there is nothing to fit
            new.fit(calibration=ordinary, after=old, shown=shown)
        if _has_switched(library, alias, old, new, basis):
            (new.directory / _UNFINISHED).unlink()
            break
        time.sleep(_PAUSE * 2**number)  # who writes may come to an end
    else:
        raise NotReady(
            f"{before!r} was written to in each of {_MOST_ROUNDS} rounds: try again "
            "when it is quieter; what was indexed stays.",
            reason="never_still",
        )
    known = len(new) - indexed
    refused += useless
    report = Report(indexed, known, tuple(refused), time.monotonic() - began)
    num, num_before = (_num_calibration(one) for one in (new, old))
    return Reindexed(new.name, before, report, recall, num, num_before)


def _has_switched(
    library: Library,
    alias: str,
    old: Collection,
    new: Collection,
    basis: tuple[int, int],
) -> bool:
    """Switch between two ratings, or whatever else is written that leaves the basis."""
    until = time.monotonic() + _PATIENCE
    while not library.switch_alias(alias, new.name, basis=basis):
        if old.basis != basis or time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True


def _num_calibration(collection: Collection) -> int:
    return len(collection.anomaly.calibration) if collection.anomaly else 0


def _beside(library: Library, old: Collection, model: Path) -> Collection:
    """The collection to fill, which an interrupted run may have begun."""
    model_id = Encoder(model).model_id
    if model_id == old.model_id:
        raise BadRequest(
            f"{old.name!r} was made with {model} already.", reason="same_model"
        )
    name = old.name.removesuffix(f"-{old.model_id[:_NUM_DIGITS]}")
    name = f"{name[: _LONGEST_NAME - _NUM_DIGITS - 1]}-{model_id[:_NUM_DIGITS]}"
    if name not in library.names():
        made = library.create(name, model)
        durable.write_sealed(made.directory / _UNFINISHED, {"of": old.name})
        return made
    found = library.collection(name)
    marker = found.directory / _UNFINISHED
    if not marker.exists() or durable.read_sealed(marker) != {"of": old.name}:
        raise AlreadyExists(
            f"There is a collection {name!r} already, and it was not left unfinished by a "
            f"re-indexing of {old.name!r}: set the alias to it, or delete it first."
        )
    return found


def _forget_the_gone(old: Collection, new: Collection) -> None:
    """Delete what the old collection has no more, or has from another place."""
    for page in _pages(new):
        there = old.objects(one.id for one in page)
        gone = [
            one.id
            for one in page
            if one.id not in there or not _are_of_one_place(one, there[one.id])
        ]
        if gone:
            new.delete(gone)


def _tell_the_changed(old: Collection, new: Collection) -> None:
    """Let what both have be as the old one says."""
    for page in _pages(old):
        there = new.objects(one.id for one in page)
        changed = [
            replace(new.get(one.id), **wanted)
            for one in page
            if one.id in there and (wanted := _wanted(one, there[one.id]))
        ]
        if changed:
            vectors = np.stack([new.vector(one.id) for one in changed])
            new.upsert(changed, vectors)


def _wanted(old: SkyObject, made: SkyObject) -> dict[str, Any]:
    """What people may have changed, where it differs."""
    of_stamp = {
        name: value
        for name, value in made.attributes.items()
        if name in STAMP_ATTRIBUTES
    }
    wanted: dict[str, Any] = {
        "labels": old.labels,
        "position": old.position,
        "epoch_mjd": old.epoch_mjd,
        "attributes": {**_kept_attributes(old), **of_stamp},
    }
    # Python calls 1, 1.0 and True equal; filters do not.
    is_same = all(
        _typed(value) == _typed(getattr(made, n)) for n, value in wanted.items()
    )
    return {} if is_same else wanted


def _typed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: (type(one), one) for name, one in value.items()}
    return value


def _sources_of(old: Collection) -> Iterator[tuple[list[Source], list[str]]]:
    """What the objects were made from, and ids of those of which nobody knows it."""
    for page in _pages(old):
        found: list[Source] = []
        lost: list[str] = []
        for one in page:
            if not one.uri:
                lost.append(one.id)
                continue
            key = selector.of_label(one.hdu or "")
            found.append(
                Source(
                    f"{one.uri}[{key}]" if key else one.uri,
                    one.id,
                    is_named=True,
                    box=Box(*one.box) if one.box else None,
                    position=one.position,
                    attributes=_kept_attributes(one),
                    labels=one.labels,
                )
            )
        # Neighbours of one file are read while it is open.
        yield sorted(found, key=lambda source: source.image), lost


def _lost(id: str) -> Reject:
    message = (
        f"{id}: the collection does not know where it came from: add it to the new "
        "collection yourself"
    )
    return Reject(id, "no_uri", message)


def _pages(collection: Collection) -> Iterator[list[SkyObject]]:
    row = 0
    while page := collection.scroll(after_row=row, limit=_PAGE):
        row = page[-1][0]
        yield [one for _, one in page]


def _are_of_one_place(one: SkyObject, other: SkyObject) -> bool:
    if (one.uri, one.box) != (other.uri, other.box):
        return False
    hdus = {selector.of_label(found.hdu) for found in (one, other) if found.hdu}
    return len(hdus) < 2


def _kept_attributes(one: SkyObject) -> dict[str, str | int | float | bool]:
    """All but what depends on the model."""
    return {
        name: value
        for name, value in one.attributes.items()
        if name not in STAMP_ATTRIBUTES
    }


def _recall(collection: Collection) -> float:
    """Share of the nearest that are found, of objects spread over the collection.

    Raises
    ------
    NotReady
        ``poor_recall``.
    """
    rows = np.unique(np.linspace(0, collection.last_row - 1, _SAMPLE).astype(int))
    spread = [collection.scroll(after_row=row, limit=1) for row in rows.tolist()]
    ids = {one.id for page in spread for _, one in page if one.is_searchable}
    if not ids:
        return 1.0
    vectors = np.stack([collection.vector(id) for id in sorted(ids)])
    exact = collection.nearest(vectors, _NUM_NEIGHBOURS, exact=True)
    found = collection.nearest(vectors, _NUM_NEIGHBOURS)
    shares = [
        np.mean([hit.score >= best[-1].score - _TIE for hit in hits])
        for hits, best in zip(found, exact, strict=True)
        if best
    ]
    recall = float(np.mean(shares)) if shares else 1.0
    if recall < _LEAST_RECALL:
        raise NotReady(
            f"searches of {collection.name!r} find {recall:.1%} of the nearest only; the "
            "alias was not switched. `skylike-service verify --repair` makes its indexes "
            "anew.",
            reason="poor_recall",
        )
    return recall
