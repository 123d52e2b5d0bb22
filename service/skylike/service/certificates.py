"""Certificate, key and trusted authorities of a server, in files that may be renewed."""

import ssl
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from skylike.service.config import Settings
from skylike.service.errors import BadSettings

_log = structlog.get_logger()


@dataclass(frozen=True)
class Identity:
    """What a server shows, and whose certificates callers need.

    Attributes
    ----------
    certificate, key, client_ca
        In PEM; callers need none without the last.
    context
        The same for Python's own TLS.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    context: ssl.SSLContext


class Certificates:
    """The files, and what they hold. Safe from any thread.

    Parameters
    ----------
    certificate, key, client_ca
        In PEM.

    Raises
    ------
    BadSettings
        ``tls_files`` if a file is missing or broken, certificate and key do not
        belong together, or others may read the key.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._guard = threading.Lock()
        self._seen = self._look()
        self._newest = self._read()

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Those that settings name; None where there are none."""
        if settings.tls_certificate is None or settings.tls_key is None:
            return None
        return cls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)

    def newest(self) -> Identity:
        """What the files hold now; the same object until they change.

        Those that cannot be used are logged, and the ones before stay.
        """
        with self._guard:
            # Looked at before they are read: what changes in between is seen next time.
            now = self._look()
            if now != self._seen:
                self._seen = now
                try:
                    self._newest = self._read()
                except BadSettings as error:
                    _log.error("certificate_unusable", why=str(error))
                else:
                    _log.info("certificate_renewed", file=str(self._certificate))
            return self._newest

    def _read(self) -> Identity:
        certificate, key = _content(self._certificate), _content(self._key)
        client_ca = _content(self._client_ca) if self._client_ca else None
        _require_private(self._key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # Without a password it would ask for one at the terminal.
            context.load_cert_chain(self._certificate, self._key, password="-")
        except (OSError, ValueError) as error:
            raise _bad(
                f"the certificate {self._certificate} and the key {self._key} cannot be "
                f"used: they have to be PEM, without a password, and belong together"
            ) from error
        if self._client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(self._client_ca)
            except OSError as error:
                raise _bad(f"{self._client_ca} holds no certificate in PEM") from error
        return Identity(certificate, key, client_ca, context)

    def _look(self) -> list[tuple[int, int, int] | None]:
        """What changes when a file does."""
        found: list[tuple[int, int, int] | None] = []
        for path in (self._certificate, self._key, self._client_ca):
            try:
                facts = path.stat() if path else None
            except OSError:
                facts = None
            found.append(facts and (facts.st_ino, facts.st_size, facts.st_mtime_ns))
        return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _bad(f"{path} cannot be read: {error.strerror}") from error


def _require_private(key: Path) -> None:
    """As PostgreSQL has it: of root, a group may read it, which secrets are given to."""
    facts = key.stat()
    forbidden = 0o027 if facts.st_uid == 0 else 0o077
    if facts.st_mode & forbidden:
        raise _bad(
            f"others may read the key {key} (mode {stat.S_IMODE(facts.st_mode):04o}): "
            f"chmod 600 {key}"
        )


def _bad(message: str) -> BadSettings:
    return BadSettings(message, reason="tls_files")
