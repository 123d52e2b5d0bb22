"""A process that works on a library until it is killed, or the disk fails it.

It dies, or a call fails, at the n-th point where something becomes durable: the beginning
and the end of every fsync, rename, link and COMMIT.
"""

import errno
import json
import os
import signal
import sqlite3
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tests.chaos.oracle import (
    State,
    after,
    made,
    operations,
    state_after,
    target,
    vector,
)

from skylike.service.library import Library


def do(library: Library, folder: Path, state: State, one: dict[str, Any]) -> None:
    """One operation on what a state describes; the model lies beside the folder."""
    names, number = one["names"], one.get("number", 0)
    if one["kind"] == "create":
        if names[0] not in state.collections:
            library.create(names[0], folder.parent / "model.onnx")
        return
    sky = library.collection("sky")
    match one["kind"]:
        case "upsert":
            vectors = [vector(3 * number + i, sky.dimension) for i in range(len(names))]
            sky.upsert([made(name, number) for name in names], np.stack(vectors))
        case "delete":
            sky.delete(names)
        case "label":
            sky.label(names, [f"l{number}"])
        case "compact":
            sky.compact()
        case "alias":
            library.point_alias("live", target(number))
        case "snapshot":
            library.snapshot("sky", folder / f"{number}.snapshot")
        case "restore" if state.snapshots:
            library.restore(folder / list(state.snapshots)[-1], f"r{number}")
        case "drop" if state.restored:
            library.delete(state.restored[0])


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


def careless(what: str) -> None:
    """Make nothing durable of files, of the names in folders, or of the catalog."""
    fsync: Callable[[Any], None] = os.fsync
    connect = sqlite3.connect

    def forgetful(descriptor: Any) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if is_folder != (what == "folders"):
            fsync(descriptor)

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *rest: Any) -> Any:
            return super().execute(statement.replace("= FULL", "= OFF"), *rest)

    if what == "catalog":
        sqlite3.connect = lambda *a, **k: connect(*a, **{**k, "factory": Connection})
    else:
        setattr(os, "fsync", forgetful)  # noqa: B010 -- its type is another


def main(folder: str, history: str, seed: str, how: str, at: str = "0") -> None:
    """``work FOLDER HISTORY SEED HOW [POINT]``: a line for each operation that is done.

    The model lies beside the folder; HISTORY is what has been done in it before.
    """
    points = Points(int(at), how == "fail")
    if how in ("kill", "fail"):
        points.install()
    elif how != "well":
        careless(how)
    state = state_after(json.loads(history))
    with Library(Path(folder) / "data") as library:
        for one in operations(int(seed)):
            do(library, Path(folder), state, one)
            state = after(state, one)
            sys.stdout.write(json.dumps({"points": points.count}) + "\n")
            sys.stdout.flush()


def main_for_each() -> None:
    """A process for each line of words, made when all is imported; how each ended.

    What it says is in its folder, ``said`` and ``complaints``.
    """
    for line in sys.stdin:
        words = json.loads(line)
        child = os.fork()
        if not child:
            for descriptor, name in ((1, "said"), (2, "complaints")):
                with open(Path(words[0]) / name, "wb") as file:
                    os.dup2(file.fileno(), descriptor)
            try:
                main(*words)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)  # threads that libraries would wait for are the parent's
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:]) if sys.argv[1:] else main_for_each()
