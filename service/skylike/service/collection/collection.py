"""`Collection`: objects of one model that can be written, searched and fitted.

The catalog is the truth; segments and the tail of newest rows are derived from
it. Readers work on a `View`, replaced as a whole after every write: a search
sees all of a write or none of it, and waits for nothing.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import structlog
from numpy.typing import NDArray

from skylike.service.catalog import DURABLE, Catalog, SkyObject, State, Writing
from skylike.service.collection import loading
from skylike.service.collection.calibrated import Calibrated
from skylike.service.collection.compaction import Compactor
from skylike.service.collection.fitted import Fitted
from skylike.service.collection.laying import KnownLayouts
from skylike.service.collection.mapping import Mapped
from skylike.service.collection.predicting import Lessons, Predicting
from skylike.service.collection.ranking import KnownRanks
from skylike.service.collection.rating import KnownTaught
from skylike.service.collection.shelf import Shelf
from skylike.service.collection.vectors import checked
from skylike.service.collection.verifying import Problem, problems
from skylike.service.errors import BadRequest
from skylike.service.index import Kind, Told
from skylike.service.progress import Progress, Shown, Watched

_CATALOG = "catalog.sqlite3"

_log = structlog.get_logger()

Attributes = Mapping[str, str | int | float | bool | None]


class Collection(Fitted, Predicting, Mapped):
    """A collection in a directory. Safe from any thread; writes wait in line.

    One process may have it open: the library's lock sees to that.

    Parameters
    ----------
    directory
        What `create` made; its name is the collection's name.

    Attributes
    ----------
    name
        Its name.
    directory
        Where it is.
    model_id
        The model all its vectors are made by.
    dimension
        Length of its vectors.

    Raises
    ------
    DamagedData
        If the catalog is missing, damaged, or lacks writes that its segments have.
        Damaged segments are made anew.
    """

    def __init__(self, directory: Path) -> None:
        self.name = directory.name
        self.directory = directory
        self._shelf = Shelf(directory)
        self._writing = threading.Lock()
        self._catalog = Catalog(directory / _CATALOG)
        self._ranks = KnownRanks(self._catalog.fits)
        self._calibrated = Calibrated()
        self._layouts = KnownLayouts(self._catalog.fits)
        self._can_be_told = {}
        self._taught = KnownTaught(self._catalog)
        self._lessons = Lessons(self.name, self._catalog)
        try:
            self.model_id = self._catalog.model_id
            self.dimension = self._catalog.dimension
            self._view = loading.load(self.name, self._catalog, self._shelf)
        except BaseException:
            self._catalog.close()
            raise
        self._compactor = Compactor(self._catalog, self._shelf, self._swap)
        self._compactor.consider(self._view)

    @classmethod
    def create(cls, directory: Path, model_id: str, dimension: int) -> None:
        """Make an empty collection in `directory`, which exists and is empty."""
        Catalog.create(directory / _CATALOG, model_id, dimension)
        Shelf(directory).publish((), version=0)

    @classmethod
    def adopt(cls, directory: Path) -> None:
        """Make a collection of a directory that holds a whole catalog alone."""
        Shelf(directory).publish((), version=0)

    @staticmethod
    def forget_derived(directory: Path) -> None:
        """Remove all that opening the collection makes anew from its catalog.

        SQLite's indexes, which are in the catalog itself, are made anew at once.
        """
        Shelf(directory).clear()
        catalog = Catalog(directory / _CATALOG)
        try:
            catalog.mend_indexes()
        finally:
            catalog.close()

    @staticmethod
    def verify(directory: Path, models: Path) -> Iterator[Problem]:
        """Read all of a collection that nobody has open, and its model in a folder.

        Yields what is wrong, and changes nothing.
        """
        return problems(directory, _CATALOG, models)

    def add(
        self,
        objects: Sequence[SkyObject],
        vectors: NDArray[np.float32],
        how: Writing = DURABLE,
    ) -> int:
        """Store objects with their vectors: all of them, or none.

        Parameters
        ----------
        objects
            With ids that are new.
        vectors : (n, dimension) float32, unit norm
            In the order of `objects`.
        how
            What is promised, here and below.

        Returns
        -------
        version
            The collection's new version.

        Raises
        ------
        AlreadyExists
            If an id is taken.
        AlreadyDone
            If a write of that name was done, here and below; see `require_new`.
        BadRequest
            If an id comes twice (``duplicate_id``), the numbers of objects and
            vectors differ, or a vector is not finite (``not_finite``) or not of
            unit norm within 0.001 (``not_unit``).
        ModelMismatch
            If the vectors have another length (``dimension``).
        NoSpace, StorageFailed
            If the disk does not take it; nothing is stored then.
        """
        return self._write(objects, vectors, how, replaces=False)

    def upsert(
        self,
        objects: Sequence[SkyObject],
        vectors: NDArray[np.float32],
        how: Writing = DURABLE,
    ) -> int:
        """As `add`, but objects whose ids are taken are replaced, with all of theirs."""
        return self._write(objects, vectors, how, replaces=True)

    def delete(self, ids: Iterable[str], how: Writing = DURABLE) -> set[str]:
        """Take objects out; which of these ids there were.

        Where there was nothing to do the version stays, here and below.
        """
        wanted = _distinct(ids)
        with self._changing():
            written = self._catalog.delete(wanted, how)
            there = set(self._view.ids(written.gone))
            self._view = self._view.written(
                written.version,
                written.gone,
                written.rows,
                (),
                np.empty((0, self.dimension), np.float32),
            )
        self._compactor.consider(self._view)
        return there

    def set_attributes(
        self, ids: Sequence[str], attributes: Attributes, how: Writing = DURABLE
    ) -> set[str]:
        """Set attributes of objects; None takes one away. Which of the ids there were.

        Raises
        ------
        BadRequest
            ``bad_object`` if a value is none that an object can have.
        """

        def told(old: SkyObject) -> SkyObject:
            new = {**old.attributes, **attributes}
            known = {name: value for name, value in new.items() if value is not None}
            return replace(old, attributes=known)

        return self._revise(ids, told, how)

    def label(
        self,
        ids: Sequence[str],
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        how: Writing = DURABLE,
    ) -> set[str]:
        """Give labels to objects, and take others away. Which of the ids there were.

        Raises
        ------
        BadRequest
            ``bad_object`` if a label is empty or long.
        """
        new, old_ones = frozenset(_distinct(add)), frozenset(_distinct(remove))
        return self._revise(
            ids, lambda old: replace(old, labels=(old.labels | new) - old_ones), how
        )

    def compact(self, kind: Kind | None = None, told: Told = lambda _: None) -> None:
        """Seal the newest rows into a segment, together with smaller segments.

        Happens by itself as the collection grows. Reading and writing go on meanwhile.

        Parameters
        ----------
        kind
            Makes one segment of all, which searches so; by default each searches as
            suits its size.
        told
            Called with the number of vectors that have been indexed, as far as the kind
            tells while it is made; may raise to stop.
        """
        self._catalog.check_open()
        self._compactor.compact(lambda: self._view, kind, told)

    @contextmanager
    def bulk(
        self, kind: Kind | None = None, shown: Watched = Shown.NOT
    ) -> Iterator[None]:
        """While much is written: graphs are made once, at the end, as by `compact`.

        Parameters
        ----------
        kind
            As for `compact`.
        shown
            Where to show how far that is.
        """
        with self._compactor.deferred():
            yield
        with Progress("building the index", len(self), "object", shown) as progress:
            self.compact(kind, progress.reach)

    def take_over_requests(self, other: "Collection") -> None:
        """Know the named writes of another collection, all of which this one has."""
        self._catalog.requests.take_over(other._catalog.requests)

    def copy_catalog(self, path: Path) -> State:
        """Copy the truth as it is at one moment to a new file; the state of the copy."""
        return self._catalog.copy(path)

    def close(self) -> None:
        """Close the files. Nothing can be asked afterwards."""
        self._compactor.close()
        with self._writing:
            self._catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(
        self,
        objects: Sequence[SkyObject],
        vectors: NDArray[np.float32],
        how: Writing,
        *,
        replaces: bool,
    ) -> int:
        vectors = checked(vectors, self.dimension)
        if len(objects) != len(vectors):
            raise BadRequest(
                f"{len(objects)} objects came with {len(vectors)} vectors."
            )
        ids = {sky_object.id for sky_object in objects}
        if len(ids) < len(objects):
            raise BadRequest(
                f"{len(objects)} objects came with {len(ids)} different ids.",
                reason="duplicate_id",
            )
        if not objects:
            self._catalog.check_open()
            return self.version
        with self._changing():
            written = self._catalog.add(objects, vectors, replace=replaces, how=how)
            self._view = self._view.written(
                written.version, written.gone, written.rows, objects, vectors
            )
        self._compactor.consider(self._view)
        return written.version

    def _revise(
        self,
        ids: Sequence[str],
        edit: Callable[[SkyObject], SkyObject],
        how: Writing,
    ) -> set[str]:
        with self._changing():
            written, revised = self._catalog.revise(_distinct(ids), edit, how)
            if written.version > self.version:
                self._view = self._view.told(written.version, written.rows, revised)
        self._compactor.consider(self._view)
        return {one.id for one in revised}


def _distinct(texts: Iterable[str]) -> list[str]:
    """Each once; a lone text is not taken for its letters."""
    if isinstance(texts, str):
        raise BadRequest(f"{texts!r} is one text: give a list", reason="bad_object")
    return list(dict.fromkeys(texts))
