"""`Library`: a data directory with its models and collections.

::

    lock                                one process writes at a time
    models/<model id>.onnx              named by the sha256 of their bytes
    collections/<name>/catalog.sqlite3  the truth
    collections/<name>/manifest.json    derived from it, with segments/
    aliases.json                        names that point to collections

Copying a stopped library copies everything.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from skylike.service import durable, snapshot
from skylike.service.aliases import Aliases, check_name, is_name
from skylike.service.collection import Collection, Problem
from skylike.service.encoder import Encoder
from skylike.service.errors import (
    AlreadyExists,
    BadRequest,
    DamagedData,
    NotReady,
    UnknownCollection,
)
from skylike.service.lock import lock
from skylike.service.models import Models
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
        self._collections = directory / "collections"
        durable.make_folder(self._collections)
        self._lock_file = lock(directory)
        self._guard = threading.RLock()
        self._open: dict[str, Collection] = {}
        self._only = ""  # the only collection, once that is known
        try:
            self._models = Models(directory / "models")
            self._aliases = Aliases(directory / "aliases.json")
            for path in self._collections.glob(".*"):  # what a crash left unfinished
                shutil.rmtree(path, ignore_errors=True)
            # Who was killed may have renamed something and not come to the sync.
            durable.sync(self._collections)
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
        with self._changing():
            self._require_free(name)
            encoder = Encoder(model)
            self._models.keep(model, encoder.model_id)
            # Made aside: there is a whole collection, or none.
            unfinished = self._collections / f".new-{name}"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            Collection.create(unfinished, encoder.model_id, encoder.dimension)
            return self._published(unfinished, name)

    def collection(self, name: str) -> Collection:
        """The collection of a name or an alias, opened at the first call.

        An empty name means the only collection there is.

        Raises
        ------
        BadRequest
            ``which_collection`` if the name is empty and there are several, or none.
        UnknownCollection
            If there is none of that name.
        DamagedData
            If its catalog fails its checks.
        """
        with self._guard:
            self._check_open()
            name = self._aliases.target(name) or name or self._only_name()
            if name not in self._open:
                directory = self._directory(name)
                self._open[name] = Collection(directory)
            return self._open[name]

    def encoder_of(self, collection: Collection) -> Encoder:
        """The model of a collection, loaded at the first call.

        Raises
        ------
        DamagedData
            If the model's file is missing or not as it was.
        """
        with self._guard:
            return self._models.encoder(collection.model_id)

    def model_path(self, name: str) -> Path:
        """The file of a collection's model; raises as `collection` and `encoder_of`."""
        return self._models.path(self.encoder_of(self.collection(name)).model_id)

    def names(self) -> list[str]:
        """The names of all collections, ascending."""
        found = (path.name for path in self._collections.iterdir() if path.is_dir())
        return sorted(name for name in found if is_name(name))

    def delete(self, name: str) -> None:
        """Remove a collection and all that is in it. Models stay.

        Raises
        ------
        UnknownCollection
            If there is none of that name; an alias is no collection.
        BadRequest
            ``has_alias`` if an alias points to it.
        """
        with self._changing():
            directory = self._directory(name)
            pointing = self._aliases.of(name)
            if pointing:
                raise BadRequest(
                    f"The alias {pointing[0]!r} points to {name!r}: let it point "
                    "elsewhere, or drop it, first.",
                    reason="has_alias",
                )
            if name in self._open:
                self._open.pop(name).close()
            self._aliases.forget(name)
            self._remove(directory)

    def verify(self, name: str, *, repair: bool = False) -> list[Problem]:
        """Read all of a collection, and its model, and tell what is wrong.

        The collection is closed before, and opened at the next call for it.

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
        with self._changing():
            name = self._aliases.target(name) or name
            directory = self._directory(name)
            if name in self._open:
                self._open.pop(name).close()
            found = list(Collection.verify(directory, self._models.directory))
            if found and repair and all(one.is_derived for one in found):
                Collection.forget_derived(directory)
                self.collection(name).compact()
            return found

    def snapshot(self, name: str, path: Path) -> Facts:
        """Write a collection as it is at one moment, and its model, into a new file.

        Reading and writing go on meanwhile.

        Raises
        ------
        AlreadyExists
            If there is such a file.
        UnknownCollection, DamagedData
            As `collection`, and `encoder_of`.
        """
        with self._guard:
            collection = self.collection(name)
            model = self._models.path(self.encoder_of(collection).model_id)
        with durable.storing(path), snapshot.workplace(path) as folder:
            copy = folder / snapshot.CATALOG
            state = collection.copy_catalog(copy)
            facts = Facts(
                collection.name,
                state.version,
                state.num_objects,
                state.dimension,
                state.model_id,
            )
            snapshot.write(path, facts, copy, model)
        return facts

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
        with self._changing():
            unfinished = self._collections / f".restored-{os.urandom(4).hex()}"
            unfinished.mkdir()
            try:
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
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)

    def aliases(self) -> dict[str, str]:
        """Every alias and the collection it points to, by name."""
        with self._guard:
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
            self._directory(collection)
            if (self._collections / name).exists():
                raise AlreadyExists(f"There is a collection {name!r} already.")
            self._aliases.point(name, collection)

    def switch_alias(self, name: str, collection: str, *, version: int) -> bool:
        """Let an alias point elsewhere, if its collection is at a version still.

        Nothing is written to that collection in between. Whether it was so.

        Raises
        ------
        UnknownCollection
            If there is no such alias or collection.
        """
        with self._changing():
            self._directory(collection)
            with self.collection(name).held_at(version) as is_so:
                if is_so:
                    self._aliases.point(name, collection)
                return is_so

    def rollback_alias(self, name: str) -> str:
        """Let an alias point to where it did before; the collection.

        Raises
        ------
        UnknownCollection
            If there is no such alias.
        BadRequest
            ``no_earlier_target`` if it has pointed to nothing else that is there.
        """
        with self._changing():
            return self._aliases.rollback(name)

    def drop_alias(self, name: str) -> None:
        """Forget an alias; its collection stays. `UnknownCollection` if there is none."""
        with self._changing():
            self._aliases.drop(name)

    def close(self) -> None:
        """Close every collection and let others open the directory."""
        with self._guard:
            for collection in self._open.values():
                collection.close()
            self._open.clear()
            self._models.close()
            self._lock_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """While what is in the directory changes: alone, with errors of the disk as ours."""
        with self._guard, durable.storing(self.directory):
            self._check_open()
            self._only = ""
            try:
                yield
            finally:
                self._only = ""

    def _published(self, unfinished: Path, name: str) -> Collection:
        """A collection that was made aside, under its name; or none, if that fails."""
        directory = self._collections / name
        try:
            unfinished.rename(directory)
            durable.sync(self._collections)
            return self.collection(name)
        except BaseException:
            if directory.exists():
                self._remove(directory)
            raise

    def _remove(self, directory: Path) -> None:
        # Renamed and then removed: there is a whole collection, or none.
        gone = directory.with_name(f".gone-{directory.name}")
        shutil.rmtree(gone, ignore_errors=True)
        directory.rename(gone)
        durable.sync(self._collections)
        shutil.rmtree(gone, ignore_errors=True)

    def _require_free(self, name: str) -> None:
        check_name(name)
        if (self._collections / name).exists():
            raise AlreadyExists(f"There is a collection {name!r} already.")
        if self._aliases.target(name) is not None:
            raise AlreadyExists(f"There is an alias {name!r} already.")

    def _directory(self, name: str) -> Path:
        directory = self._collections / name
        if not is_name(name) or not directory.is_dir():
            known = ", ".join(self.names()) or "none"
            raise UnknownCollection(
                f"There is no collection {name!r}; there are: {known}."
            )
        return directory

    def _only_name(self) -> str:
        if not self._only:  # listing a folder at each call takes as long as a search
            names = self.names()
            if len(names) != 1:
                raise BadRequest(
                    f"Name a collection; there are: {', '.join(names) or 'none'}.",
                    reason="which_collection",
                )
            self._only = names[0]
        return self._only

    def _check_open(self) -> None:
        if self._lock_file.closed:
            raise NotReady(f"The library {self.directory} is closed.", reason="closed")
