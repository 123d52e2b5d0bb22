"""What a library keeps: objects and collections."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller, calls
from skylike.service.collection import DURABLE, Collection, SkyObject, Writing
from skylike.service.columns import Filter
from skylike.service.encoder import SPEC_KEY
from skylike.service.engine.condition import Condition
from skylike.service.engine.describe import described
from skylike.service.engine.resolve import to_unit
from skylike.service.engine.types import (
    Added,
    Changed,
    CollectionInfo,
    Context,
    Found,
    NewObject,
    Page,
    VectorQuery,
)
from skylike.service.errors import (
    AlreadyDone,
    BadInput,
    BadModel,
    BadRequest,
    DamagedData,
    ModelMismatch,
    UnknownCollection,
)
from skylike.service.fits import Limits
from skylike.service.library import Library
from skylike.service.uploads import see

MAX_BATCH = 1000
MAX_IDS = 10_000
MAX_PAGE = 1000

Attributes = Mapping[str, str | int | float | bool | None]


class Keeping:
    """Changes and lists what a library keeps.

    Parameters
    ----------
    library
        What is kept.
    limits
        What a cutout may ask for.

    Attributes
    ----------
    library
        What is kept.
    condition
        Which collections can be used.
    """

    def __init__(self, library: Library, limits: Limits | None = None) -> None:
        self.library = library
        self._limits = limits or Limits()
        self.condition = Condition(library)

    def add(
        self,
        collection: str,
        objects: Sequence[NewObject],
        *,
        replace: bool = False,
        how: Writing = DURABLE,
    ) -> Added:
        """Store objects: all of them, or none.

        Parameters
        ----------
        collection
            Its name, here and below.
        objects
            With ids that are new, unless they are replaced.
        replace
            Whether objects whose ids are taken are replaced, with all of theirs.
        how
            What is promised, here and below. A write that had been done before is not
            done again, and is no error: the answer tells the version it made then.

        Raises
        ------
        BadRequest
            Unless there are 1 to 1000 objects, with proper ids and positions.
        BadCutout, BadStamp, ModelMismatch
            For the first input that cannot be used; the message says which.
        AlreadyExists
            If an id is taken.
        """
        if not 1 <= len(objects) <= MAX_BATCH:
            raise BadRequest(
                f"{len(objects)} objects were sent; between 1 and {MAX_BATCH} can be "
                "added at a time",
                reason="bad_batch_size",
            )
        with self._archive(collection, writes=True) as archive:
            try:
                archive.require_new(how)
                stored, vectors = self._embedded(archive, objects)
                version = (archive.upsert if replace else archive.add)(
                    stored, vectors, how
                )
            except AlreadyDone as done:
                return Added(_context_then(archive, done), (), was_done=True)
            context = Context(archive.name, version, archive.model_id)
            return Added(
                context,
                tuple(dataclasses.replace(one, thumbnail=b"") for one in stored),
            )

    def delete(
        self, collection: str, ids: Sequence[str], how: Writing = DURABLE
    ) -> Changed:
        """Take objects out; those that are not there are told, here and below.

        Where nothing is changed the version stays.

        Raises
        ------
        BadRequest
            ``bad_batch_size`` for more than 10,000 ids, here and below.
        """
        with self._archive(collection, writes=True) as archive:
            return changed(archive, ids, lambda: archive.delete(ids, how))

    def set_attributes(
        self,
        collection: str,
        ids: Sequence[str],
        attributes: Attributes,
        how: Writing = DURABLE,
    ) -> Changed:
        """Set attributes of objects; None takes one away.

        Raises
        ------
        BadRequest
            ``bad_object`` if a value is none that an object can have.
        """
        with self._archive(collection, writes=True) as archive:
            return changed(
                archive, ids, lambda: archive.set_attributes(ids, attributes, how)
            )

    def label(
        self,
        collection: str,
        ids: Sequence[str],
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        how: Writing = DURABLE,
    ) -> Changed:
        """Give labels to objects, and take others away.

        Raises
        ------
        BadRequest
            ``bad_object`` if a label is empty or long.
        """
        with self._archive(collection, writes=True) as archive:
            return changed(archive, ids, lambda: archive.label(ids, add, remove, how))

    def get(self, collection: str, id: str, *, with_vector: bool = False) -> Found:
        """One object, with its thumbnail.

        Raises
        ------
        UnknownId
            If the collection has no such object.
        """
        with self._archive(collection) as archive:
            context = context_of(archive)
            vector = archive.vector(id) if with_vector else None
            return Found(context, archive.get(id), vector)

    def scroll(
        self,
        collection: str,
        where: Filter | None = None,
        *,
        after_row: int = 0,
        limit: int = 100,
        sample_size: int = 0,
        sample_seed: int = 0,
    ) -> Page:
        """Objects in the order of writing, without thumbnails; see `Collection.scroll`."""
        with self._archive(collection) as archive:
            context = context_of(archive)
            limit = min(limit, MAX_PAGE)
            found = archive.scroll(
                where,
                after_row=after_row,
                limit=limit,
                sample_size=sample_size,
                sample_seed=sample_seed,
            )
            last_row = found[-1][0] if len(found) == limit else None
            return Page(context, tuple(one for _, one in found), last_row)

    def count(self, collection: str, where: Filter | None = None) -> Changed:
        """How many objects fulfil a filter."""
        with self._archive(collection) as archive:
            return Changed(context_of(archive), archive.count(where))

    def collections(self) -> list[CollectionInfo]:
        """The collections by name; one that is damaged does not hide the others."""
        found = (self._described(name) for name in self.library.names())
        return [one for one in found if one is not None]

    def create(self, name: str, model_of: str) -> CollectionInfo:
        """Make an empty collection, for the model of another one.

        Raises
        ------
        BadRequest
            ``bad_name`` if the name can be none of a collection.
        AlreadyExists
            If a collection or an alias has the name.
        """
        self.library.create(name, self.library.model_path(model_of))
        return self.describe(name)

    def describe(self, name: str) -> CollectionInfo:
        """One collection's state, by its name or an alias."""
        with self.library.using(name) as archive:
            encoder = self.library.encoder_of(archive)
            return CollectionInfo(
                context_of(archive),
                num_objects=len(archive),
                dimension=archive.dimension,
                stamp_spec_json=encoder.spec.to_json(),
                cluster_fit_version=archive.clusters.version if archive.clusters else 0,
                anomaly_fit_version=archive.anomaly.version if archive.anomaly else 0,
                nuisances=archive.anomaly.control.correlations
                if archive.anomaly
                else (),
                model_metadata={
                    key: value
                    for key, value in encoder.metadata.items()
                    if key != SPEC_KEY
                },
            )

    def _embedded(
        self, archive: Collection, objects: Sequence[NewObject]
    ) -> tuple[list[SkyObject], NDArray[np.float32]]:
        """What to store of new objects."""
        encoder = self.library.encoder_of(archive)
        vectors = np.zeros((len(objects), archive.dimension), np.float32)
        stored: list[SkyObject] = []
        stamps: dict[int, NDArray[np.float32]] = {}
        for row, new in enumerate(objects):
            seen = None
            with _naming(row, new.id):
                if isinstance(new.input, VectorQuery):
                    vectors[row] = to_unit(new.input, archive)
                else:
                    seen = see(new.input, encoder.spec, self._limits)
                    stamps[row] = seen[1].pixels
            stored.append(described(new, seen))
        caller.check()
        if stamps:
            vectors[list(stamps)] = encoder.embed(np.stack(list(stamps.values())))
        caller.check()
        return stored, vectors

    def _described(self, name: str) -> CollectionInfo | None:
        try:
            return self.describe(name)
        except UnknownCollection:  # it was removed meanwhile
            return None
        except (BadModel, DamagedData) as error:
            return CollectionInfo(Context(name, 0, ""), damage=str(error))

    @contextlib.contextmanager
    def _archive(
        self, collection: str, *, writes: bool = False
    ) -> Iterator[Collection]:
        """A collection, which nobody deletes until the block ends."""
        with self.library.using(collection, writes=writes) as archive:
            calls.about(archive.name, archive.model_id)
            yield archive


def context_of(archive: Collection) -> Context:
    """Which collection answers, as it is now."""
    return Context(archive.name, archive.version, archive.model_id)


def _context_then(archive: Collection, done: AlreadyDone) -> Context:
    """Which collection a write was done in before, as that made it."""
    return Context(archive.name, done.version, archive.model_id)


def changed(
    archive: Collection, ids: Sequence[str], write: Callable[[], set[str]]
) -> Changed:
    """What a write of objects by their ids has found."""
    if len(ids) > MAX_IDS:
        raise BadRequest(
            f"{len(ids)} ids were sent; at most {MAX_IDS} can be changed at a time",
            reason="bad_batch_size",
        )
    try:
        there = write()
    except AlreadyDone as done:
        return Changed(_context_then(archive, done), done.num_objects, was_done=True)
    unknown = dict.fromkeys(id for id in ids if id not in there)
    return Changed(context_of(archive), len(there), unknown_ids=tuple(unknown))


@contextlib.contextmanager
def _naming(row: int, id: str) -> Iterator[None]:
    """Make errors say which object of a batch they are about."""
    try:
        yield
    except (BadInput, ModelMismatch) as error:
        message = f"object {row} ({id!r}): {error}"
        raise type(error)(message, reason=error.reason) from error
