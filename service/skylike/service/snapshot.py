"""Snapshots: a collection at one moment, with its model, in one file.

The file is a plain tar archive: ``catalog.sqlite3``, ``model.onnx``, and at its end
``snapshot.json``, which tells what they are and carries the checksum of each and of
itself. Segments are not in it: they are made anew.
"""

import fcntl
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from skylike.service import caller, durable
from skylike.service.collection import Collection
from skylike.service.errors import AlreadyExists, BadInput, DamagedData
from skylike.service.roots import folder_of

CATALOG, MODEL, _FACTS = "catalog.sqlite3", "model.onnx", "snapshot.json"
_DRAFT = ".skylike-snapshot-"
_FORMAT = 1
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What a snapshot holds.

    Attributes
    ----------
    collection
        Its name when the snapshot was made.
    version
        Of the collection: all writes up to it, and none beyond.
    num_objects, dimension
    model_id
        sha256 of the model's file.
    """

    collection: str
    version: int
    num_objects: int
    dimension: int
    model_id: str


def make(
    collection: Collection,
    model: Path,
    path: Path,
    roots: Sequence[Path] | None,
    aside: Path,
) -> Facts:
    """Write a collection as it is at one moment, and its model, into a new file.

    Parameters
    ----------
    collection, model
        The collection, and the file of its model.
    path
        The file to be.
    roots
        Folders of which one has to hold it, links followed; None for anywhere.
    aside
        Where the catalog is copied first, in a hidden folder.

    Raises
    ------
    AlreadyExists
        If there is such a file.
    PermissionDenied
        ``outside_roots``.
    """
    with (
        durable.storing(path),
        folder_of(str(path), roots) as (folder, name),
        # Here SQLite opens what it made, and nothing else: it knows paths only.
        durable.storing(aside),
        tempfile.TemporaryDirectory(prefix=".snapshot-", dir=aside) as made,
    ):
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            raise _taken(name)
        copy = Path(made) / CATALOG
        state = collection.copy_catalog(copy)
        facts = Facts(
            collection.name,
            state.version,
            state.num_objects,
            state.dimension,
            state.model_id,
        )
        with durable.storing(path):
            write(folder, name, facts, copy, model)
    return facts


def write(folder: int, name: str, facts: Facts, catalog: Path, model: Path) -> None:
    """Put a copy of a catalog and a model into a new file, durably, or not at all.

    What a process left in the folder that was killed meanwhile is cleared away.

    Parameters
    ----------
    folder
        Descriptor of the folder: a path might lead elsewhere by now.
    name
        The file's name in it.
    facts
        What the snapshot holds.
    catalog, model
        The files that go into it.

    Raises
    ------
    AlreadyExists
        If there is such a file.
    """
    with _unfinished(folder) as (draft, file):
        with tarfile.TarFile(
            mode="w", fileobj=file, format=tarfile.PAX_FORMAT, copybufsize=_BLOCK
        ) as archive:
            checksums = {}
            for entry_name, source in ((CATALOG, catalog), (MODEL, model)):
                with source.open("rb") as content:
                    entry = archive.gettarinfo(arcname=entry_name, fileobj=content)
                    digested = _Digested(content)
                    archive.addfile(_anonymous(entry), digested)
                checksums[entry_name] = digested.digest.hexdigest()
            body = {"format": _FORMAT, **asdict(facts), "sha256": checksums}
            told = json.dumps(durable.sealed(body), indent=1).encode()
            entry = tarfile.TarInfo(_FACTS)
            entry.size = len(told)
            archive.addfile(entry, io.BytesIO(told))
        file.flush()
        os.fsync(file.fileno())
        here = {"src_dir_fd": folder, "dst_dir_fd": folder}
        try:  # unlike a rename it replaces nothing
            os.link(draft, name, **here, follow_symlinks=False)
        except FileExistsError:
            raise _taken(name) from None
        os.fsync(folder)


def verify(path: Path) -> Facts:
    """Read all of a snapshot, and tell what it holds.

    Raises
    ------
    BadInput
        ``no_snapshot`` if this is no snapshot.
    DamagedData
        If it is not as it was written.
    """
    return _read(path, None)


def extract(path: Path, folder: Path) -> Facts:
    """Put a snapshot's ``catalog.sqlite3`` and ``model.onnx`` into a folder, durably.

    Raises as `verify`; what was written by then stays.
    """
    return _read(path, folder)


@contextmanager
def _unfinished(folder: int) -> Iterator[tuple[str, IO[bytes]]]:
    """A hidden file in a folder, gone in the end, and so are those nobody works on.

    Who works on one has it locked.
    """
    for left in os.listdir(folder):
        if left.startswith(_DRAFT):
            with suppress(OSError), _locked(folder, left, os.O_RDONLY):
                os.unlink(left, dir_fd=folder)
    while True:
        draft = _DRAFT + os.urandom(8).hex()
        with _locked(folder, draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            if not os.fstat(descriptor).st_nlink:
                continue  # before it was locked, it was taken for one that was left
            try:
                with os.fdopen(descriptor, "wb", closefd=False) as file:
                    yield draft, file
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
            return


@contextmanager
def _locked(folder: int, name: str, how: int) -> Iterator[int]:
    """A file of a folder, opened and locked; `OSError` if another has it locked."""
    how |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, how, 0o666, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"{name} exists already: name another file.")


def _read(path: Path, folder: Path | None) -> Facts:
    found: dict[str, str] = {}
    body = None
    with _opened(path) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            if content is None or entry.name not in (CATALOG, MODEL, _FACTS):
                raise DamagedData(
                    f"{path} holds {entry.name!r}, which no snapshot has."
                )
            if entry.name == _FACTS:
                body = durable.unsealed(path, content.read())
            else:
                found[entry.name] = _copied(content, folder and folder / entry.name)
    if not isinstance(body, dict):
        raise DamagedData(f"{path} ends before its end: it was not copied whole.")
    if body.get("format") != _FORMAT:
        raise DamagedData(
            f"{path} has format {body.get('format')}: restore it with a newer skylike.",
            reason="newer_schema",
        )
    for name, checksum in body["sha256"].items():
        if found.get(name) != checksum:
            raise DamagedData(f"{path}: {name} fails its checksum.")
    fields = Facts.__dataclass_fields__
    return Facts(**{name: body[name] for name in fields})


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except tarfile.ReadError as error:
        if "unexpected end" in str(error):
            raise DamagedData(f"{path} is cut off: it was not copied whole.") from error
        raise BadInput(
            f"{path} is no snapshot: {error}", reason="no_snapshot"
        ) from error
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file", reason="no_snapshot") from error


def _copied(content: IO[bytes], target: Path | None) -> str:
    """Copy to a new file, or nowhere; the checksum of what was there."""
    digest = hashlib.sha256()
    file = target.open("xb") if target else None
    try:
        while block := content.read(_BLOCK):
            digest.update(block)
            if file:
                file.write(block)
        if file:
            file.flush()
            os.fsync(file.fileno())
    finally:
        if file:
            file.close()
    return digest.hexdigest()


class _Digested(io.RawIOBase):
    """A file that is read once, for as long as that is wanted, with its checksum."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        caller.check()
        block = self._file.read(size)
        self.digest.update(block)
        return block


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without whose file it was, and when."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry
