"""What a bulk run has to do: the images that the collection lacks."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace

from skylike.service.collection import Collection, SkyObject
from skylike.service.errors import AlreadyExists, BadCutout
from skylike.service.fits import Options
from skylike.service.fits.address import uris_of
from skylike.service.fits.selector import Selector
from skylike.service.prepare import Reject, Source, part_of

_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Work:
    """What a run has to do.

    Attributes
    ----------
    new
        What is to be read.
    num_known
        How many images the collection has already.
    rejects
        Images whose id another object has.
    """

    new: list[Source]
    num_known: int
    rejects: list[Reject]


def work_of(
    collection: Collection,
    sources: Sequence[Source],
    options: Options,
    rejected: Container[str],
) -> Work:
    """What is left to do for a collection.

    An image is known if the object of its id is of it; one that nobody has named also if
    an object of another id is of the same file, HDU and section.

    Parameters
    ----------
    collection
        What it shall become part of.
    sources
        All images.
    options
        How files are read.
    rejected
        Ids of what was rejected already.
    """
    new: list[Source] = []
    refused: list[Reject] = []
    num_known = 0
    first_of: dict[str, str] = {}
    for source in sources:
        first_of.setdefault(source.id, source.image)
    seen: set[object] = set()
    for batch in _batches(sources):
        parts = [_part(source, options) for source in batch]
        uris = uris_of(source.image for source in batch)
        by_id = collection.objects(source.id for source in batch)
        by_place = _by_place(collection, batch, uris, by_id, first_of)
        for source, uri, part in zip(batch, uris, parts, strict=True):
            if not source.is_named:
                what = uri if part == Selector() else (uri, part)
                if what in seen:
                    continue
                seen.add(what)
            known = by_id.get(source.id)
            if first_of[source.id] != source.image or (source.id, None) in seen:
                refused.append(_duplicate(source, first_of[source.id]))
                continue
            seen.add((source.id, None))
            if known is not None and _shows(known, uri, part):
                num_known += 1
            elif known is not None:
                refused.append(_clash(source.image, known))
            elif any(
                _is_surely(one, part) for one in by_place.get((uri, _edges(part)), ())
            ):
                num_known += 1
            elif source.id not in rejected:
                new.append(source)
    return Work(new, num_known, refused)


def _by_place(
    collection: Collection,
    batch: Sequence[Source],
    uris: Sequence[str],
    by_id: Mapping[str, SkyObject],
    ids: Container[str],
) -> dict[tuple[str, object], list[SkyObject]]:
    """Objects by file and section, under which sources without a name are known.

    What goes by the id of a source is that one's and no other's.
    """
    wanted = {
        uri
        for source, uri in zip(batch, uris, strict=True)
        if not source.is_named and source.id not in by_id
    }
    found: dict[tuple[str, object], list[SkyObject]] = {}
    for uri, objects in collection.made_from(wanted).items():
        for one in objects:
            if one.id not in ids:
                found.setdefault((uri, one.box), []).append(one)
    return found


def _batches(sources: Sequence[Source]) -> Iterator[Sequence[Source]]:
    for start in range(0, len(sources), _BATCH):
        yield sources[start : start + _BATCH]


def _part(source: Source, options: Options) -> Selector | None:
    try:
        part = part_of(source.image, options)
    except BadCutout:  # reading it will tell
        return None
    return replace(part, box=source.box) if source.box else part


def _edges(part: Selector | None) -> tuple[int, ...] | None:
    return astuple(part.box) if part and part.box else None


def _shows(known: SkyObject, uri: str, part: Selector | None) -> bool:
    """Whether an object that has a source's id is of the source, as far as one can tell."""
    if part is None or (known.uri, known.box) != (uri, _edges(part)):
        return False
    return part.key is None or known.hdu is None or part.key.fits(known.hdu)


def _is_surely(known: SkyObject, part: Selector | None) -> bool:
    """Whether an object of the same file and section is of the same HDU."""
    if part is None or part.bands or known.hdu is None:
        return False
    return part.key is None or (part.key.version is None and part.key.fits(known.hdu))


def _duplicate(source: Source, first: str) -> Reject:
    message = f"{source.image}: {first} has the id {source.id!r} too"
    return Reject(source.image, "duplicate_id", message)


def _clash(image: str, other: SkyObject) -> Reject:
    message = (
        f"{image}: the collection has an object {other.id!r} already, from {other.uri}; "
        "give this run an id_prefix, index the folders of both in one run, or use two "
        "collections"
    )
    return Reject(image, AlreadyExists.reason, message)
