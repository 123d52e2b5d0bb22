"""What jobs do.

Every path they are given was allowed when the job was started; what it leads to is asked
again when the job is done, and that is what is opened.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from skylike.service import indexer
from skylike.service.clusters import Method
from skylike.service.collection import Collection
from skylike.service.encoder import Encoder
from skylike.service.errors import NotReady
from skylike.service.index import Kind
from skylike.service.library import Library
from skylike.service.prepare import Reject, Source
from skylike.service.processes import num_cores
from skylike.service.progress import Progress, Watched
from skylike.service.roots import allowed, below_root
from skylike.service.sources import find_images, find_sources, within


class Work(Protocol):
    """Something to do with a library."""

    @property
    def kind(self) -> str:
        """What it is called."""

    @property
    def collection(self) -> str:
        """Which collection it is about, as it was asked for."""

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
        """Do it, and tell what came of it; images that it leaves out are put there."""


@dataclass(frozen=True, slots=True)
class Index:
    """Adds the images that sources name, and fits; see `indexer.index`."""

    collection: str
    sources: tuple[Path, ...]
    roots: tuple[Path, ...]
    max_reject_fraction: float = 1.0
    calibration: tuple[Path, ...] = ()
    workers: int = 0
    id_prefix: str = ""

    kind = "index"
    again = (
        "what it wrote stays. Start it again: what is done already is not done twice"
    )

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
        """Index, and fit if there is something new."""
        workers = self.workers or num_cores()
        named = find_sources(
            _allowed(self.sources, self.roots), self.roots, self.id_prefix
        )
        found, foreign = within(named, self.roots)
        refused += foreign
        with library.using(self.collection, writes=True) as target:
            encoder = library.encoder_of(target)
            report = indexer.index(
                target,
                encoder,
                found,
                workers=workers,
                refused=refused,
                max_reject_fraction=self.max_reject_fraction,
                shown=shown,
            )
            told: dict[str, Any] = {
                "objects": len(target),
                "indexed": report.indexed,
                "known": report.known,
                "rejected": len(report.rejects),
            }
            if target.is_fitted and not self.calibration:
                return told | {"not_fitted": "nothing has changed since the last fit"}
            fit = Fit(self.collection, self.roots, self.calibration)
            try:
                return told | fit.of(target, encoder, shown, refused, workers)
            except NotReady as error:  # too few can be searched yet
                return told | {"not_fitted": str(error)}


@dataclass(frozen=True, slots=True)
class Fit:
    """Fits clusters and anomaly scores; see `Collection.fit`."""

    collection: str
    roots: tuple[Path, ...]
    calibration: tuple[Path, ...] = ()
    seed: int | None = None
    method: Method | None = None
    number: int | None = None
    layouts: tuple[str, ...] = ()

    kind = "fit"
    again = (
        "the fits before it answer still. Start it again in the same way: while the "
        "objects are the same, what it had found is not looked for twice"
    )

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
        """Fit."""
        with library.using(self.collection) as target:
            encoder = library.encoder_of(target)
            return self.of(target, encoder, shown, refused, num_cores())

    def of(
        self,
        target: Collection,
        encoder: Encoder,
        shown: Watched,
        refused: list[Reject],
        workers: int,
    ) -> dict[str, Any]:
        """Fit a collection that is there."""
        vectors = None
        if self.calibration:
            named = find_images(_allowed(self.calibration, self.roots), self.roots)
            found, foreign = within((Source(one, "") for one in named), self.roots)
            refused += foreign
            vectors, useless = indexer.calibration_of(
                encoder, [one.image for one in found], workers=workers
            )
            refused += useless
        target.fit(
            calibration=vectors,
            method=self.method,
            number=self.number,
            seed=self.seed,
            layouts=self.layouts,
            shown=shown,
        )
        clusters, anomaly = target.clusters, target.anomaly
        return {
            "clusters": len(clusters.names) if clusters else 0,
            "method": clusters.settings.method if clusters else None,
            "calibration": len(anomaly.calibration) if anomaly else 0,
            "nuisances": [one._asdict() for one in anomaly.control.correlations]
            if anomaly
            else [],
        }


@dataclass(frozen=True, slots=True)
class Reindex:
    """Makes an alias' collection anew with another model; see `indexer.reindex`."""

    alias: str
    model: Path
    roots: tuple[Path, ...]
    max_reject_fraction: float = 0.0
    calibration: tuple[Path, ...] = ()

    kind = "reindex"
    again = (
        "the alias points to where it did. Start it again: what was indexed is not "
        "indexed twice"
    )

    @property
    def collection(self) -> str:
        """The one that the alias points to."""
        return self.alias

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
        """Index again, and switch."""
        done = indexer.reindex(
            library,
            self.alias,
            allowed(str(self.model), self.roots),
            calibration=_allowed(self.calibration, self.roots),
            workers=num_cores(),
            refused=refused,
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
            "calibration": done.calibration,
            **({"warning": done.warning} if done.warning else {}),
        }


@dataclass(frozen=True, slots=True)
class Compact:
    """Makes the index of a collection anew; see `Collection.compact`."""

    collection: str
    index: Kind | None = None

    kind = "compact"
    again = "the index is as it was. Start it again: it begins anew"

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
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
    again = "there is a whole file or none. Start it again if there is none"

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
        """Write it."""
        file = below_root(str(self.path), self.roots)
        facts = library.snapshot(self.collection, self.path, self.roots)
        return {"file": file, **asdict(facts)}


AGAIN = {one.kind: one.again for one in (Index, Fit, Reindex, Compact, Snapshot)}
"""By kind what is left of a job that was interrupted, and how to go on."""


def _allowed(paths: Sequence[Path], roots: tuple[Path, ...]) -> list[Path]:
    return [allowed(str(path), roots) for path in paths]
