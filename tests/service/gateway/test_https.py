"""HTTP over TLS, by the same certificates as gRPC, over real sockets."""

import socket
import ssl
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from tests.certificates import Authority
from tests.service.gateway.conftest import Serving

from skylike.service.config import split_address
from skylike.service.errors import BadSettings

FITS = {"Content-Type": "application/fits"}


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def others(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "others")


def _files(signed: tuple[Path, Path]) -> dict[str, Path]:
    return {"tls_certificate": signed[0], "tls_key": signed[1]}


def _asked(
    address: str, ca: Path, own: tuple[Path, Path] | None = None
) -> httpx.Response:
    """The answer on a new connection, by who believes this authority."""
    trusting = ssl.create_default_context(cafile=ca)
    if own is not None:
        trusting.load_cert_chain(*own)
    return httpx.get(f"https://{address}/v1/health/ready", verify=trusting, timeout=20)


def _is_answered(address: str, ca: Path, own: tuple[Path, Path] | None = None) -> bool:
    try:
        return _asked(address, ca, own).status_code == 200
    except httpx.TransportError:
        return False


def test_an_upload_by_https_is_answered(
    serving: Serving, data: Path, sky: SimpleNamespace, ours: Authority
) -> None:
    with serving(data, **_files(ours.issue("server"))) as server:
        address = server.addresses["http_address"]
        trusting = ssl.create_default_context(cafile=ours.ca)
        with httpx.Client(base_url=f"https://{address}/v1", verify=trusting) as http:
            about = {"collection": "sky", "k": "3"}
            raw = http.post(
                "/analyze", content=sky.draw("ring", 7), headers=FITS, params=about
            )
            form = http.post(
                "/analyze", files={"file": sky.draw("ring", 7)}, data=about
            )
    assert raw.status_code == 200
    assert len(raw.json()["hits"]) == 3
    assert form.json()["hits"] == raw.json()["hits"]


def test_plain_http_and_another_authority_get_no_answer(
    serving: Serving, data: Path, ours: Authority, others: Authority
) -> None:
    with serving(data, **_files(ours.issue("server"))) as server:
        address = server.addresses["http_address"]
        assert _is_answered(address, ours.ca)
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            _asked(address, others.ca)
        host, port = split_address(address)
        with socket.create_connection((host, int(port)), timeout=20) as plain:
            plain.sendall(b"GET /v1/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP" not in plain.recv(1000)
        assert _is_answered(address, ours.ca)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_old_versions_of_tls_are_refused(
    serving: Serving, data: Path, ours: Authority
) -> None:
    with serving(data, **_files(ours.issue("server"))) as server:
        host, port = split_address(server.addresses["http_address"])
        for version, is_spoken in (
            (ssl.TLSVersion.TLSv1_1, False),
            (ssl.TLSVersion.TLSv1_2, True),
            (ssl.TLSVersion.TLSv1_3, True),
        ):
            context = ssl.create_default_context(cafile=ours.ca)
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            with socket.create_connection((host, int(port)), timeout=20) as plain:
                try:
                    context.wrap_socket(plain, server_hostname=host).close()
                except ssl.SSLError:
                    assert not is_spoken
                else:
                    assert is_spoken


def test_mutual_tls_wants_a_certificate_of_the_right_authority(
    serving: Serving, data: Path, ours: Authority, others: Authority
) -> None:
    files = _files(ours.issue("server"))
    with serving(data, **files, tls_client_ca=others.ca) as server:
        address = server.addresses["http_address"]
        assert _is_answered(address, ours.ca, others.issue("me"))
        assert not _is_answered(address, ours.ca)
        assert not _is_answered(address, ours.ca, ours.issue("me"))


def test_renewed_files_count_without_a_restart(
    serving: Serving,
    data: Path,
    ours: Authority,
    others: Authority,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whose certificates callers need, too; halves of a renewal are told and wait."""
    certificate, key = ours.issue("server")
    new = [file.read_bytes() for file in others.issue("server")]
    trusted = others.ca.with_name("trusted.pem")
    trusted.write_bytes(ours.ca.read_bytes())
    me, myself = ours.issue("me"), others.issue("me")
    files = _files((certificate, key))
    with serving(data, **files, tls_client_ca=trusted) as server:
        address = server.addresses["http_address"]
        assert _is_answered(address, ours.ca, me)
        certificate.write_bytes(new[0])  # the key is still that of the one before
        assert _is_answered(address, ours.ca, me)
        assert "certificate_unusable" in capsys.readouterr().err
        key.write_bytes(new[1])
        assert _is_answered(address, others.ca, me)
        assert not _is_answered(address, ours.ca, me)
        trusted.write_bytes(others.ca.read_bytes())
        assert _is_answered(address, others.ca, myself)
        assert not _is_answered(address, others.ca, me)


def test_a_key_that_others_may_read_is_refused_at_the_start(
    serving: Serving, data: Path, ours: Authority
) -> None:
    files = _files(ours.issue("server"))
    files["tls_key"].chmod(0o644)
    with pytest.raises(BadSettings, match="0644"), serving(data, **files):
        pass
