"""The systemd unit and the example settings: judged by systemd, and run for real."""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Authority

from skylike.client import Client, Tls
from skylike.service import config
from skylike.service.cli.supervisor import ready
from skylike.service.keys import Keys, Scope

DEPLOY = Path(__file__).parents[2] / "deploy"
INSTALLED, SETTINGS = "/opt/skylike/bin", "/etc/skylike/skylike.toml"
HERE = Path(sys.executable).parent


@pytest.fixture(scope="module")
def unit() -> Any:
    parsed = configparser.ConfigParser(interpolation=None, strict=True)
    parsed.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
    parsed.read(DEPLOY / "skylike.service")
    return parsed


def _analyzer() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here (Debian's package systemd)")
    return program


def test_systemd_accepts_it(tmp_path: Path) -> None:
    """With the programs of this environment in place of those that will be there."""
    text = (DEPLOY / "skylike.service").read_text()
    copy = tmp_path / "skylike.service"
    copy.write_text(text.replace(INSTALLED, str(HERE)))
    done = subprocess.run(
        [_analyzer(), "verify", "--man=no", copy], capture_output=True, text=True
    )
    told = [line for line in done.stderr.splitlines() if "skylike.service" in line]
    assert (done.returncode, told) == (0, []), done.stderr


def test_systemd_finds_little_to_attack() -> None:
    """Its own measure of exposure, from 0 to 10, is below 2."""
    done = subprocess.run(
        [
            *(_analyzer(), "security", "--offline=true", "--no-pager"),
            *("--threshold=20", DEPLOY / "skylike.service"),
        ],
        capture_output=True,
        text=True,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip(f"an old systemd-analyze: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_hardened_and_stops_gracefully(unit: Any) -> None:
    """Where systemd is not there to say so; and it waits longer than the grace."""
    service = unit["Service"]
    settings = config.load({}, file=DEPLOY / "skylike.toml", environment={})
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["User"] != "root"
    assert settings.data == Path("/var/lib") / service["StateDirectory"]
    assert int(service["LimitNOFILE"]) >= 65536
    assert service["Restart"] == "on-failure"
    assert service["KillSignal"] == "SIGTERM"
    # What cannot be stopped gets 2 seconds more, and closing 5.
    assert float(service["TimeoutStopSec"]) > settings.grace_seconds + 7
    assert not settings.insecure


def test_what_the_settings_file_suggests_are_settings() -> None:
    """The lines that are commented out too."""
    lines = (DEPLOY / "skylike.toml").read_text().splitlines()
    suggested = [line for line in lines if re.match(r"# \w+ = ", line)]
    assert suggested
    for line in suggested:
        [name] = tomllib.loads(line.removeprefix("# "))
        assert name in config.Settings.model_fields


def _settings_for(data: Path, port: int) -> str:
    """The example settings, for another place and port."""
    text = (DEPLOY / "skylike.toml").read_text()
    for there, here in (
        ('"/var/lib/skylike"', json.dumps(str(data))),
        ('"127.0.0.1:50051"', f'"127.0.0.1:{port}"'),
    ):
        assert there in text
        text = text.replace(there, here)
    return text


def _opened_to_others(text: str, port: int, authority: Authority) -> str:
    """The settings with the lines for other machines, as their comment says."""
    certificate, key = authority.issue("server")
    for there, here in (
        (f'\naddress = "127.0.0.1:{port}"', ""),
        ('# address = "0.0.0.0:50051"', f'address = "0.0.0.0:{port}"'),
        (
            '# tls_certificate = "/etc/skylike/certificate.pem"',
            f'tls_certificate = "{certificate}"',
        ),
        ('# tls_key = "/etc/skylike/key.pem"', f'tls_key = "{key}"'),
    ):
        assert there in text
        text = text.replace(there, here)
    return text


@pytest.mark.slow
@pytest.mark.parametrize("is_for_others", [False, True])
def test_its_lines_run(
    unit: Any, data: Path, tmp_path: Path, is_for_others: bool
) -> None:
    """Started as the unit says, ready when it says so, asked, SIGTERM, exit 0."""
    port = _free_port()
    text = _settings_for(data, port)
    asked: dict[str, Any] = {}
    if is_for_others:
        authority = Authority(tmp_path / "authority")
        text = _opened_to_others(text, port, authority)
        key = Keys(data / "keys.json").add("pipeline", Scope.READ)
        asked = {"tls": Tls(authority.ca), "api_key": key}
    settings = tmp_path / "skylike.toml"
    settings.write_text(text)
    replaced = {INSTALLED: str(HERE), SETTINGS: str(settings)}
    start = _words(unit["Service"]["ExecStart"], replaced)
    assert unit["Service"]["Type"] == "notify"
    environment = {k: v for k, v in os.environ.items() if "SKYLIKE" not in k}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(float(unit["Service"]["TimeoutStartSec"]) / 5)
        process = subprocess.Popen(
            start,
            env=environment | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert supervisor.recv(100) == b"READY=1"
            with Client(f"127.0.0.1:{port}", **asked) as client:
                assert client.neighbors(object_id="ring-0", k=3).hits[0].rank == 1
            start_of_end = time.monotonic()
            process.send_signal(int(getattr(signal, unit["Service"]["KillSignal"])))
            patience = float(unit["Service"]["TimeoutStopSec"])
            _, log = process.communicate(timeout=patience)
        finally:
            process.kill()
    assert process.returncode == 0
    assert time.monotonic() - start_of_end < 10
    entries = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert entries[0]["event"] == "serving"
    assert entries[0]["workers"] is None
    assert entries[-1]["event"] == "stopped"


@pytest.mark.parametrize("is_abstract", [False, True])
def test_a_supervisor_is_told_at_either_kind_of_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_abstract: bool
) -> None:
    """A file, or a name without one; and nobody where nobody asked."""
    ready()
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.settimeout(10)
        supervisor.bind("\0" + name if is_abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name if is_abstract else name)
        ready()
        assert supervisor.recv(100) == b"READY=1"


def test_bad_settings_are_not_tried_again(unit: Any, tmp_path: Path) -> None:
    """The exit code of a settings file that is wrong is one that prevents a restart."""
    settings = tmp_path / "skylike.toml"
    settings.write_text("wrokers = 8\n")
    command = _words(
        unit["Service"]["ExecStart"], {INSTALLED: str(HERE), SETTINGS: str(settings)}
    )
    done = subprocess.run(command, capture_output=True, text=True)
    assert str(done.returncode) in unit["Service"]["RestartPreventExitStatus"].split()
    assert "wrokers" in done.stderr


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def _words(line: str, replaced: dict[str, str]) -> list[str]:
    """A command line of the unit, with other paths."""
    for there, here in replaced.items():
        assert there in line or there == SETTINGS
        line = line.replace(there, here)
    return shlex.split(line)
