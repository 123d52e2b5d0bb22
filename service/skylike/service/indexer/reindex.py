"""A new model goes live: a second collection beside the first, then the alias switches."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skylike.service.collection import Collection, SkyObject
from skylike.service.encoder import Encoder
from skylike.service.errors import BadInput, BadRequest, NotReady, UnknownCollection
from skylike.service.fits import Box, Options
from skylike.service.indexer.files import embed_files, index
from skylike.service.indexer.report import Report, write_rejects
from skylike.service.library import Library
from skylike.service.prepare import STAMP_ATTRIBUTES, Reject, Source
from skylike.service.progress import Shown

_PAGE = 10_000
_SAMPLE = 200  # vectors whose neighbours are compared with the exact ones
_NUM_NEIGHBOURS = 10
_LEAST_RECALL = 0.95
_TIE = 1e-6
_MOST_ROUNDS = 10
_MODEL_SUFFIX = re.compile(r"-[0-9a-f]{8}$")
_HDU_NAME = re.compile(r"\s*\([^)]*\)")


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
    """

    collection: str
    before: str
    report: Report
    recall: float


def reindex(
    library: Library,
    alias: str,
    model: Path,
    *,
    calibration: Sequence[Path] = (),
    workers: int = 2,
    options: Options | None = None,
    rejects: Path | None = None,
    max_reject_fraction: float = 0.0,
    shown: Shown = Shown.NOT,
) -> Reindexed:
    """Read all that an alias' collection was made from with another model, and switch.

    The collection answers meanwhile and may be written to; what is written, labelled or
    deleted there is done here as well before the alias switches. It stays afterwards,
    so that the alias can be rolled back. A run that was interrupted goes on.

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
    workers, options, rejects, shown
        As in `index`.
    max_reject_fraction
        How many of the objects may be missing afterwards.

    Raises
    ------
    UnknownCollection
        If there is no such alias.
    BadRequest
        ``same_model`` if its collection has this model.
    BadInput
        ``too_many_rejects``; the alias points to where it did, then and below.
    NotReady
        ``poor_recall``; ``never_still`` if the collection is written to without pause.
    """
    before = library.aliases().get(alias)
    if before is None:
        raise UnknownCollection(
            f"There is no alias {alias!r}: `skylike-service alias set {alias} COLLECTION` "
            "makes one."
        )
    old = library.collection(before)
    new = _beside(library, old, model)
    encoder = library.encoder(new.name)
    for _ in range(_MOST_ROUNDS):
        version = old.version
        _forget_the_gone(old, new)
        sources, lost = _sources_of(old)
        most = max_reject_fraction * len(old) - len(lost)
        if most < 0:
            raise BadInput(
                f"of {len(lost)} objects nobody knows what they were made from, such as "
                f"{lost[0].path}: add them to {new.name!r} yourself, or allow more rejects",
                reason="too_many_rejects",
            )
        report = index(
            new,
            encoder,
            sources,
            workers=workers,
            options=options,
            rejects=rejects,
            max_reject_fraction=min(1.0, most / max(len(sources), 1)),
            shown=shown,
        )
        _tell_the_changed(old, new)
        if old.version == version:
            break
    else:
        raise NotReady(
            f"{before!r} was written to in each of {_MOST_ROUNDS} rounds: try again when "
            "it is quieter; what was indexed stays.",
            reason="never_still",
        )
    refused = (*lost, *report.rejects)
    if rejects is not None:
        write_rejects(rejects, refused)
    recall = _recall(new)
    vectors = None
    if calibration:
        vectors, _ = embed_files(encoder, calibration, workers=workers, options=options)
    if len(new) > 1:
        new.fit(calibration=vectors)
    library.point_alias(alias, new.name)
    whole = Report(report.indexed, report.known, refused, report.seconds)
    return Reindexed(new.name, before, whole, recall)


def _beside(library: Library, old: Collection, model: Path) -> Collection:
    """The collection to fill, which an interrupted run may have begun."""
    model_id = Encoder(model).model_id
    if model_id == old.model_id:
        raise BadRequest(
            f"{old.name!r} was made with {model} already.", reason="same_model"
        )
    name = f"{_MODEL_SUFFIX.sub('', old.name)[:54]}-{model_id[:8]}"
    if name in library.names():
        return library.collection(name)
    return library.create(name, model)


def _forget_the_gone(old: Collection, new: Collection) -> None:
    """Delete what the old collection has no more, or has from another place."""
    for page in _pages(new):
        there = old.objects(one.id for one in page)
        gone = [
            one.id
            for one in page
            if one.id not in there or _place(one) != _place(there[one.id])
        ]
        if gone:
            new.delete(gone)


def _tell_the_changed(old: Collection, new: Collection) -> None:
    """Bring labels and attributes of what both have to what the old one says."""
    for page in _pages(old):
        there = new.objects(one.id for one in page)
        for one in page:
            if one.id not in there:
                continue
            made = there[one.id]
            if made.labels != one.labels:
                more, fewer = one.labels - made.labels, made.labels - one.labels
                new.label([one.id], more, fewer)
            known = _kept_attributes(one)
            if not known.items() <= made.attributes.items():
                new.set_attributes([one.id], known)


def _sources_of(old: Collection) -> tuple[list[Source], list[Reject]]:
    """What the objects were made from, and those of which nobody knows it."""
    found: list[Source] = []
    lost: list[Reject] = []
    for page in _pages(old):
        for one in page:
            if not one.uri:
                message = f"{one.id}: the collection does not know where it came from"
                lost.append(Reject(Path(one.id), "no_source", message))
                continue
            key = _HDU_NAME.sub("", one.hdu or "")
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
    return sorted(found, key=lambda source: source.image), lost


def _pages(collection: Collection) -> Iterator[list[SkyObject]]:
    row = 0
    while page := collection.scroll(after_row=row, limit=_PAGE):
        row = page[-1][0]
        yield [one for _, one in page]


def _place(one: SkyObject) -> tuple[object, ...]:
    return one.uri, _HDU_NAME.sub("", one.hdu or ""), one.box


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
    ids = [one.id for page in _pages(collection) for one in page if one.is_searchable]
    if not ids:
        return 1.0
    spread = np.unique(np.linspace(0, len(ids) - 1, _SAMPLE).astype(int))
    vectors = np.stack([collection.vector(ids[number]) for number in spread])
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
