"""TLS and API keys of the client, against a server that asks for both."""

import json
import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import pytest
from tests.certificates import Authority

from skylike.client import Client, NewObject, Tls, errors
from skylike.client.credentials import credentials
from skylike.service.config import Settings
from skylike.service.keys import Keys, Scope
from skylike.service.server.serve import Server

Run = Callable[..., "CompletedProcess[str]"]


@dataclass
class Guarded:
    """A server that asks for a certificate and for a key."""

    address: str
    keys: Keys
    ours: Authority
    own: tuple[Path, Path]

    @property
    def tls(self) -> Tls:
        return Tls(self.ours.ca, *self.own)

    def client(self, api_key: str | None) -> Client:
        return Client(self.address, tls=self.tls, api_key=api_key, timeout=20)


@pytest.fixture
def guarded(served: SimpleNamespace, tmp_path: Path) -> Iterator[Guarded]:
    ours = Authority(tmp_path / "ours")
    certificate, key = ours.issue("server")
    keys = Keys(tmp_path / "keys.json")
    keys.add("first", Scope.READ)
    settings = Settings(
        data=tmp_path,
        address="127.0.0.1:0",
        tls_certificate=certificate,
        tls_key=key,
        tls_client_ca=ours.ca,
        grace_seconds=0,
    )
    with Server(served.engine, settings) as server:
        server.ready()
        yield Guarded(server.address, keys, ours, ours.issue("me"))


def test_a_client_with_credentials_is_answered(guarded: Guarded) -> None:
    with guarded.client(guarded.keys.add("reader", Scope.READ)) as client:
        client.wait_ready()
        assert len(client.neighbors(object_id="ring-0", collection="sky").hits) == 10
        assert client.collections()


def test_what_it_lacks_is_told(guarded: Guarded, sky: SimpleNamespace) -> None:
    """The key, the right one, its scope, its rate: an exception and a reason each."""
    for api_key, reason in ((None, "no_key"), ("skylike_none", "wrong_key")):
        with (
            guarded.client(api_key) as client,
            pytest.raises(errors.Unauthenticated) as refused,
        ):
            client.collections()
        assert refused.value.reason == reason
    with guarded.client(guarded.keys.add("slow", Scope.READ, rate=1)) as client:
        with pytest.raises(errors.PermissionDenied, match="needs write") as denied:
            client.add([NewObject("denied", sky.draw())], collection="bare")
        assert denied.value.reason == "missing_scope"
        assert denied.value.request_id
        client.collections()


def test_who_is_too_fast_for_its_key_waits_as_long_as_it_is_told(
    guarded: Guarded,
) -> None:
    """And is told so at its deadline, if that is sooner."""
    rare = guarded.keys.add("rare", Scope.READ, rate=0.05)
    with Client(guarded.address, tls=guarded.tls, api_key=rare, timeout=1) as client:
        client.collections()
        with pytest.raises(errors.Overloaded) as overloaded:
            client.collections()
    assert overloaded.value.retry_seconds is not None
    assert 1 < overloaded.value.retry_seconds <= 20
    with guarded.client(guarded.keys.add("slow", Scope.READ, rate=5)) as client:
        began = time.monotonic()
        for _ in range(9):
            client.collections()
        assert time.monotonic() - began > 0.7


def test_without_the_right_certificates_nothing_is_answered(
    guarded: Guarded, tmp_path: Path
) -> None:
    """None, another authority's, or a server that is not believed."""
    others = Authority(tmp_path / "others")
    key = guarded.keys.add("reader", Scope.READ)
    for tls in (
        None,
        Tls(),
        Tls(guarded.ours.ca),
        Tls(others.ca, *guarded.own),
        Tls(guarded.ours.ca, *others.issue("me")),
    ):
        with (
            Client(guarded.address, tls=tls, api_key=key) as client,
            pytest.raises(errors.Unavailable) as caught,
        ):
            client.collections()
        assert key not in "".join(traceback.format_exception(caught.value))


def test_a_connection_of_the_wrong_kind_is_told_by_what_to_try(
    guarded: Guarded, served: SimpleNamespace, tmp_path: Path
) -> None:
    """TLS on one side only, and certificates that do not fit."""
    others = Authority(tmp_path / "others")
    for address, tls, told in (
        (guarded.address, None, "wants TLS"),
        (served.address, Tls(guarded.ours.ca), "speaks no TLS"),
        (guarded.address, Tls(others.ca, *guarded.own), "nobody who is believed"),
        (guarded.address, Tls(guarded.ours.ca), "certificate of yours"),
    ):
        with (
            Client(address, tls=tls) as client,
            pytest.raises(errors.Unavailable, match=f"Perhaps: .*{told}"),
        ):
            client.collections()


def test_a_port_for_http_and_none_at_all_are_told_as_such(
    served: SimpleNamespace, tmp_path: Path
) -> None:
    settings = Settings(
        data=tmp_path, address="127.0.0.1:0", http_address="127.0.0.1:0"
    )
    with Server(served.engine, settings) as server:
        http, gone = server.addresses["http_address"], server.address
        with (
            Client(http) as client,
            pytest.raises(errors.Unavailable, match="a port for HTTP"),
        ):
            client.collections()
    with (
        Client(gone) as client,
        pytest.raises(errors.Unavailable, match="is the service running"),
    ):
        client.collections()


