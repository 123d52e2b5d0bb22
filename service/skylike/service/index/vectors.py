"""Building, writing and reading an index of any kind."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from skylike.service.index.allowed import Allowed
from skylike.service.index.exact import Floats, Positions
from skylike.service.index.flat import Flat
from skylike.service.index.graph import Graph
from skylike.service.index.inverted import Inverted
from skylike.service.index.kind import Kind
from skylike.service.index.threads import limited

_SAMPLE = 128

Told = Callable[[int], None]


class VectorIndex(Protocol):
    """Vectors that can be searched. Never changes; safe from any thread.

    Attributes
    ----------
    kind
        How it searches.
    width
        How widely, as measured when it was built; 0 where there is nothing to choose.
    """

    @property
    def kind(self) -> Kind: ...  # noqa: D102

    @property
    def width(self) -> int: ...  # noqa: D102

    def __len__(self) -> int:
        """How many vectors."""

    def candidates(
        self,
        queries: Floats,
        count: int,
        allowed: Allowed | None = None,
        *,
        effort: float = 1.0,
        exact: bool = False,
    ) -> tuple[Positions, Floats]:
        """Where the vectors nearest to each query are.

        Parameters
        ----------
        queries : (m, dimension) float32, finite, C-contiguous
        count
            How many, at least 1.
        allowed
            Which may be found, at least one; None for all.
        effort
            How widely to look, 1 for what was measured to be enough.
        exact
            Whether to compare with all that may be found.

        Returns
        -------
        positions : (m, c) int64
            By falling score, c = min(count, what may be found); -1 where none was met.
        ceilings : (m,) float32
            No other vector scores higher than this, up to rounding and the index's
            recall: -inf if there is no other, inf if any was missed.
        """

    def at(self, positions: Positions) -> Floats:
        """Vectors at some positions, (…, dimension) float32, as they are kept."""

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """All vectors in order, in parts with the position of the first."""

    def write(self, stem: Path) -> dict[str, Path]:
        """Write new files beginning with a name; which, by what they hold."""


def build(
    parts: Sequence[Floats],
    stem: Path,
    kind: Kind | None = None,
    *,
    threads: int = 0,
    told: Told = lambda _: None,
) -> tuple[VectorIndex, NDArray[np.int64]]:
    """Index vectors.

    Parameters
    ----------
    parts
        (n, dimension) float32 each, finite, unit norm, C-contiguous; one vector or more.
    stem
        What the index's files begin with; some kinds write while they are made.
    kind
        By default what suits so many.
    threads
        How many to use; 0 for all.
    told
        Called with the number of vectors done; may raise to stop.

    Returns
    -------
    index
        Of all vectors.
    order : (n,) int64
        Number of the vector at each position: two ascending runs at most.
    """
    total = sum(map(len, parts))
    order = np.arange(total)
    kind = kind or Kind.for_size(total)
    with limited(threads):
        if kind is Kind.IVF:
            return Inverted.build(parts, stem, told), order
        if kind is Kind.FLAT:
            return Flat(np.ascontiguousarray(np.concatenate(parts))), order
        count = min(_SAMPLE, total // 4)
        chosen = np.sort(np.random.default_rng(0).choice(total, count, replace=False))
        rest, sample = [], [np.empty((0, parts[0].shape[1]), np.float32)]
        start = 0
        for part in parts:
            mine = chosen[(chosen >= start) & (chosen < start + len(part))] - start
            sample.append(part[mine])
            rest += [piece for piece in _without(part, mine) if len(piece)]
            start += len(part)
        graph = Graph.build(np.concatenate(rest), np.concatenate(sample), told)
        return graph, np.concatenate([np.delete(order, chosen), chosen])


def _without(part: Floats, positions: Positions) -> list[Floats]:
    """What lies between some positions, as views."""
    edges = [-1, *positions.tolist(), len(part)]
    return [part[a + 1 : b] for a, b in itertools.pairwise(edges)]


def read(kind: Kind, files: Mapping[str, Path], width: int) -> VectorIndex:
    """The index that `VectorIndex.write` wrote; the caller has verified the files.

    Raises
    ------
    RuntimeError
        If this version of FAISS cannot read it.
    KeyError
        If a file is not named.
    """
    match kind:
        case Kind.FLAT:
            return Flat.read(files, width)
        case Kind.HNSW:
            return Graph.read(files, width)
        case Kind.IVF:
            return Inverted.read(files, width)
