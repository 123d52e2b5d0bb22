"""What a bulk run has to do: the images that the collection lacks."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from skylike.service.collection import Collection, SkyObject
from skylike.service.errors import AlreadyExists, BadCutout
from skylike.service.fits import Options
from skylike.service.fits.selector import Selector
from skylike.service.prepare import Reject, Source, part_of, uris_of

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

    An image is known by where it lies, and by its HDU and section where it has them; an
    image with an id of its own is known if that object is of that image.

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
    ids: dict[str, str] = {}
    seen: set[object] = set()
    for batch in _batches(sources):
        uris = uris_of(one.image for one in batch)
        there = collection.made_from(uris)
        taken = collection.known(one.id for one in batch)
        for uri, source in zip(uris, batch, strict=True):
            part, name = _part(source, options), source.id
            is_plain = part == Selector() and not source.is_named
            what = uri if is_plain else (uri, part, source.is_named and name)
            if what in seen:
                continue
            seen.add(what)
            named = name if source.is_named else None
            if any(_is(one, part, named) for one in there.get(uri, ())):
                num_known += 1
            elif name in taken:
                refused.append(_clash(source.image, collection.get(name)))
            elif name in ids:
                message = f"{source.image}: {ids[name]} has the id {name!r} too"
                refused.append(Reject(Path(source.image), "duplicate_id", message))
            elif name not in rejected:
                ids[name] = source.image
                new.append(source)
    return Work(new, num_known, refused)


def _batches(sources: Sequence[Source]) -> Iterator[Sequence[Source]]:
    for start in range(0, len(sources), _BATCH):
        yield sources[start : start + _BATCH]


def _part(source: Source, options: Options) -> Selector | None:
    try:
        part = part_of(source.image, options)
    except BadCutout:  # reading it will tell
        return None
    return replace(part, box=source.box) if source.box else part


def _is(known: SkyObject, part: Selector | None, id: str | None) -> bool:
    """Whether an object of the same file is of this part of it."""
    if part is None or (id is not None and id != known.id):
        return False
    if known.box != (astuple(part.box) if part.box else None):
        return False
    return part.key is None or known.hdu is None or part.key.fits(known.hdu)


def _clash(image: str, other: SkyObject) -> Reject:
    message = (
        f"{image}: the collection has an object {other.id!r} already, from {other.uri}; "
        "index the folders of both in one run, or into two collections"
    )
    return Reject(Path(image), AlreadyExists.reason, message)
