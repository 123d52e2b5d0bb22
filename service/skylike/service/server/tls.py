"""TLS of both faces, by the same files: what has changed counts from the next connection."""

import ssl
from typing import Any

import grpc

from skylike.service.certificates import Certificates, Identity


def for_grpc(files: Certificates) -> grpc.ServerCredentials:
    """What the gRPC server listens with."""
    shown = files.newest()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """What they hold now, if it is something else; gRPC asks at each connection."""
        nonlocal shown
        before, shown = shown, files.newest()
        return None if shown is before else _configuration(shown)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(shown),
        renewed,  # type: ignore[arg-type]  # the stubs know no None
        require_client_authentication=shown.client_ca is not None,
    )


def for_http(files: Certificates) -> ssl.SSLContext:
    """What the gateway listens with."""

    def renew(connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """Called by each connection that begins, whether it names a host or not."""
        connection.context = files.newest().context

    first = files.newest().context
    first.sni_callback = renew
    return first


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.certificate)], identity.client_ca
    )
