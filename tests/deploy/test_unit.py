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

from skylike.client import Client
from skylike.service import config

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


@pytest.mark.slow
def test_its_lines_run(unit: Any, data: Path, tmp_path: Path) -> None:
    """Started as the unit says, found ready as it says, asked, SIGTERM, exit 0."""
    settings = tmp_path / "skylike.toml"
    text = (DEPLOY / "skylike.toml").read_text()
    port = _free_port()
    for there, here in (
        ('"/var/lib/skylike"', json.dumps(str(data))),
        ("127.0.0.1:50051", f"127.0.0.1:{port}"),
    ):
        assert there in text
        text = text.replace(there, here)
    settings.write_text(text)

    replaced = {INSTALLED: str(HERE), SETTINGS: str(settings)}
    start = _words(unit["Service"]["ExecStart"], replaced)
    is_up = {**replaced, "Client()": f"Client('127.0.0.1:{port}')"}
    wait = _words(unit["Service"]["ExecStartPost"], is_up)
    process = subprocess.Popen(
        start,
        env={key: value for key, value in os.environ.items() if "SKYLIKE" not in key},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        subprocess.run(wait, check=True, timeout=120)
        with Client(f"127.0.0.1:{port}") as client:
            assert client.neighbors(object_id="ring-0", k=3).hits[0].rank == 1
        start_of_end = time.monotonic()
        process.send_signal(int(getattr(signal, unit["Service"]["KillSignal"])))
        _, log = process.communicate(timeout=float(unit["Service"]["TimeoutStopSec"]))
    finally:
        process.kill()
    assert process.returncode == 0
    assert time.monotonic() - start_of_end < 10
    entries = [json.loads(line) for line in log.splitlines()]
    assert entries[0]["event"] == "serving"
    assert entries[-1]["event"] == "stopped"


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
