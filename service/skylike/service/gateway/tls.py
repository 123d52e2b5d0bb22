"""TLS of the gateway: the same files as the gRPC server's, renewed in the same way."""

import ssl
from typing import Any

from skylike.service.certificates import Certificates
from skylike.service.config import Settings


def context_of(settings: Settings) -> ssl.SSLContext | None:
    """What to listen with; None without a certificate.

    Files that have changed count from the next connection on. Those that cannot be
    used are logged, and the ones before stay.

    Raises
    ------
    BadSettings
        ``tls_files`` if a file is missing or broken, certificate and key do not
        belong together, or others may read the key.
    """
    files = Certificates.of(settings)
    if files is None:
        return None
    first = newest = files.read().context

    def renew(connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """Called by each connection that begins, whether it names a host or not."""
        nonlocal newest
        identity = files.renewed()
        newest = identity.context if identity else newest
        connection.context = newest

    first.sni_callback = renew
    return first
