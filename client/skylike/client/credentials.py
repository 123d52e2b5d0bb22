"""How a client shows who it is, and makes sure whom it asks.

A key never leaves this module but as metadata of a call: no error, log line or
``repr`` tells it.
"""

import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import grpc

from skylike.client.errors import BadInput

KEY_VARIABLE = "SKYLIKE_API_KEY"
KEY_FILE_VARIABLE = "SKYLIKE_API_KEY_FILE"

_KEY = re.compile(r"[!-~]{1,1000}")
# A number may be the port of a host of that name.
_SOCKET = re.compile(r"unix(-abstract)?:(?!\d+\Z)")


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS, by files in PEM.

    Attributes
    ----------
    ca
        Whose certificates are believed; None for the public authorities that gRPC
        brings along.
    certificate, key
        The client's own, where the service asks for one.
    """

    ca: str | PathLike[str] | None = None
    certificate: str | PathLike[str] | None = None
    key: str | PathLike[str] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What connections and calls need.

    Attributes
    ----------
    channel
        For `grpc.secure_channel`; None for a connection without TLS.
    metadata
        Of each call.
    """

    channel: grpc.ChannelCredentials | None
    metadata: tuple[tuple[str, str], ...]


def credentials(
    address: str,
    tls: Tls | None,
    api_key: str | None,
    environment: Mapping[str, str] = os.environ,
) -> Credentials:
    """Gather what to show to a service.

    Parameters
    ----------
    address
        Of the service.
    tls
        None for a connection without.
    api_key
        None for the one of the environment, if there is one.
    environment
        ``SKYLIKE_API_KEY``, or ``SKYLIKE_API_KEY_FILE`` which names a file.

    Raises
    ------
    BadInput
        ``bad_tls`` or ``file_missing`` for files that cannot be used; ``bad_api_key``
        for what is no key, or would travel where others can read it.
    """
    channel = None if tls is None else _channel(tls)
    if api_key is None:
        api_key = environment.get(KEY_VARIABLE) or None  # empty is as good as unset
    if api_key is None and (file := environment.get(KEY_FILE_VARIABLE)):
        api_key = key_in(file)
    if api_key is None:
        return Credentials(channel, ())
    if not _KEY.fullmatch(api_key):
        raise BadInput(
            f"the API key has {len(api_key)} characters, of which some cannot be part "
            "of a key",
            reason="bad_api_key",
        )
    if channel is None and not _is_of_this_machine(address):
        raise BadInput(
            f"the API key would travel to {address} where others can read it: use TLS",
            reason="bad_api_key",
        )
    return Credentials(channel, (("authorization", f"Bearer {api_key}"),))


def key_in(file: str | PathLike[str]) -> str:
    """The API key that a file holds.

    Raises
    ------
    BadInput
        ``file_missing`` if it cannot be read.
    """
    return _content(file).decode("ascii", "replace").strip()


def _channel(tls: Tls) -> grpc.ChannelCredentials:
    if (tls.certificate is None) != (tls.key is None):
        raise BadInput("a client's certificate and key go together", reason="bad_tls")
    _check(tls)
    return grpc.ssl_channel_credentials(
        root_certificates=_content(tls.ca) if tls.ca else None,
        private_key=_content(tls.key) if tls.key else None,
        certificate_chain=_content(tls.certificate) if tls.certificate else None,
    )


def _check(tls: Tls) -> None:
    """Refuse what gRPC would only find unusable once it connects."""
    for file in (tls.ca, tls.certificate, tls.key):
        if file is not None:
            _content(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
        if tls.certificate is not None:
            # Without a password it would ask for one at the terminal.
            context.load_cert_chain(tls.certificate, tls.key, password="-")
    except (OSError, ValueError) as error:
        named = " and ".join(
            str(file) for file in (tls.ca, tls.certificate, tls.key) if file is not None
        )
        raise BadInput(
            f"{named} cannot be used: certificates and keys have to be PEM, without a "
            "password, and belong together",
            reason="bad_tls",
        ) from error


def _content(file: str | PathLike[str]) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise BadInput(
            f"{os.fspath(file)} cannot be read: {error.strerror}", reason="file_missing"
        ) from error


def _is_of_this_machine(address: str) -> bool:
    if _SOCKET.match(address):
        return True
    host = address.rpartition("/")[2].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
