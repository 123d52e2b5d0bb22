"""What jobs do.

Every path they are given was allowed when the job was started; what it leads to is asked
again when the job is done, and that is what is opened.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from skylike.service import caller, indexer
from skylike.service.collection import Collection
from skylike.service.encoder import Encoder
from skylike.service.errors import NotReady
from skylike.service.index import Kind
from skylike.service.library import Library
from skylike.service.processes import num_cores
from skylike.service.progress import Progress, Watched
from skylike.service.roots import allowed, below_root
from skylike.service.sources import by_place, find_images, find_sources


class Work(Protocol):
    """Something to do with a library."""

    @property
    def kind(self) -> str:
        """What it is called."""

    def do(self, library: Library, shown: Watched) -> dict[str, Any]:
        """Do it, and tell what came of it."""


@dataclass(frozen=True, slots=True)
class Index:
    """Adds the images that sources name, and fits; see `indexer.index`."""

    collection: str
    sources: tuple[Path, ...]
    roots: tuple[Path, ...]
    max_reject_fraction: float = 1.0
    calibration: tuple[Path, ...] = ()
    workers: int = 0

    kind = "index"

    def do(self, library: Library, shown: Watched) -> dict[str, Any]:
        """Index and fit."""
        workers = self.workers or num_cores()
        found = [
            replace(one, image=by_place(one.image, self.roots))
            for one in caller.each(find_sources(_allowed(self.sources, self.roots)))
        ]
        with library.using(self.collection, writes=True) as target:
            encoder = library.encoder_of(target)
            table = target.directory / "rejects.parquet"
            report = indexer.index(
                target,
                encoder,
                found,
                workers=workers,
                rejects=table,
                max_reject_fraction=self.max_reject_fraction,
                shown=shown,
            )
            try:
                given = self.calibration, self.roots
                fitted = _fit(target, encoder, *given, workers, shown)
            except NotReady as error:  # too few can be searched yet
                fitted = {"not_fitted": str(error)}
            return {
                "objects": len(target),
                "indexed": report.indexed,
                "known": report.known,
                "rejected": len(report.rejects),
                "rejects": str(table.relative_to(library.directory)),
            } | fitted


@dataclass(frozen=True, slots=True)
class Fit:
    """Fits clusters and anomaly scores; see `Collection.fit`."""

    collection: str
    roots: tuple[Path, ...]
    calibration: tuple[Path, ...] = ()
    seed: int = 0

    kind = "fit"

    def do(self, library: Library, shown: Watched) -> dict[str, Any]:
        """Fit."""
        with library.using(self.collection) as target:
            encoder = library.encoder_of(target)
            given = self.calibration, self.roots
            return _fit(target, encoder, *given, num_cores(), shown, self.seed)


@dataclass(frozen=True, slots=True)
class Reindex:
    """Makes an alias' collection anew with another model; see `indexer.reindex`."""

    alias: str
    model: Path
    roots: tuple[Path, ...]
    max_reject_fraction: float = 0.0

    kind = "reindex"

    def do(self, library: Library, shown: Watched) -> dict[str, Any]:
        """Index again, and switch."""
        done = indexer.reindex(
            library,
            self.alias,
            allowed(str(self.model), self.roots),
            workers=num_cores(),
            max_reject_fraction=self.max_reject_fraction,
            roots=self.roots,
            shown=shown,
        )
        return {
            "collection": done.collection,
            "before": done.before,
            "indexed": done.report.indexed,
            "rejected": len(done.report.rejects),
            "recall": round(done.recall, 4),
        }


@dataclass(frozen=True, slots=True)
class Compact:
    """Makes the index of a collection anew; see `Collection.compact`."""

    collection: str
    index: Kind | None = None

    kind = "compact"

    def do(self, library: Library, shown: Watched) -> dict[str, Any]:
        """Make it."""
        with library.using(self.collection) as target:
            total = len(target)
            with Progress("building the index", total, "object", shown) as progress:
                target.compact(self.index, progress.reach)
            return {"index": [f"{kind} {count}" for kind, count in target.kinds]}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Writes a collection into one file; see `Library.snapshot`."""

    collection: str
    path: Path
    roots: tuple[Path, ...]

    kind = "snapshot"

    def do(self, library: Library, shown: Watched) -> dict[str, Any]:
        """Write it."""
        file = below_root(str(self.path), self.roots)
        facts = library.snapshot(self.collection, self.path, self.roots)
        return {"file": file, **asdict(facts)}


def _allowed(paths: Sequence[Path], roots: tuple[Path, ...]) -> list[Path]:
    return [allowed(str(path), roots) for path in paths]


def _fit(
    target: Collection,
    encoder: Encoder,
    calibration: tuple[Path, ...],
    roots: tuple[Path, ...],
    workers: int,
    shown: Watched,
    seed: int = 0,
) -> dict[str, Any]:
    vectors = None
    if calibration:
        found = find_images(_allowed(calibration, roots))
        images = [by_place(one, roots) for one in caller.each(found)]
        vectors, _ = indexer.calibration_of(encoder, images, workers=workers)
    target.fit(calibration=vectors, seed=seed, shown=shown)
    clusters, anomaly = target.clusters, target.anomaly
    return {
        "clusters": len(clusters.names) if clusters else 0,
        "calibration": len(anomaly.calibration) if anomaly else 0,
    }
