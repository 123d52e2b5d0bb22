"""Snapshots: a collection at one moment, with its model, in one file.

The file is a plain tar archive: ``catalog.sqlite3``, ``model.onnx``, and at its end
``snapshot.json``, which tells what they are and carries the checksum of each and of
itself. Segments are not in it: they are made anew.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TextIO

from skylike.service import caller, durable
from skylike.service.errors import AlreadyExists, BadInput, DamagedData, InUse
from skylike.service.lock import lock

CATALOG, MODEL, _FACTS = "catalog.sqlite3", "model.onnx", "snapshot.json"
_WORKPLACE = ".skylike-snapshot-"
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


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """A hidden folder beside a snapshot that shall be, in which it is made.

    It is removed in the end, and so are those beside it whose process was killed: one
    that works has its folder locked.

    Raises
    ------
    AlreadyExists
        If there is such a file.
    """
    if path.exists():
        raise AlreadyExists(f"{path} exists already: name another file.")
    for left in path.parent.glob(f"{_WORKPLACE}*"):
        with suppress(InUse, OSError), lock(left):
            shutil.rmtree(left)
    folder, lock_file = _locked_folder(path.parent)
    with lock_file:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write(path: Path, facts: Facts, catalog: Path, model: Path) -> None:
    """Put a copy of a catalog and a model into a new file, durably, or not at all.

    Parameters
    ----------
    path
        The file; its `workplace` holds `catalog`.
    facts
        What the snapshot holds.
    catalog, model
        The files that go into it.

    Raises
    ------
    AlreadyExists
        If there is such a file.
    """
    unfinished = catalog.with_name("unfinished")
    try:
        with tarfile.TarFile(
            unfinished, "w", format=tarfile.PAX_FORMAT, copybufsize=_BLOCK
        ) as archive:
            checksums = {}
            for name, source in ((CATALOG, catalog), (MODEL, model)):
                with source.open("rb") as file:
                    entry = _anonymous(archive.gettarinfo(arcname=name, fileobj=file))
                    content = _Digested(file)
                    archive.addfile(entry, content)
                checksums[name] = content.digest.hexdigest()
            body = {"format": _FORMAT, **asdict(facts), "sha256": checksums}
            told = json.dumps(durable.sealed(body), indent=1).encode()
            entry = tarfile.TarInfo(_FACTS)
            entry.size = len(told)
            archive.addfile(entry, io.BytesIO(told))
        durable.sync(unfinished)
        os.link(unfinished, path)  # unlike a rename it replaces nothing
        durable.sync(path.parent)
    except FileExistsError:
        raise AlreadyExists(f"{path} exists already: name another file.") from None


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


def _locked_folder(parent: Path) -> tuple[Path, TextIO]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_WORKPLACE, dir=parent))
        # Before it is locked, another process may take it for one that was left.
        with suppress(InUse, FileNotFoundError):
            try:
                return folder, lock(folder)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise


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
