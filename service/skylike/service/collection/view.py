"""`View`: a collection as readers see it between two writes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly import AnomalyFit
from skylike.service.catalog import SkyObject
from skylike.service.clusters import ClusterFit
from skylike.service.index import Block, Kind, Segment, Tail


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One state of a collection; replaced as a whole, never changed.

    Attributes
    ----------
    version
        Number of committed writes.
    num_objects
        How many objects it has, searchable or not.
    last_row
        The highest catalog row, searchable or not.
    segments, tail
        The searchable vectors.
    clusters, anomaly
        The newest fits, None before the first.
    """

    version: int
    num_objects: int
    last_row: int
    segments: tuple[Segment, ...]
    tail: Tail
    clusters: ClusterFit | None
    anomaly: AnomalyFit | None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Everything there is to search."""
        return (*self.segments, self.tail)

    def grown(
        self,
        version: int,
        objects: Sequence[SkyObject],
        rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
    ) -> Self:
        """The view after objects were added. Call it once per view."""
        searchable = np.array([sky_object.is_searchable for sky_object in objects])
        return replace(
            self,
            version=version,
            num_objects=self.num_objects + len(objects),
            last_row=int(rows[-1]),
            tail=self.tail.extended(rows[searchable], vectors[searchable]),
        )

    def sealed(self, kind: Kind | None = None) -> Self:
        """The view with its tail in a segment of the given kind.

        Segments that are no larger than what has been gathered go into it: so
        there are few segments, and every row is built into one a few times only.
        """
        kept: list[Segment] = list(self.segments)
        merged: list[Block] = [self.tail]
        num_rows = len(self.tail.rows)
        while num_rows and kept and len(kept[-1].rows) <= num_rows:
            num_rows += len(kept[-1].rows)
            merged.append(kept.pop())
        if num_rows:
            kept.append(Segment.build(*gather(merged), kind))
        empty = Tail.of((), self.tail.vectors.shape[1])
        return replace(self, segments=tuple(kept), tail=empty)


def gather(
    blocks: Iterable[Block],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """All rows of some blocks, ascending, and their vectors."""
    blocks = list(blocks)
    rows = np.concatenate([block.rows for block in blocks])
    order = np.argsort(rows)
    return rows[order], np.concatenate([block.vectors for block in blocks])[order]
