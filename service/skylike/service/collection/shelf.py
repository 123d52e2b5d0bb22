"""`Shelf`: the segments of a collection on disk, named in an atomic manifest."""

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from skylike.service import durable, index
from skylike.service.collection.segment import Segment
from skylike.service.columns import Columns
from skylike.service.errors import DamagedData, StorageFailed
from skylike.service.index import Kind

_FORMAT = 2
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Damaged:
    """A segment that is not as it was written: rows beyond one, up to another."""

    after_row: int
    last_row: int
    why: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a shelf holds.

    Attributes
    ----------
    version
        Of the collection, when the manifest was written.
    segments
        Those that are not as they were written in their place.
    """

    version: int
    segments: tuple[Segment | Damaged, ...]


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
        self.directory = directory
        self._manifest = directory / "manifest.json"
        self._segments = directory / "segments"
        self._entries: dict[Segment, dict[str, Any]] = {}

    def read(self) -> Manifest:
        """What the manifest names.

        Raises
        ------
        DamagedData
            If the manifest is missing or not as it was written. Segments that are not
            are told in the result.
        """
        try:
            body = durable.read_sealed(self._manifest)
            if body["format"] != _FORMAT:
                raise DamagedData(f"{self._manifest} has format {body['format']}.")
            intact = self._intact(
                file for entry in body["segments"] for file in entry["files"].values()
            )
            entries = {
                self._read_segment(entry, intact): entry for entry in body["segments"]
            }
            self._entries |= {
                segment: entry
                for segment, entry in entries.items()
                if isinstance(segment, Segment)
            }
            return Manifest(body["version"], tuple(entries))
        except (KeyError, TypeError) as error:
            raise DamagedData(f"{self._manifest} cannot be read: {error}") from error

    def stem(self) -> Path:
        """What the files of a new segment begin with: a name no file has had yet."""
        self._segments.mkdir(exist_ok=True)
        known = [path.name.split("-")[0] for path in self._segments.iterdir()]
        number = 1 + max((int(name) for name in known if name.isdecimal()), default=0)
        stem = self._segments / f"{number}-{os.urandom(4).hex()}"
        stem.with_suffix(".new").touch()  # takes the number
        return stem

    def write(self, segment: Segment, stem: Path) -> Segment:
        """Put a segment into files, synced; it is the same, as its files hold it.

        Nothing names the files before `publish`.

        Raises
        ------
        StorageFailed
            If they do not hold what was written.
        """
        try:
            return self._write(segment, stem)
        except (RuntimeError, ValueError) as error:  # so FAISS and Arrow tell it
            raise StorageFailed(
                f"{stem} was not written whole: {error}. Look at the disk and its limits."
            ) from error

    def _write(self, segment: Segment, stem: Path) -> Segment:
        files = {} if segment.index is None else segment.index.write(stem)
        files["columns"] = stem.with_suffix(".columns")
        segment.columns.write(files["columns"])
        for path in files.values():
            durable.sync(path)
        entry = {
            "kind": segment.index.kind if segment.index is not None else None,
            "width": segment.index.width if segment.index is not None else 0,
            "after_row": segment.after_row,
            "last_row": segment.last_row,
            "version": segment.version,
            "files": {
                what: {"name": path.name, "sha256": durable.sha256_of(path)}
                for what, path in files.items()
            },
        }
        written = self._opened(entry)  # a full disk may have been silent
        self._entries[written] = entry
        return written

    def has(self, segment: Segment) -> bool:
        """Whether a segment has files."""
        return segment in self._entries

    def publish(self, segments: Sequence[Segment], *, version: int) -> None:
        """Make these the segments on disk, all at once and durably.

        Parameters
        ----------
        segments
            All segments of the collection; those without files are left out.
        version
            Of the collection; durable in the catalog already.

        Raises
        ------
        NoSpace, StorageFailed
            If the disk does not take it.
        """
        entries = {s: self._entries[s] for s in segments if s in self._entries}
        body = {
            "format": _FORMAT,
            "version": version,
            "segments": list(entries.values()),
        }
        with durable.storing(self._manifest):
            self._segments.mkdir(exist_ok=True)
            durable.sync(self._segments)
            durable.write_sealed(self._manifest, body)
        self._entries = entries

    def clear(self) -> None:
        """Take away everything: it will be made anew from the catalog."""
        self._manifest.unlink(missing_ok=True)
        durable.sync(self.directory)
        shutil.rmtree(self._segments, ignore_errors=True)

    def forget_the_rest(self) -> None:
        """Remove files that the manifest does not name."""
        named = {
            file["name"]
            for entry in self._entries.values()
            for file in entry["files"].values()
        }
        if not self._segments.is_dir():
            return
        for path in self._segments.iterdir():
            if path.name not in named:
                path.unlink()

    def _intact(self, files: Iterable[dict[str, str]]) -> set[str]:
        """The names of the files that are as they were written."""

        def is_intact(file: dict[str, str]) -> bool:
            path = self._segments / file["name"]
            with suppress(OSError):
                return durable.sha256_of(path) == file["sha256"]
            return False

        listed = list(files)
        # Their bytes are what opening a large collection waits for.
        with ThreadPoolExecutor() as pool:
            results = pool.map(is_intact, listed)
            return {
                file["name"]
                for file, intact in zip(listed, results, strict=True)
                if intact
            }

    def _read_segment(
        self, entry: dict[str, Any], intact: set[str]
    ) -> Segment | Damaged:
        try:
            for file in entry["files"].values():
                if file["name"] not in intact:
                    path = self._segments / file["name"]
                    raise ValueError(f"{path} is missing or fails its checksum")
            return self._opened(entry)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            _log.warning("segment_damaged", why=str(error))
            return Damaged(entry["after_row"], entry["last_row"], str(error))

    def _opened(self, entry: dict[str, Any]) -> Segment:
        files = {
            what: self._segments / file["name"] for what, file in entry["files"].items()
        }
        columns = Columns.read(files.pop("columns"))
        vectors = None
        if entry["kind"] is not None:
            vectors = index.read(Kind(entry["kind"]), files, entry["width"])
            if len(vectors) > len(columns):
                raise ValueError(
                    f"{files['index']} has {len(vectors)} vectors for {len(columns)} rows"
                )
        return Segment(
            vectors,
            columns,
            after_row=entry["after_row"],
            last_row=entry["last_row"],
            version=entry["version"],
        )
