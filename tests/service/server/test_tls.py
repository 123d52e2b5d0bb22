"""TLS and mutual TLS, with real certificates over real sockets."""

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.certificates import Authority

from skylike.service.config import Settings, load, split_address
from skylike.service.errors import BadSettings
from skylike.service.server.serve import Server


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def others(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "others")


@contextlib.contextmanager
def _serving(served: SimpleNamespace, data: Path, **settings: Any) -> Iterator[str]:
    given = {"data": data, "address": "127.0.0.1:0", "grace_seconds": 0, **settings}
    with Server(served.engine, load(given, environment={})) as server:
        server.ready()
        yield server.address


def _files(signed: tuple[Path, Path]) -> dict[str, Path]:
    return {"tls_certificate": signed[0], "tls_key": signed[1]}


def _asked(
    address: str, ca: Path | None, own: tuple[Path, Path] | None = None
) -> grpc.StatusCode:
    """How a health check ends on a new connection; without `ca` it has no TLS."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    if ca is None:
        channel = grpc.insecure_channel(address, options)
    else:
        certificate, key = (p.read_bytes() for p in own) if own else (None, None)
        trusting = grpc.ssl_channel_credentials(ca.read_bytes(), key, certificate)
        channel = grpc.secure_channel(address, trusting, options)
    with channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=20
            )
        except grpc.RpcError as error:
            call: Any = error
            return call.code()  # type: ignore[no-any-return]
    return grpc.StatusCode.OK


def test_a_tls_port_answers_who_trusts_it_and_nobody_else(
    served: SimpleNamespace, tmp_path: Path, ours: Authority, others: Authority
) -> None:
    """A plain connection and one that believes another authority get no answer."""
    with _serving(served, tmp_path, **_files(ours.issue("server"))) as address:
        assert _asked(address, ours.ca) is grpc.StatusCode.OK
        assert _asked(address, None) is grpc.StatusCode.UNAVAILABLE
        assert _asked(address, others.ca) is grpc.StatusCode.UNAVAILABLE
        assert _asked(address, ours.ca) is grpc.StatusCode.OK


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_old_versions_of_tls_are_refused(
    served: SimpleNamespace, tmp_path: Path, ours: Authority
) -> None:
    """By the server, which speaks 1.2 and 1.3."""
    with _serving(served, tmp_path, **_files(ours.issue("server"))) as address:
        host, port = split_address(address)

        def connect(version: ssl.TLSVersion) -> str | None:
            context = ssl.create_default_context(cafile=ours.ca)
            context.set_alpn_protocols(["h2"])
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            with (
                socket.create_connection((host, int(port)), timeout=20) as plain,
                context.wrap_socket(plain, server_hostname=host) as secure,
            ):
                return secure.version()

        assert connect(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert connect(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        with pytest.raises(ssl.SSLError, match=r"EOF|alert"):
            connect(ssl.TLSVersion.TLSv1_1)


def test_mutual_tls_wants_a_certificate_of_the_right_authority(
    served: SimpleNamespace, tmp_path: Path, ours: Authority, others: Authority
) -> None:
    files = _files(ours.issue("server"))
    with _serving(served, tmp_path, **files, tls_client_ca=others.ca) as address:
        assert _asked(address, ours.ca, others.issue("me")) is grpc.StatusCode.OK
        for own in (None, ours.issue("me")):
            assert _asked(address, ours.ca, own) is grpc.StatusCode.UNAVAILABLE


def test_a_renewed_certificate_counts_without_a_restart(
    served: SimpleNamespace,
    tmp_path: Path,
    ours: Authority,
    others: Authority,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Halves and broken ones are told once, and the one before stays."""
    certificate, key = ours.issue("server")
    before = certificate.read_bytes(), key.read_bytes()
    new = [file.read_bytes() for file in others.issue("server")]
    with _serving(served, tmp_path, **_files((certificate, key))) as address:
        certificate.write_bytes(new[0])  # the key is still that of the one before
        for _ in range(2):
            assert _asked(address, ours.ca) is grpc.StatusCode.OK
        assert capsys.readouterr().err.count("certificate_unusable") == 1
        key.write_bytes(new[1])
        assert _asked(address, others.ca) is grpc.StatusCode.OK
        assert capsys.readouterr().err.count("certificate_renewed") == 1
        assert _asked(address, ours.ca) is grpc.StatusCode.UNAVAILABLE
        certificate.unlink()
        assert _asked(address, others.ca) is grpc.StatusCode.OK
        key.write_bytes(before[1])
        certificate.write_bytes(before[0])
        assert _asked(address, ours.ca) is grpc.StatusCode.OK


def _broken(name: str, ours: Authority, others: Authority) -> dict[str, Path]:
    """Settings that name a file which cannot be used."""
    files = _files(ours.issue("server"))
    garbage = ours.ca.with_name("garbage.pem")
    garbage.write_bytes(os.urandom(100))
    match name:
        case "no certificate":
            files["tls_certificate"] = ours.ca.with_name("absent.pem")
        case "no key":
            files["tls_key"] = ours.ca.with_name("absent.key")
        case "garbage":
            files["tls_certificate"] = garbage
        case "another key":
            files["tls_key"] = others.issue("server")[1]
        case "a password":
            files |= _files(ours.issue("locked", password=b"open"))
        case "no authority":
            files["tls_client_ca"] = ours.ca.with_name("absent.pem")
        case "garbage for an authority":
            files["tls_client_ca"] = garbage
        case "others may read":
            files["tls_key"].chmod(0o644)
    return files


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no certificate", r"absent\.pem cannot be read: No such file"),
        ("no key", r"absent\.key cannot be read"),
        ("garbage", "have to be PEM"),
        ("another key", "belong together"),
        ("a password", "without a password"),
        ("no authority", r"absent\.pem cannot be read"),
        ("garbage for an authority", r"garbage\.pem holds no certificate"),
        ("others may read", r"mode 0644\): chmod 600"),
    ],
)
def test_files_that_cannot_be_used_are_told_at_the_start(
    served: SimpleNamespace,
    tmp_path: Path,
    ours: Authority,
    others: Authority,
    name: str,
    told: str,
) -> None:
    """With their names and nothing of what a key holds."""
    files = _broken(name, ours, others)
    with (
        pytest.raises(BadSettings, match=told) as caught,
        _serving(served, tmp_path, **files),
    ):
        pass
    assert caught.value.reason == "tls_files"
    assert "PRIVATE" not in str(caught.value)


def test_settings_of_tls_go_together(tmp_path: Path) -> None:
    some = tmp_path / "some.pem"
    for given, told in (
        ({"tls_certificate": some}, "go together"),
        ({"tls_key": some}, "go together"),
        ({"tls_client_ca": some}, "needs tls_certificate"),
    ):
        with pytest.raises(BadSettings, match=told):
            load(given, environment={})
    both = {"tls_certificate": some, "tls_key": some}
    assert load({"address": "0.0.0.0:1", **both}, environment={}) == Settings(
        address="0.0.0.0:1", tls_certificate=some, tls_key=some
    )
