"""The file of API keys, and the commands that change it."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from skylike.service import durable, logs
from skylike.service.__main__ import main
from skylike.service.errors import AlreadyExists, BadRequest, DamagedData, NotFound
from skylike.service.keys import MARK, Keys, Scope

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: exit code, standard output and error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["skylike-service", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        with capsys.disabled():
            logs.configure(json=False)
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_a_key_is_found_until_it_is_revoked(tmp_path: Path) -> None:
    """By another object on the same file too, as a running service has one."""
    keys, service = Keys(tmp_path / "keys.json"), Keys(tmp_path / "keys.json")
    assert service.all() == ()
    secret = keys.add("pipeline", Scope.WRITE, rate=2.5)
    other = keys.add("reader", Scope.READ)
    found = service.find(secret)
    assert found is not None
    assert (found.name, found.scope, found.rate) == ("pipeline", Scope.WRITE, 2.5)
    assert service.find(secret[:-1]) is None
    assert service.find(found.sha256) is None
    keys.revoke("pipeline")
    assert service.find(secret) is None
    assert [key.name for key in service.all()] == ["reader"]
    assert service.find(other) is not None


def test_the_file_is_its_owners_and_holds_no_key(tmp_path: Path) -> None:
    """Nothing it holds opens anything; what a crash left is not written into as it is."""
    path = tmp_path / "keys.json"
    path.with_suffix(".new").touch(0o666)
    secret = Keys(path).add("a", Scope.ADMIN)
    assert secret.startswith(MARK)
    assert len(secret) >= len(MARK) + 43  # 32 bytes
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret.removeprefix(MARK) not in path.read_text()
    [key] = Keys(path).all()
    assert key.sha256 not in repr(key)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a\n", "\u202ea", "x" * 64])
def test_names_are_plain_words(tmp_path: Path, name: str) -> None:
    """They stand in logs."""
    with pytest.raises(BadRequest) as caught:
        Keys(tmp_path / "keys.json").add(name, Scope.READ)
    assert caught.value.reason == "bad_name"


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_rates_are_above_zero(tmp_path: Path, rate: float) -> None:
    with pytest.raises(BadRequest) as caught:
        Keys(tmp_path / "keys.json").add("a", Scope.READ, rate)
    assert caught.value.reason == "bad_rate"


def test_names_are_taken_once_and_unknown_ones_not_revoked(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    secret = keys.add("a", Scope.READ)
    with pytest.raises(AlreadyExists):
        keys.add("a", Scope.ADMIN)
    with pytest.raises(NotFound, match="there are: a"):
        keys.revoke("b")
    assert keys.find(secret) is not None


_ADD_TEN = """
import sys, pathlib
from skylike.service.keys import Keys, Scope
for number in range(10):
    Keys(pathlib.Path(sys.argv[1])).add(f"key-{sys.argv[2]}-{number}", Scope.READ)
"""


def test_processes_that_change_it_at_once_lose_nothing(tmp_path: Path) -> None:
    """Or a key that was revoked could come back."""
    path = tmp_path / "keys.json"
    processes = [
        subprocess.Popen([sys.executable, "-Ic", _ADD_TEN, path, str(number)])
        for number in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(Keys(path).all()) == 30


@pytest.mark.parametrize("content", ["", "{}", '{"sha256": "0", "body": []}'])
def test_a_damaged_file_is_no_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    keys = Keys(path)
    keys.add("a", Scope.READ)
    path.write_text(content)
    for _ in range(2):
        with pytest.raises(DamagedData):
            keys.all()


def test_keys_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    Keys(path).add("a", Scope.READ)
    body = json.loads(path.read_text())["body"]
    durable.write_sealed(path, [body[0] | {"colour": "red"}])
    with pytest.raises(DamagedData, match="another version"):
        Keys(path).all()


def test_keys_are_added_listed_and_revoked_by_commands(
    run: Run, tmp_path: Path
) -> None:
    """A key is printed once, alone on the standard output, and never listed."""
    where = ("--data", tmp_path)
    code, secret, hint = run("keys", "add", "alerts", "--scope", "read", *where)
    assert code == 0
    assert "only its hash" in hint
    options = ("--scope=admin", "--rate=5", "--json")
    code, out, _ = run("keys", "add", "boss", *options, *where)
    told = json.loads(out)
    assert (code, told["scope"], told["rate"]) == (0, "admin", 5)
    keys = Keys(tmp_path / "keys.json")
    for one, name in ((secret.strip(), "alerts"), (told["key"], "boss")):
        found = keys.find(one)
        assert found is not None
        assert found.name == name
    code, out, _ = run("keys", "list", *where)
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["alerts", "read"],
        ["boss", "admin"],
    ]
    _, out, _ = run("keys", "list", "--json", *where)
    assert [set(one) for one in json.loads(out)] == [
        {"name", "scope", "rate", "created"}
    ] * 2
    code, out, _ = run("keys", "revoke", "boss", "--json", *where)
    assert (code, json.loads(out)) == (0, {"revoked": "boss"})
    assert keys.find(told["key"]) is None
    code, out, _ = run("keys", "revoke", "boss", "--json", *where)
    assert (code, json.loads(out)["error"]["reason"]) == (1, "unknown_key")


def test_the_file_may_lie_elsewhere(run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    where = ("--data", tmp_path, "--keys", elsewhere)
    assert run("keys", "add", "a", "--scope", "write", *where)[0] == 0
    assert [key.name for key in Keys(elsewhere).all()] == ["a"]
    assert not (tmp_path / "keys.json").exists()
