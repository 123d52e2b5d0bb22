"""TLS of the server, by files that may be renewed while it runs."""

import ssl
import stat
from pathlib import Path

import grpc
import structlog

from skylike.service.config import Settings
from skylike.service.errors import BadSettings

_log = structlog.get_logger()


def credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """What to listen with; None without a certificate.

    Files that have changed count from the next connection on. Those that cannot be
    used are logged, and the ones before stay.

    Raises
    ------
    BadSettings
        ``tls_files`` if a file is missing or broken, certificate and key do not
        belong together, or others may read the key.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    files = _Files(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    return grpc.dynamic_ssl_server_credentials(
        files.first(),
        files.renewed,  # type: ignore[arg-type]  # the stubs know no None
        require_client_authentication=settings.tls_client_ca is not None,
    )


class _Files:
    """A certificate, its key, and whose certificates callers need."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._seen = self._look()

    def first(self) -> grpc.ServerCertificateConfiguration:
        """What the files hold at the start."""
        return self._read()

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """What they hold now, if it is something else; gRPC asks at each connection."""
        # Looked at before they are read: what changes in between is seen next time.
        now = self._look()
        if now == self._seen:
            return None
        self._seen = now
        try:
            read = self._read()
        except BadSettings as error:
            _log.error("certificate_unusable", why=str(error))
            return None
        _log.info("certificate_renewed", file=str(self._certificate))
        return read

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

    def _read(self) -> grpc.ServerCertificateConfiguration:
        certificate, key = _content(self._certificate), _content(self._key)
        client_ca = _content(self._client_ca) if self._client_ca else None
        _require_private(self._key)
        # gRPC tells nothing of a file it cannot use but in lines of its own.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Without a password it would ask for one at the terminal.
            context.load_cert_chain(self._certificate, self._key, password="-")
        except (OSError, ValueError) as error:
            raise _bad(
                f"the certificate {self._certificate} and the key {self._key} cannot be "
                f"used: they have to be PEM, without a password, and belong together"
            ) from error
        if self._client_ca:
            try:
                context.load_verify_locations(self._client_ca)
            except OSError as error:
                raise _bad(f"{self._client_ca} holds no certificate in PEM") from error
        return grpc.ssl_server_certificate_configuration(
            [(key, certificate)], client_ca
        )


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
