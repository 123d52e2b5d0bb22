"""`Shelf`: the segments of a collection on disk, named in an atomic manifest."""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skylike.service.errors import DamagedData
from skylike.service.index.segment import Kind, Segment

_FORMAT = 1


class Shelf:
    """Where segments are kept.

    ``manifest.json`` is the only commit point: files it does not name mean
    nothing. It carries a checksum of itself and of every file it names.

    Parameters
    ----------
    directory
        The collection's directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._manifest = directory / "manifest.json"
        self._segments = directory / "segments"
        self._entries: dict[Segment, dict[str, Any]] = {}

    def read(self) -> tuple[tuple[Segment, ...], int]:
        """The segments, and the highest catalog row they cover.

        Raises
        ------
        DamagedData
            If anything is missing or is not as it was written.
        """
        try:
            sealed = json.loads(self._manifest.read_bytes())
            body = sealed["manifest"]
            if sealed["sha256"] != _sha256(_canonical(body)):
                raise DamagedData(f"{self._manifest} fails its checksum.")
            if body["format"] != _FORMAT:
                raise DamagedData(f"{self._manifest} has format {body['format']}.")
            entries = {self._read_segment(entry): entry for entry in body["segments"]}
            self._entries = entries
            return tuple(entries), body["last_row"]
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise DamagedData(f"{self._manifest} cannot be read: {error}") from error

    def publish(self, segments: Sequence[Segment], last_row: int) -> None:
        """Make these the segments on disk, all at once and durably.

        Parameters
        ----------
        segments
            All segments of the collection.
        last_row
            The highest catalog row they cover; durable in the catalog already.
        """
        self._segments.mkdir(exist_ok=True)
        # Every file gets a name of its own: nothing named is ever overwritten.
        prefixes = [path.name.split("-")[0] for path in self._segments.iterdir()]
        first = 1 + max((int(p) for p in prefixes if p.isdecimal()), default=0)
        entries = {}
        for number, segment in enumerate(segments, first):
            known = self._entries.get(segment)
            entries[segment] = known or self._write_segment(segment, number)
        body = {
            "format": _FORMAT,
            "last_row": last_row,
            "segments": list(entries.values()),
        }
        _sync(self._segments)
        sealed = {"sha256": _sha256(_canonical(body)), "manifest": body}
        temporary = self._manifest.with_suffix(".new")
        _write(temporary, json.dumps(sealed, indent=1).encode())
        temporary.replace(self._manifest)
        _sync(self._directory)
        self._entries = entries
        self._forget_the_rest()

    def _read_segment(self, entry: dict[str, Any]) -> Segment:
        for file in ("index", "rows"):
            path = self._segments / entry[file]
            # FAISS has no checksum of its own and trusts what it reads.
            with path.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
            if found != entry[f"{file}_sha256"]:
                raise DamagedData(f"{path} fails its checksum.")
        return Segment.read(
            self._segments / entry["index"],
            np.load(self._segments / entry["rows"], allow_pickle=False),
            Kind(entry["kind"]),
            entry["ef_search"],
        )

    def _write_segment(self, segment: Segment, number: int) -> dict[str, Any]:
        temporary = self._segments / f"{number}-new"
        temporary.unlink(missing_ok=True)
        index_sha256 = segment.write(temporary)
        name = f"{number}-{index_sha256[:8]}"
        temporary.rename(self._segments / f"{name}.faiss")

        buffer = io.BytesIO()
        np.save(buffer, segment.rows, allow_pickle=False)
        _write(self._segments / f"{name}.rows.npy", buffer.getvalue())
        return {
            "kind": segment.kind,
            "ef_search": segment.ef_search,
            "index": f"{name}.faiss",
            "index_sha256": index_sha256,
            "rows": f"{name}.rows.npy",
            "rows_sha256": _sha256(buffer.getvalue()),
        }

    def _forget_the_rest(self) -> None:
        named = {
            entry[file]
            for entry in self._entries.values()
            for file in ("index", "rows")
        }
        for path in self._segments.iterdir():
            if path.name not in named:
                path.unlink()


def _canonical(body: object) -> bytes:
    return json.dumps(body, sort_keys=True).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    # A rename is durable only when its directory is.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
