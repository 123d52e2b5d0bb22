"""Settings of the service, from the outside in.

The command line wins over the environment (``SKYLIKE_…``), that over a TOML file,
that over the defaults. Nothing is ignored: an unknown environment variable or key
and a TOML file that is not there are errors, for a setting that silently has no
effect is worse than none.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from skylike.service import misfits
from skylike.service.errors import BadSettings

PREFIX = "SKYLIKE_"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_HOST_NAME = re.compile(r"[A-Za-z0-9.-]+")
_SERVICE_URL = re.compile(_ORIGIN.pattern + r"/[A-Za-z0-9._~/-]*")
DATA = Path("skylike-data")
"""Data directory where none is named: in the folder one works in."""

# Variables of `skylike`, which somebody may use beside the service.
_OF_THE_CLIENT = {"api_key", "api_key_file", "tls_ca"}


class Settings(BaseModel):
    """What a running service needs to know. Immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(
        default=DATA, description="Data directory: collections and models."
    )
    address: str = Field(
        default="127.0.0.1:50051",
        description="HOST:PORT to listen on; port 0 picks a free one.",
    )
    http_address: str | None = Field(
        default=None,
        description="HOST:PORT for the same over HTTP and JSON; none by default.",
    )
    metrics_address: str | None = Field(
        default=None,
        description="HOST:PORT for Prometheus to read metrics from; none by default.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(),
        description="Origins of web pages that may ask over HTTP, parted by commas; none "
        "by default.",
    )
    http_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names by which HTTP callers may call this service besides, such as "
        "a proxy's, parted by commas; at a loopback address none but its own by default.",
    )
    resolver_url: str | None = Field(
        default=None,
        description="URL of a Sesame name resolver, such as "
        "https://cds.unistra.fr/cgi-bin/nph-sesame/, which is told the names that callers "
        "look up; none by default.",
    )
    insecure: bool = Field(
        default=False,
        description="Allow an address that other machines can reach without TLS and "
        "API keys.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="Certificate chain of the server in PEM; a new one counts from the "
        "next connection on.",
    )
    tls_key: Path | None = Field(
        default=None,
        description="Key of the certificate in PEM, without a password; only its owner "
        "may read it.",
    )
    tls_client_ca: Path | None = Field(
        default=None,
        description="Callers need a certificate that one of these (PEM) has signed.",
    )
    keys: Path | None = Field(
        default=None,
        description="File of the API keys; None: keys.json in the data directory.",
    )
    roots: tuple[Path, ...] = Field(
        default=(),
        description="Folders whose files callers may name, parted by colons; all else "
        "on this machine is refused.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Calls worked on at the same time; None: one for two cores.",
    )
    max_wait_seconds: float = Field(
        default=0.25,
        ge=0,
        description="Time that questions may wait for their turn, if it is more than "
        "they take themselves, and writes 20 times as long; others are told to come later.",
    )
    max_idle_seconds: float = Field(
        default=300.0,
        gt=0,
        description="Time that a stream may ask nothing, or take nothing of what it is "
        "answered, before it is ended.",
    )
    max_calls: int = Field(
        default=256,
        ge=8,
        le=4096,
        description="Calls that are there at the same time: at work, waiting, or being "
        "sent.",
    )
    max_held_bytes: int = Field(
        default=2**29,
        ge=2**20,
        description="Bytes of requests, at work or waiting.",
    )
    max_message_bytes: int = Field(
        default=64 * 2**20,
        ge=2**20,
        le=2**31 - 1,
        description="Largest message either way.",
    )
    max_inflated_bytes: int = Field(
        default=2**29,
        ge=2**20,
        description="Bytes a packed file may inflate to.",
    )
    max_pixels: int = Field(
        default=2**26, ge=64, description="Pixels read from one file."
    )
    max_tile_pixels: int = Field(
        default=2**24, ge=64, description="Pixels of one tile of a compressed image."
    )
    max_header_bytes: int = Field(
        default=2**22, ge=2880, description="Bytes of one FITS header."
    )
    max_hdus: int = Field(
        default=512, ge=1, description="Header and data units of a file."
    )
    grace_seconds: float = Field(
        default=10.0,
        ge=0,
        description="Time running calls get to finish after SIGTERM.",
    )
    log_json: bool = Field(
        default=False, description="Log JSON lines instead of text for people."
    )

    @field_validator("address", "http_address", "metrics_address")
    @classmethod
    def _has_host_and_port(cls, address: str | None) -> str | None:
        if address is None:
            return None
        host, port = split_address(address)
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError("expected HOST:PORT with a port from 0 to 65535")
        return address

    @field_validator("cors_origins", "http_hosts", mode="before")
    @classmethod
    def _separated_by_commas(cls, names: object) -> object:
        """As text, which is all the environment has."""
        if isinstance(names, str):
            return tuple(one.strip() for one in names.split(",") if one.strip())
        return names

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin} is no origin: expected https://HOST or https://HOST:PORT"
                )
        return origins

    @field_validator("http_hosts")
    @classmethod
    def _are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST_NAME.fullmatch(host):
                raise ValueError(
                    f"{host} is no name of a host: expected one without a port"
                )
        return tuple(host.lower() for host in hosts)

    @field_validator("resolver_url")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url is not None and not _SERVICE_URL.fullmatch(url):
            raise ValueError(
                "expected https://HOST/PATH/ or http://HOST:PORT/PATH/, and nothing behind it"
            )
        return url

    @field_validator("roots", mode="before")
    @classmethod
    def _are_parted(cls, roots: object) -> object:
        if not isinstance(roots, str):
            return roots
        return [root for root in roots.split(os.pathsep) if root]

    @field_validator("roots")
    @classmethod
    def _are_folders(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        for root in roots:
            if not (root.is_absolute() and root.is_dir()):
                raise ValueError(f"{str(root)!r} is no absolute path of a folder")
        return roots

    @model_validator(mode="after")
    def _has_whole_certificate(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self

    @model_validator(mode="after")
    def _stays_at_home(self) -> Self:
        for address in filter(None, (self.address, self.http_address)):
            if not (
                self.insecure
                or self.tls_certificate
                or is_loopback(split_address(address)[0])
            ):
                raise ValueError(
                    f"{address} can be reached from other machines, and nothing "
                    "protects it: use a loopback address such as 127.0.0.1, "
                    "tls_certificate and tls_key, or --insecure"
                )
        metrics = self.metrics_address
        if metrics and not (self.insecure or is_loopback(split_address(metrics)[0])):
            raise ValueError(
                f"{metrics} can be reached from other machines, and nothing protects "
                "metrics: use a loopback address such as 127.0.0.1, or --insecure"
            )
        return self


def load(
    command_line: Mapping[str, Any],
    *,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Settle every setting.

    Parameters
    ----------
    command_line
        By field name; None means not given.
    file
        A TOML file with fields at its top level.
    environment
        Variables; those that begin with ``SKYLIKE_`` are ours.

    Raises
    ------
    BadSettings
        For unknown names, values without meaning, and a file that cannot be read.
    """
    known = set(Settings.model_fields)
    settled = _read_file(file) if file else {}
    names = {name: f"{name} in {file}" for name in settled}
    for variable, value in environment.items():
        if variable.upper().startswith(PREFIX):
            name = variable.upper().removeprefix(PREFIX).lower()
            if name in _OF_THE_CLIENT:
                continue
            if name not in known:
                expected = [PREFIX + field.upper() for field in sorted(known)]
                raise BadSettings(
                    f"the environment variable {variable} is not a setting: "
                    f"{misfits.likely(variable.upper(), expected)}There are "
                    f"{', '.join(expected)}",
                    reason="unknown_setting",
                )
            settled[name], names[name] = value, variable
    for name, value in command_line.items():
        if value is not None:
            settled[name], names[name] = value, f"--{name.replace('_', '-')}"
    try:
        return Settings.model_validate(settled)
    except ValidationError as error:
        raise BadSettings(misfits.told(error, Settings, names.__getitem__)) from error


def split_address(address: str) -> tuple[str, str]:
    """Host and port; an IPv6 host loses its brackets."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


def join_address(host: str, port: int) -> str:
    """HOST:PORT; an IPv6 host gets brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host; names other than localhost: no."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(
            f"the settings file {file} cannot be read: {error.strerror}",
            reason="settings_file",
        ) from error
    except ValueError as error:
        raise BadSettings(
            f"the settings file {file} is not TOML: {error}", reason="settings_file"
        ) from error
