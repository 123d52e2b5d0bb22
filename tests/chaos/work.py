"""A process that works on a library until it is killed, or the disk fails it.

Its operations follow from a seed, so that whoever reads what it acknowledged knows what
must be there. It dies, or a call fails, at the n-th point where something becomes durable:
the beginning and the end of every fsync, rename, link and COMMIT.
"""

import errno
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from skylike.service.collection import SkyObject
from skylike.service.library import Library

NUM_OPERATIONS = 30
NUM_IDS = 12


@dataclass(frozen=True)
class State:
    """What a library must hold after some operations."""

    objects: dict[str, tuple[SkyObject, int]] = field(default_factory=dict)
    alias: str | None = None
    snapshots: dict[str, int] = field(default_factory=dict)


def vector(seed: int, dimension: int) -> Any:
    found = np.random.default_rng(seed).normal(size=dimension)
    return (found / np.linalg.norm(found)).astype(np.float32)


def operations(seed: int) -> list[dict[str, Any]]:
    """What is done, in order."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(NUM_OPERATIONS):
        names = [f"o{i}" for i in random.choice(NUM_IDS, 3, replace=False)]
        kind = random.choice(
            [
                "upsert",
                "upsert",
                "upsert",
                "delete",
                "label",
                "compact",
                "alias",
                "snapshot",
            ]
        )
        found.append({"kind": str(kind), "names": names, "number": number})
    return found


def after(state: State, one: dict[str, Any]) -> State:
    """What must be there after one more operation."""
    names, number = one["names"], one["number"]
    there = [name for name in names if name in state.objects]
    match one["kind"]:
        case "upsert":
            new = {
                name: (_object(name, number), 3 * number + i)
                for i, name in enumerate(names)
            }
            return replace(state, objects={**state.objects, **new})
        case "delete":
            kept = {k: v for k, v in state.objects.items() if k not in there}
            return replace(state, objects=kept)
        case "label":
            known = dict(state.objects)
            for name in there:
                old, seed = known[name]
                labels = old.labels | {f"l{number}"}
                known[name] = replace(old, labels=labels), seed
            return replace(state, objects=known)
        case "alias":
            return replace(state, alias=_target(number))
        case "snapshot":
            snapshots = {**state.snapshots, f"{number}.snapshot": len(state.objects)}
            return replace(state, snapshots=snapshots)
    return state


def do(library: Library, folder: Path, one: dict[str, Any]) -> None:
    """One operation."""
    sky = library.collection("sky")
    names, number = one["names"], one["number"]
    match one["kind"]:
        case "upsert":
            vectors = [vector(3 * number + i, sky.dimension) for i in range(len(names))]
            sky.upsert([_object(name, number) for name in names], np.stack(vectors))
        case "delete":
            sky.delete(names)
        case "label":
            sky.label(names, [f"l{number}"])
        case "compact":
            sky.compact()
        case "alias":
            library.point_alias("live", _target(number))
        case "snapshot":
            library.snapshot("sky", folder / f"{number}.snapshot")


def _object(name: str, number: int) -> SkyObject:
    return SkyObject(name, attributes={"n": number}, thumbnail=b"png")


def _target(number: int) -> str:
    return ("sky", "other")[number % 2]


class Points:
    """Counts the points where something becomes durable, and acts at one of them."""

    def __init__(self, at: int, fails: bool) -> None:
        self.at = at
        self.fails = fails
        self.count = 0

    def pass_one(self) -> None:
        self.count += 1
        if self.count != self.at:
            return
        if self.fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.pass_one()
            found = call(*arguments, **named)
            if not self.fails:  # what has happened cannot fail
                self.pass_one()
            return found

        return counted

    def install(self) -> None:
        for name in ("fsync", "replace", "rename", "link"):
            setattr(os, name, self.around(getattr(os, name)))
        points = self

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *rest: Any) -> Any:
                if statement != "COMMIT":
                    return super().execute(statement, *rest)
                try:
                    return points.around(super().execute)(statement, *rest)
                except OSError as error:
                    failed = sqlite3.OperationalError(str(error))
                    failed.sqlite_errorcode = sqlite3.SQLITE_FULL
                    raise failed from error

        connect = sqlite3.connect
        sqlite3.connect = lambda *a, **k: connect(*a, **{**k, "factory": Connection})


def main() -> None:
    """``work.py FOLDER SEED POINT kill|fail``: a line for each operation that is done."""
    folder, seed, at, how = sys.argv[1:]
    points = Points(int(at), how == "fail")
    with Library(Path(folder) / "data") as library:
        library.collection("sky")
        points.install()
        for number, one in enumerate(operations(int(seed))):
            do(library, Path(folder), one)
            sys.stdout.write(
                json.dumps({"done": number, "points": points.count}) + "\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
