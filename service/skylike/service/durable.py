"""Files that a crash leaves as they were or as they shall be, never in between."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skylike.service.errors import DamagedData, NoSpace, StorageFailed

# No blocks are left, the owner has used up theirs, or a file may not grow.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def storing(where: Path) -> Iterator[None]:
    """While something is stored in a place: errors of the disk as ours.

    Raises
    ------
    NoSpace, StorageFailed
        If the disk is full, or does not read or write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpace(
                f"The disk of {where} is full ({error}): nothing of this was stored. "
                "Make room and try again."
            ) from error
        raise StorageFailed(
            f"{where} cannot be read or written: {error}. Look at the disk, its "
            "permissions and limits; nothing of this was stored."
        ) from error


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, and those it lies in, durably; it may be there."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync(one.parent)


def replace(path: Path, content: bytes, *, private: bool = False) -> None:
    """Give a file new content, whole and durably; a private one is its owner's only."""
    temporary = path.with_suffix(".new")
    if private:  # before there is anything in it; a crash may have left one
        temporary.touch(0o600)
        temporary.chmod(0o600)
    temporary.write_bytes(content)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed(body: object) -> dict[str, object]:
    """Something for JSON with its checksum, as `unsealed` wants it."""
    return {"sha256": _checksum(body), "body": body}


def unsealed(path: Path, content: bytes) -> Any:
    """What was sealed, of JSON that came from a file.

    Raises
    ------
    DamagedData
        If it is not as it was written.
    """
    try:
        found = json.loads(content)
        body = found["body"]
        if found["sha256"] == _checksum(body):
            return body
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedData(f"{path} cannot be read: {error}") from error
    raise DamagedData(f"{path} fails its checksum.")


def write_sealed(path: Path, body: object, *, private: bool = False) -> None:
    """Give a file new content that `read_sealed` can verify: JSON with its checksum."""
    replace(path, json.dumps(sealed(body), indent=1).encode(), private=private)


def read_sealed(path: Path) -> Any:
    """The body of a file that `write_sealed` wrote.

    Raises
    ------
    DamagedData
        If it is missing or not as it was written.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedData(f"{path} cannot be read: {error}") from error
    return unsealed(path, content)


def _checksum(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
