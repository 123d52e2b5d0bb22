"""API keys: who may ask, for how much, and how often.

A file holds a name, a scope and a rate for each key, and of the key itself only its
hash. It is replaced as a whole, and read again when it has changed, so that what one
process adds or revokes counts in another at once. Safe from any thread.
"""

import dataclasses
import enum
import fcntl
import hashlib
import hmac
import math
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from skylike.service import durable
from skylike.service.errors import AlreadyExists, BadRequest, DamagedData, NotFound

FILE = "keys.json"
"""Their file in a data directory."""
MARK = "skylike_"
"""How every key begins, so that scanners for leaked secrets know one."""

_NUM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Scope(enum.IntEnum):
    """What a key may do; each includes those before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key.

    Attributes
    ----------
    name
        Whose it is; logs tell it.
    scope
        What it may do.
    rate
        Calls a second; None for as many as the service answers.
    created
        When it was made, ISO 8601 in UTC.
    sha256
        Of the key, hexadecimal.
    """

    name: str
    scope: Scope
    rate: float | None
    created: str
    sha256: str = dataclasses.field(repr=False)


class Keys:
    """The keys of a file; one that is not there holds none.

    Parameters
    ----------
    path
        The file, of mode 0600. Beside it lies another, which holds back a second
        process that changes it at the same time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._keys: tuple[Key, ...] = ()

    def all(self) -> tuple[Key, ...]:
        """Every key, by name, as the file has them now.

        Raises
        ------
        DamagedData
            If it cannot be read, or is not as it was written.
        """
        with self._guard:
            # Looked at before it is read: what changes in between is seen next time.
            now = self._look()
            if now != self._seen:
                self._keys = () if now is None else self._read()
                self._seen = now
            return self._keys

    def find(self, secret: str) -> Key | None:
        """What is known of a key; None if it is not one of these.

        One SHA-256 is enough, where passwords need something slow: a key is 32 random
        bytes, which nobody can guess from its hash, however quickly they try. All are
        compared, each in constant time, so that the time tells nothing of any.
        """
        sha256 = _hashed(secret)
        found = None
        for key in self.all():
            if hmac.compare_digest(key.sha256, sha256):
                found = key
        return found

    def add(self, name: str, scope: Scope, rate: float | None = None) -> str:
        """Make a key; only what is returned here ever tells it.

        Raises
        ------
        BadRequest
            ``bad_name`` unless the name is 1 to 63 letters, digits, ``.``, ``_`` and
            ``-``; ``bad_rate`` unless the rate is above 0.
        AlreadyExists
            If there is a key of that name.
        """
        if not _NAME.fullmatch(name):
            raise BadRequest(
                f"{name!r} cannot name a key: 1 to 63 letters, digits, '.', '_' and '-' "
                "can, the first a letter or digit",
                reason="bad_name",
            )
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise BadRequest(
                f"the rate is {rate} calls a second; it has to be above 0",
                reason="bad_rate",
            )
        secret = MARK + secrets.token_urlsafe(_NUM_BYTES)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        with self._changing() as keys:
            if any(key.name == name for key in keys):
                raise AlreadyExists(
                    f"there is a key {name!r}: revoke it first, or take another name"
                )
            self._save([*keys, Key(name, scope, rate, created, _hashed(secret))])
        return secret

    def revoke(self, name: str) -> None:
        """Forget a key; from the next call on it opens nothing.

        Raises
        ------
        NotFound
            ``unknown_key`` if there is none of that name.
        """
        with self._changing() as keys:
            kept = [key for key in keys if key.name != name]
            if len(kept) == len(keys):
                known = ", ".join(key.name for key in keys) or "none"
                raise NotFound(
                    f"there is no key {name!r}; there are: {known}",
                    reason="unknown_key",
                )
            self._save(kept)

    @contextmanager
    def _changing(self) -> Iterator[tuple[Key, ...]]:
        """The keys, while no other process changes them."""
        with durable.storing(self.path):
            mine = os.open(
                self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600
            )
        try:
            fcntl.flock(mine, fcntl.LOCK_EX)
            yield self.all()
        finally:
            os.close(mine)

    def _save(self, keys: list[Key]) -> None:
        body = [
            dataclasses.asdict(key) | {"scope": str(key.scope)}
            for key in sorted(keys, key=lambda key: key.name)
        ]
        with durable.storing(self.path):
            durable.write_sealed(self.path, body, private=True)

    def _look(self) -> tuple[int, ...] | None:
        """What changes when the file does; None if it is not there."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedData(f"{self.path} cannot be read: {error}") from error
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _read(self) -> tuple[Key, ...]:
        body = durable.read_sealed(self.path)
        try:
            return tuple(
                Key(**entry | {"scope": Scope[entry["scope"].upper()]})
                for entry in body
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise DamagedData(
                f"{self.path} holds keys of another version of skylike: make them anew"
            ) from error


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
