"""The service as a process that other machines could reach: TLS, keys, and no secret told."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.certificates import Authority

from skylike.client import Client, Tls, errors

_COMMAND = (sys.executable, "-Im", "skylike.service")


def _environment(**ours: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if "SKYLIKE" not in k} | ours


def _run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [*_COMMAND, *map(str, arguments), "--json"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=_environment()
    )


@contextmanager
def _serving(
    data: Path, ready: Path, ours: Authority
) -> Iterator["tuple[subprocess.Popen[str], str]"]:
    """The process and the address it can be asked at."""
    certificate, key = ours.issue("server")
    process = subprocess.Popen(
        [
            *_COMMAND,
            "serve",
            "--log-json",
            "--address=0.0.0.0:0",
            "--ready-file",
            ready,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(
            SKYLIKE_DATA=str(data),
            SKYLIKE_TLS_CERTIFICATE=str(certificate),
            SKYLIKE_TLS_KEY=str(key),
            SKYLIKE_ROOTS=str(data),
            SKYLIKE_API_KEY="skylike_of-a-client-beside-it",
        ),
    )
    try:
        while not ready.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        port = json.loads(ready.read_text())["address"].rpartition(":")[2]
        yield process, f"127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_service_for_other_machines(data: Path, tmp_path: Path) -> None:
    """It starts with TLS and a key only, follows the keys, and its log tells no secret."""
    ours = Authority(tmp_path / "ours")
    address = ("serve", "--data", data, "--address=0.0.0.0:0")
    signed = ours.issue("server")
    files = (f"--tls-certificate={signed[0]}", f"--tls-key={signed[1]}")
    for options, reason in (((), "bad_settings"), (files, "no_keys")):
        done = _run(*address, *options)
        assert done.returncode == 2, done.stderr
        assert json.loads(done.stdout)["error"]["reason"] == reason

    made = _run("keys", "add", "night", "--scope=read", "--data", data)
    key = json.loads(made.stdout)["key"]
    tls = Tls(ours.ca)
    with _serving(data, tmp_path / "ready.json", ours) as (process, where):
        with Client(where, tls=tls, api_key=key) as client:
            client.wait_ready()
            assert client.neighbors(object_id="ring-0").hits
            _run("keys", "revoke", "night", "--data", data)
            with pytest.raises(errors.Unauthenticated):
                client.neighbors(object_id="ring-0")
        other = json.loads(
            _run("keys", "add", "day", "--scope=read", "--data", data).stdout
        )["key"]
        with Client(where, tls=tls, api_key=other) as client:
            assert client.neighbors(object_id="ring-0").hits
        process.terminate()
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    told = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert told[0]["event"] == "serving"
    assert told[0]["tls_key"].endswith("server.key")
    secrets = [key, other, "skylike_of-a", (tmp_path / "ours/server.key").read_text()]
    secrets += secrets[-1].splitlines()[1:-1]
    assert all(secret.removeprefix("skylike_") not in log for secret in secrets)
    asked = [one for one in told if one.get("method", "").endswith("/Neighbors")]
    assert [(one["code"], one.get("key")) for one in asked] == [
        ("OK", "night"),
        ("UNAUTHENTICATED", None),
        ("OK", "day"),
    ]
