"""The power goes at any moment, and with it what was not synced.

ITERATIONS=1000 SEED=1 for a long run, as `make chaos` does.
"""

import copy
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.chaos import oracle
from tests.chaos.disk import Disk, Keep
from tests.chaos.recording import Event, can_record, record

from skylike.service.errors import SkylikeError

ITERATIONS = int(os.environ.get("ITERATIONS", "25"))
SEED = int(os.environ.get("SEED", "0"))
ROOT = Path(__file__).parents[2]
CUTS = 8  # of each process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_record(), reason="there is no strace that may trace"),
]


def recorded(
    folder: Path, history: Sequence[tuple[int, int]], seed: int, how: str = "well"
) -> list[Event]:
    """All that a process did, which worked on a folder to its end."""
    command = ["env", "-C", ROOT, sys.executable, "-m", "tests.chaos.work"]
    told = json.dumps(history)
    return record([*map(str, command), str(folder), told, str(seed), how], folder)


def kept(random: np.random.Generator, count: int) -> tuple[str, Keep | None]:
    """What of all that is not synced is there all the same; None if the power stays."""
    first, share = int(random.integers(count)), float(random.choice([0.1, 0.5, 0.9]))
    drawn = random.random(count) < share
    ways: list[tuple[str, Keep | None]] = [
        ("nothing", lambda number: False),
        (f"the first {first} events", lambda number: number < first),
        ("whole events", lambda number: bool(drawn[number])),
        ("sectors", lambda number: bool(random.random() < share)),
        ("all, as after a kill", None),
    ]
    return ways[int(random.integers(len(ways)))]


def after(disk: Disk, events: Sequence[Event], keep: Keep | None) -> tuple[Disk, int]:
    """The disk when a process has come so far, and how much that has acknowledged."""
    found = copy.deepcopy(disk)
    found.follow(events)
    if keep:
        found.cut(keep)
    return found, sum(event.kind == "said" for event in events)


def shown(
    folder: Path,
    history: Sequence[tuple[int, int]],
    seed: int,
    acknowledged: int,
    where: str,
) -> int:
    """How many operations of a process are there, which are those that must be."""
    try:
        count = oracle.survived(folder, history, seed, acknowledged)
    except SkylikeError as error:
        raise AssertionError(where) from error
    assert count is not None, where
    return count


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    shutil.copy(model, tmp_path / "model.onnx")
    (tmp_path / "live").mkdir()
    return tmp_path / "live"


def test_what_was_acknowledged_survives_the_power(folder: Path) -> None:
    """In processes that each work on what the last one left, killed or without power."""
    random = np.random.default_rng(SEED)
    disk = Disk()
    history: list[tuple[int, int]] = []
    for life in range(-(-ITERATIONS // CUTS)):
        seed = SEED + life
        disk.put(folder)
        events = recorded(folder, history, seed)
        whole, _ = after(disk, events, None)
        assert whole.differences(folder) == []  # nothing has escaped the recording
        for _ in range(CUTS):
            moment = int(random.integers(1, len(events)))
            how, keep = kept(random, disk.count + moment)
            left, acknowledged = after(disk, events[:moment], keep)
            where = (
                f"life {life} of seed {SEED}, {acknowledged} acknowledged: "
                f"{moment} of {len(events)} events, kept {how}"
            )
            left.put(folder)
            count = shown(folder, history, seed, acknowledged, where)
        if keep is None:
            # Whoever looked has opened it, which makes what is seen durable (see below);
            # a snapshot that nobody has acknowledged becomes so a while later.
            left.write_back()
        disk = left
        history.append((seed, count))


OPENING = """
import os, sys
from pathlib import Path
from skylike.service.library import Library
with Library(Path(sys.argv[1]) / "data") as library:
    for name in library.names():
        library.collection(name)
    os._exit(0)  # closing would make durable too
"""


def test_what_a_killed_process_left_is_durable_once_it_was_opened(
    folder: Path,
) -> None:
    """Also what it had not acknowledged: somebody has seen it."""
    events = recorded(folder, [], SEED)
    for moment in range(len(events) // 10, len(events), len(events) // 10):
        left, acknowledged = after(Disk(), events[:moment], None)
        left.put(folder)
        open_all = ["env", "-C", ROOT, sys.executable, "-c", OPENING, folder]
        opened = record([*map(str, open_all)], folder)
        where = f"{moment} of {len(events)} events, and then opened"
        count = shown(folder, [], SEED, acknowledged, where)
        last = oracle.operations(SEED)[count - 1]["kind"]
        if count > acknowledged and last == "snapshot":
            continue  # nobody opens these
        left.follow(opened)
        left.cut(lambda _: False)
        left.put(folder)
        assert shown(folder, [], SEED, acknowledged, where) == count


@pytest.mark.parametrize("what", ["files", "folders", "catalog"])
def test_a_library_that_does_not_sync_is_caught(folder: Path, what: str) -> None:
    """Or the test above would prove nothing."""
    events = recorded(folder, [], SEED, what)
    for moment in range(len(events), 0, -max(1, len(events) // 50)):
        left, acknowledged = after(Disk(), events[:moment], lambda number: False)
        left.put(folder)
        try:
            if oracle.survived(folder, [], SEED, acknowledged) is None:
                return
        except (SkylikeError, OSError):
            return
    raise AssertionError(f"nobody misses the sync of {what}")