def test_the_key_may_come_from_the_environment(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Itself, or the name of a file that holds it; what is given goes first."""
    key = guarded.keys.add("reader", Scope.READ)
    monkeypatch.setenv("SKYLIKE_API_KEY", key)
    with guarded.client(None) as client:
        assert client.collections()
    with (
        guarded.client("skylike_none") as client,
        pytest.raises(errors.Unauthenticated),
    ):
        client.collections()
    monkeypatch.delenv("SKYLIKE_API_KEY")
    (tmp_path / "key").write_text(f"{key}\n")
    monkeypatch.setenv("SKYLIKE_API_KEY_FILE", str(tmp_path / "key"))
    with guarded.client(None) as client:
        assert client.collections()
    monkeypatch.setenv("SKYLIKE_API_KEY_FILE", str(tmp_path / "absent"))
    with pytest.raises(errors.BadInput, match="absent cannot be read") as caught:
        guarded.client(None)
    assert caught.value.reason == "file_missing"


@pytest.mark.parametrize("key", ["", "two words", "a\nb", "schlüssel", "x" * 1001])
def test_what_is_no_key_is_refused_and_not_told(key: str) -> None:
    """Neither by the error nor by anything it came from."""
    with pytest.raises(errors.BadInput) as caught:
        Client("127.0.0.1:1", api_key=key)
    assert caught.value.reason == "bad_api_key"
    if key:
        assert key not in "".join(traceback.format_exception(caught.value))


def test_a_key_is_not_shown(guarded: Guarded) -> None:
    key = guarded.keys.add("reader", Scope.READ)
    with guarded.client(key) as client:
        shown = [repr(client), str(client), repr(credentials("a:1", Tls(), key))]
        assert all(key not in text for text in shown)


@pytest.mark.parametrize(
    ("address", "travels"),
    [
        ("127.0.0.1:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("unix:/run/skylike", True),
        ("unix-abstract:skylike", True),
        ("unix:50051", False),
        ("unixhost:1", False),
        ("unix-cluster.example.org:50051", False),
        ("dns:///localhost:1", True),
        ("sky.org:1", False),
        ("10.0.0.1:1", False),
        ("dns:///sky.org:1", False),
        ("localhost.sky.org:1", False),
    ],
)
def test_a_key_leaves_the_machine_with_tls_only(address: str, travels: bool) -> None:
    assert credentials(address, Tls(), "key").metadata
    assert credentials(address, None, None, {}).metadata == ()
    if travels:
        assert credentials(address, None, "key").metadata
        return
    with pytest.raises(errors.BadInput, match="use TLS") as caught:
        credentials(address, None, "key")
    assert caught.value.reason == "bad_api_key"


def test_without_tls_a_proxy_of_the_environment_is_passed_by(
    served: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would read the key, though the service is on this machine."""
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        port = served.address.rpartition(":")[2]
        with Client(f"localhost:{port}", api_key="key", timeout=10) as client:
            assert client.collections()
        proxy.settimeout(0.1)
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_files_that_cannot_be_used_are_told_at_once(tmp_path: Path) -> None:
    """Not at the first call, and not as a server that does not answer."""
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    certificate, key = ours.issue("me")
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(os.urandom(100))
    cases = [
        (Tls(tmp_path / "absent.pem"), "file_missing", r"absent\.pem cannot be read"),
        (Tls(garbage), "bad_tls", r"garbage\.pem cannot be used"),
        (Tls(None, certificate), "bad_tls", "go together"),
        (Tls(None, certificate, others.issue("me")[1]), "bad_tls", "belong together"),
        (Tls(None, *ours.issue("locked", password=b"open")), "bad_tls", "password"),
        (Tls(None, certificate, tmp_path / "no.key"), "file_missing", r"no\.key"),
    ]
    for tls, reason, told in cases:
        with pytest.raises(errors.BadInput, match=told) as caught:
            Client("127.0.0.1:1", tls=tls)
        assert caught.value.reason == reason
    with Client("127.0.0.1:1", tls=Tls(ours.ca, certificate, key)):
        pass


def test_the_command_line_takes_them(
    guarded: Guarded, skylike: Run, tmp_path: Path
) -> None:
    """As options, or from the environment; failures are lines, not tracebacks."""
    key = tmp_path / "key"
    key.write_text(guarded.keys.add("reader", Scope.READ))
    files = (
        f"--address={guarded.address}",
        f"--tls-certificate={guarded.own[0]}",
        f"--tls-key={guarded.own[1]}",
    )
    ca = f"--tls-ca={guarded.ours.ca}"
    done = skylike("collections", "list", "--json", *files, ca, f"--api-key-file={key}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])
    environment = {
        "SKYLIKE_TLS_CA": str(guarded.ours.ca),
        "SKYLIKE_API_KEY": key.read_text(),
    }
    done = skylike("query", "--id=ring-0", "--collection=sky", *files, **environment)
    assert done.returncode == 0, done.stderr
    for options, reason in (
        ((ca,), "[no_key]"),
        ((ca, f"--api-key-file={tmp_path}/absent"), "[file_missing]"),
        ((f"--tls-ca={tmp_path}/absent",), "[file_missing]"),
        (("--tls", f"--api-key-file={key}"), "[unavailable]"),
    ):
        done = skylike("query", "--id=ring-0", *files, *options)
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]  # gRPC tells of handshakes before it
        assert last.startswith("error: ")
        assert last.endswith(reason)
        assert "Traceback" not in done.stderr
        assert key.read_text() not in done.stderr + done.stdout
