"""TLS of the gRPC server."""

import grpc

from skylike.service.certificates import Certificates, Identity
from skylike.service.config import Settings


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
    files = Certificates.of(settings)
    if files is None:
        return None

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """What they hold now, if it is something else; gRPC asks at each connection."""
        identity = files.renewed()
        return None if identity is None else _configuration(identity)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(files.read()),
        renewed,  # type: ignore[arg-type]  # the stubs know no None
        require_client_authentication=settings.tls_client_ca is not None,
    )


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.certificate)], identity.client_ca
    )
