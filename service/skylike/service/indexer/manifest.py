"""`Manifest`: what a bulk run has done so far, in a file that a crash leaves readable."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import structlog

from skylike.service import durable
from skylike.service.fits.address import text
from skylike.service.prepare import Reject


def identity(settings: Iterable[str]) -> str:
    """What tells one run from another: the same for the same work."""
    found = hashlib.sha256()
    for one in settings:
        found.update(one.encode("utf-8", "surrogatepass") + b"\0")
    return found.hexdigest()


class Manifest:
    """What a run has done: a line of JSON for each shard, durable one by one.

    The objects of a shard are in the collection before its line is here, so what a
    resumed run finds in neither of them is still to be done, and is not done twice.

    Parameters
    ----------
    path
        Of the file. One that another run left, or whose end a crash tore, is begun anew
        or cut there.
    run
        The run's `identity`.

    Attributes
    ----------
    rejected
        What was rejected so far, by id.
    is_done
        Whether the run has come to its end: its file goes then.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self.rejected: dict[str, Reject] = {}
        self.is_done = False
        self._num_shards = 0
        length = self._resume(run)
        with durable.storing(path), ExitStack() as stack:
            self._file = stack.enter_context(path.open("r+b" if length else "wb"))
            self._file.truncate(length)
            self._file.seek(length)
            if not length:
                self._append({"run": run})
                durable.sync(path.parent)
            stack.pop_all()

    def finish(self, num_objects: int, rejects: Sequence[tuple[str, Reject]]) -> None:
        """Record a shard: how many objects it gave, and each id it rejected."""
        self._num_shards += 1
        told = [[id, text(one.path), one.code, one.message] for id, one in rejects]
        line = {"shard": self._num_shards, "objects": num_objects, "rejects": told}
        self._append(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self.is_done:
            self._path.unlink()

    def _append(self, line: object) -> None:
        with durable.storing(self._path):
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def _resume(self, run: str) -> int:
        """Read the file; the length of what is whole in it and of this run."""
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return 0
        length = 0
        for number, line in enumerate(lines):
            try:
                told = json.loads(line) if line.endswith(b"\n") else {}
                if told != {"run": run} if number == 0 else "rejects" not in told:
                    break
                for id, path, code, message in told.get("rejects", ()):
                    self.rejected[id] = Reject(path, code, message)
            except (ValueError, TypeError, AttributeError):
                break
            self._num_shards = number
            length += len(line)
        if length:
            structlog.get_logger().info("indexing goes on", shards=self._num_shards)
        return length
