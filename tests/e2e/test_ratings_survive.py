"""What people said survives all that happens to a service and its archive."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from skylike.client import Client, NewObject
from skylike.service.collection import Opinion
from skylike.service.library import Library

Service = Callable[[Path, Path], AbstractContextManager["subprocess.Popen[str]"]]

SAID = {"ring-1": 5.0, "ring-2": 2.5, "long-3": 0.0}


def scores(client: Client) -> dict[tuple[str, str], float]:
    return {(one.id, one.who): one.score for one in client.ratings().ratings}


def test_ratings_survive_a_kill_and_go_with_what_is_deleted(
    service: Service, data: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """What is added again under an old name is another object."""
    ready = tmp_path / "ready.json"
    with service(data, ready) as process:
        with Client(json.loads(ready.read_text())["address"]) as client:
            client.wait_ready()
            client.rate(SAID, who="ann")
        process.kill()
        process.wait()
    ready.unlink()
    with service(data, ready) as process:
        with Client(json.loads(ready.read_text())["address"]) as client:
            client.wait_ready()
            told = {(id, "ann"): score for id, score in SAID.items()}
            assert scores(client) == told
            client.delete(["ring-1"])
            client.add([NewObject("ring-1", sky.draw("ring", 1))])
            del told["ring-1", "ann"]
            assert scores(client) == told
        process.kill()


def test_ratings_are_in_a_snapshot_by_command(data: Path, tmp_path: Path) -> None:
    with Library(data) as library:
        sky = library.collection("sky")
        sky.rate("ann", {"ring-1": Opinion(4.5, note="a ring")})
        sky.rate("bob", {"ring-1": Opinion(0.0, is_artefact=True)})
        before = _rated(library, "sky")
    path = tmp_path / "sky.snapshot"
    _do("snapshot", "sky", path, "--data", data)
    _do("restore", path, "--collection", "copy", "--data", data)
    with Library(data) as library:
        assert _rated(library, "copy") == before
    assert len(before) == 2


def _rated(library: Library, name: str) -> list[tuple[Any, ...]]:
    return [one[1:] for one in library.collection(name).ratings().ratings]


def _do(*arguments: str | Path) -> None:
    command = [sys.executable, "-Im", "skylike.service", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
