"""`Library`: a data directory with its models and collections.

::

    lock                                one process writes at a time
    models/<model id>.onnx              named by the sha256 of their bytes
    collections/<name>/catalog.sqlite3  the truth
    collections/<name>/manifest.json    derived from it, with segments/
    aliases.json                        names that point to collections

Copying a stopped library copies everything.
"""

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Self

from skylike.service import durable, snapshot
from skylike.service.aliases import Aliases, check_name
from skylike.service.collection import Collection, Problem
from skylike.service.encoder import Encoder
from skylike.service.errors import (
    AlreadyExists,
    BadRequest,
    DamagedData,
)
from skylike.service.lock import lock
from skylike.service.models import Models
from skylike.service.opened import Opened
from skylike.service.places import Places
from skylike.service.snapshot import Facts


class Library:
    """A data directory, locked for this process. Safe from any thread.

    Parameters
    ----------
    directory
        Made if it does not exist.

    Raises
    ------
    InUse
        If a process, this one included, has it open already.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._places = Places(directory / "collections")
        self._lock_file = lock(directory)
        self._opened = Opened(self._places.of)
        self._changes = threading.Lock()  # what is in the directory, one at a time
        try:
            self._models = Models(directory / "models")
            self._aliases = Aliases(directory / "aliases.json")
            self._places.recover()
            durable.sync(directory)
        except BaseException:
            self._lock_file.close()
            raise

    def create(self, name: str, model: Path) -> Collection:
        """Make an empty collection for vectors of a model.

        Parameters
        ----------
        name
            Lower-case letters, digits, ``_`` and ``-``; at most 63; the first a
            letter or digit.
        model
            The model's file; it is copied into the library.

        Raises
        ------
        BadRequest
            ``bad_name`` if the name breaks the rule.
        AlreadyExists
            If there is a collection of that name.
        BadModel
            If the file is not a model of ours.
        """
        with self._aside("new") as unfinished:
            self._require_free(name)
            encoder = Encoder(model)
            self._models.keep(model, encoder.model_id)
            Collection.create(unfinished, encoder.model_id, encoder.dimension)
            return self._published(unfinished, name)

    def collection(self, name: str) -> Collection:
        """The collection of a name or an alias, opened at the first call.

        An empty name means the only collection there is. Who asks it in a process that
        may delete it says so by `using`.

        Raises
        ------
        BadRequest
            ``which_collection`` if the name is empty and there are several, or none.
        UnknownCollection
            If there is none of that name.
        DamagedData
            If its catalog fails its checks.
        """
        with self.using(name) as found:
            return found

    def using(
        self, name: str, *, writes: bool = False
    ) -> AbstractContextManager[Collection]:
        """As `collection`; until the block ends nobody deletes it.

        While one that is written to is used, `switch_alias` does not switch.
        """
        return self._opened.using(
            lambda: self._aliases.target(name) or name or self._only_name(),
            writes=writes,
        )

    def encoder_of(self, collection: Collection) -> Encoder:
        """The model of a collection, loaded at the first call.

        Raises
        ------
        DamagedData
            If the model's file is missing or not as it was.
        """
        return self._models.encoder(collection.model_id)

    def model_path(self, name: str) -> Path:
        """The file of a collection's model; raises as `collection` and `encoder_of`."""
        return self._models.path(self.encoder_of(self.collection(name)).model_id)

    def names(self) -> list[str]:
        """The names of all collections, ascending."""
        is_leaving = self._opened.is_leaving
        return [name for name in self._places.names() if not is_leaving(name)]

    def delete(self, name: str) -> None:
        """Remove a collection and all that is in it. Models stay.

        Nobody finds it any more, and when all who use it have left it is removed. It
        stays if the caller goes before that.

        Raises
        ------
        UnknownCollection
            If there is none of that name; an alias is no collection.
        BadRequest
            ``has_alias`` if an alias points to it.
        """
        with ExitStack() as until_removed:
            with self._changing():
                self._require_there(name)
                pointing = self._aliases.of(name)
                if pointing:
                    raise BadRequest(
                        f"The alias {pointing[0]!r} points to {name!r}: let it point "
                        "elsewhere, or drop it, first.",
                        reason="has_alias",
                    )
                close = until_removed.enter_context(self._opened.leaving(name))
            close()
            with self._changing():
                self._aliases.forget(name)
                gone = self._places.hide(name)
        shutil.rmtree(gone, ignore_errors=True)

    def verify(self, name: str, *, repair: bool = False) -> list[Problem]:
        """Read all of a collection, and its model, and tell what is wrong.

        The collection is closed before, is not there meanwhile, and opened at the next
        call for it.

        Parameters
        ----------
        name
            Of the collection or an alias.
        repair
            Whether to make anew what is derived, if that alone is damaged.

        Returns
        -------
        list
            What was found; nothing if all is whole.

        Raises
        ------
        UnknownCollection
            If there is no such collection.
        """
        name = self._aliases.target(name) or name
        directory = self._places.of(name)
        with durable.storing(self.directory):
            with self._opened.leaving(name) as close:
                close()
                found = list(Collection.verify(directory, self._models.directory))
                mends = found and repair and all(one.is_derived for one in found)
                if mends:
                    Collection.forget_derived(directory)
            if mends:
                self.collection(name).compact()
            return found

    def snapshot(
        self, name: str, path: Path, roots: Sequence[Path] | None = None
    ) -> Facts:
        """Write a collection as it is at one moment, and its model, into a new file.

        Reading and writing go on meanwhile. The data directory needs room for a second
        copy of the catalog as long as this takes.

        Parameters
        ----------
        name
            Of the collection or an alias.
        path
            The file.
        roots
            Folders of which one has to hold it, links followed; None for anywhere.

        Raises
        ------
        AlreadyExists
            If there is such a file.
        PermissionDenied
            ``outside_roots``.
        UnknownCollection, DamagedData
            As `collection`, and `encoder_of`.
        """
        with self.using(name) as collection:
            model = self._models.path(self.encoder_of(collection).model_id)
            return snapshot.make(collection, model, path, roots, self._places.directory)

    def restore(self, path: Path, name: str = "") -> Collection:
        """Make a collection of a snapshot, under its own name or another.

        Raises
        ------
        AlreadyExists
            If a collection or an alias has the name.
        BadInput
            ``no_snapshot`` if the file is none.
        DamagedData
            If it is not as it was written, or its model is not the one it names.
        """
        with self._aside("restored") as unfinished:
            facts = snapshot.extract(path, unfinished)
            name = name or facts.collection
            self._require_free(name)
            model = unfinished / snapshot.MODEL
            if durable.sha256_of(model) != facts.model_id:
                raise DamagedData(f"{path} holds another model than it names.")
            self._models.keep(model, facts.model_id)
            model.unlink()
            Collection.adopt(unfinished)
            return self._published(unfinished, name)

    def aliases(self) -> dict[str, str]:
        """Every alias and the collection it points to, by name."""
        return self._aliases.all()

    def point_alias(self, name: str, collection: str) -> None:
        """Make an alias, or let it point elsewhere: all at once for those who ask.

        Raises
        ------
        BadRequest
            ``bad_name`` if the name can be none of a collection.
        AlreadyExists
            If a collection has the name.
        UnknownCollection
            If there is no such collection; an alias is none.
        """
        check_name(name)
        with self._changing():
            self._require_there(collection)
            if self._places.has(name):
                raise AlreadyExists(f"There is a collection {name!r} already.")
            self._aliases.point(name, collection)

    def switch_alias(
        self, name: str, collection: str, *, basis: tuple[int, int]
    ) -> bool:
        """Let an alias point elsewhere, if its collection has a `basis` still.

        Nothing is written to that collection in between, nor by who came by the alias
        later; the other one has its ratings and the names of its clusters, and knows its
        named writes. Whether it was so.

        Raises
        ------
        UnknownCollection
            If there is no such alias or collection.
        """
        with (
            self.using(name) as before,
            self.using(collection) as after,
            self._changing(),
            self._opened.unwritten(before.name) as is_unwritten,
            before.held_at(basis) as is_as_it_was,
        ):
            self._require_there(collection)
            is_same = self._aliases.target(name) == before.name
            is_so = is_same and is_unwritten and is_as_it_was
            if is_so:
                after.take_over_ratings(before)
                after.take_over_names(before)
                after.take_over_requests(before)
                self._aliases.point(name, collection)
            return is_so

    def rollback_alias(self, name: str, leaving: str = "") -> str:
        """Let an alias that points to `leaving` point to where it did before.

        The collection it points to then. An empty `leaving` stands for any.

        Raises
        ------
        UnknownCollection
            If there is no such alias.
        BadRequest
            ``alias_moved`` if it does not point there; ``no_earlier_target`` if it has
            pointed to nothing else that is there.
        """
        with self._changing():
            return self._aliases.rollback(name, leaving)

    def drop_alias(self, name: str) -> None:
        """Forget an alias; its collection stays. `UnknownCollection` if there is none."""
        with self._changing():
            self._aliases.drop(name)

    def close(self) -> None:
        """Close every collection and let others open the directory."""
        with self._changes:
            self._opened.close()
            self._models.close()
            self._lock_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """While what is in the directory changes: alone, with errors of the disk as ours."""
        with self._changes, durable.storing(self.directory):
            self._opened.check_open()
            yield

    @contextmanager
    def _aside(self, kind: str) -> Iterator[Path]:
        """A folder to make a collection in: there is a whole one in the end, or none."""
        self._opened.check_open()
        with durable.storing(self.directory), self._places.aside(kind) as unfinished:
            yield unfinished

    def _published(self, unfinished: Path, name: str) -> Collection:
        """A collection that was made aside, under its name; or none, if that fails."""
        with self._changing():
            self._require_free(name)
            self._places.publish(unfinished, name)
        try:
            self._places.sync()
            return self.collection(name)
        except BaseException:
            self.delete(name)
            raise

    def _require_free(self, name: str) -> None:
        check_name(name)
        if self._places.has(name):
            raise AlreadyExists(f"There is a collection {name!r} already.")
        if self._aliases.target(name) is not None:
            raise AlreadyExists(f"There is an alias {name!r} already.")

    def _require_there(self, name: str) -> None:
        self._places.of(name)
        self._opened.require_staying(name)

    def _only_name(self) -> str:
        names = self._places.known
        if len(names) != 1:
            raise BadRequest(
                f"Name a collection; there are: {', '.join(sorted(names)) or 'none'}.",
                reason="which_collection",
            )
        [name] = names
        return name
