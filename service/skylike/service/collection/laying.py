"""`Laid`: a layout of a fit, and where the objects lie in it that a view has."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.catalog import Fits
from skylike.service.collection.stages import Stages
from skylike.service.collection.view import View
from skylike.service.errors import BadRequest
from skylike.service.index import Allowed, Flat, Source, k_nearest
from skylike.service.layout import (
    MOST_FITTED,
    NUM_NEIGHBOURS,
    Pca,
    between,
    embedded,
    require_tsne,
    sampled,
)
from skylike.service.progress import Progress, Watched

PCA, TSNE = "pca", "tsne"
LAYOUTS = (TSNE, PCA)
"""Those that there can be, the best first."""

_CHUNK = 1 << 14  # vectors
_FORMAT = 1  # of stored layouts; raised when what is kept, or what it means, changes

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
Places = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]


def require_layout(name: str) -> None:
    """See that a layout can be made.

    Raises
    ------
    BadRequest
        ``bad_layout`` if there can be none of this name.
    NotReady
        ``not_installed`` if it needs what is not there.
    """
    if name not in LAYOUTS:
        raise no_layout(name)
    if name == TSNE:
        require_tsne()


def no_layout(name: str) -> BadRequest:
    """What to say of a name that none can have."""
    return BadRequest(
        f"{name[:100]!r} is no layout: there are {', '.join(LAYOUTS)}",
        reason="bad_layout",
    )


def laid_out(
    rows: Rows,
    vectors: Vectors,
    wanted: Sequence[str],
    seed: int,
    stages: Stages,
    shown: Watched,
) -> dict[str, Arrays]:
    """Lay all objects out; what to keep of each layout.

    Parameters
    ----------
    rows : (n,) int64
    vectors : (n, dimension) float32, unit norm
    wanted
        Layouts beside the principal components, which are always made.
    seed
        Same objects, same seed, same layouts.
    stages
        Where what takes minutes is kept until all is stored.
    shown
        Where to show how far it is.

    Raises
    ------
    NotReady
        As `layout.embedded`.
    """
    found: dict[str, Arrays] = {PCA: Pca.of(_parts(vectors)).to_arrays()}
    if TSNE in wanted:
        kept = stages.kept(TSNE)
        if kept is None:
            kept = {"rows": rows, "places": _embedded(rows, vectors, seed, shown)}
            stages.keep(TSNE, kept)
        found[TSNE] = kept
    return {name: {**one, "format": np.array(_FORMAT)} for name, one in found.items()}


def _parts(vectors: Vectors) -> Iterator[Vectors]:
    for start in range(0, len(vectors), _CHUNK):
        yield vectors[start : start + _CHUNK]


def _embedded(rows: Rows, vectors: Vectors, seed: int, shown: Watched) -> Places:
    """A sample where t-SNE puts it, and the rest among those that they are like."""
    chosen = sampled(rows, MOST_FITTED, seed)
    places = np.empty((len(rows), 2), np.float32)
    places[chosen] = embedded(vectors[chosen], seed, shown)
    rest = np.delete(np.arange(len(rows)), chosen)
    known = [Source(Flat(vectors[chosen]), chosen)]
    with Progress("placing", len(rest), "object", shown) as progress:
        for start in range(0, len(rest), _CHUNK):
            caller.check()
            some = rest[start : start + _CHUNK]
            near, cosines = k_nearest(known, vectors[some], NUM_NEIGHBOURS)
            places[some] = between(places[near], cosines)
            progress.advance(len(some))
    return places


class Laid:
    """A layout. Safe from any thread.

    Attributes
    ----------
    name
        What it is called.
    version
        Of the fit that made it.
    shares : (2,) float64
        Of the variance along each axis, of principal components; None of others.
    """

    def __init__(self, name: str, version: int, arrays: Arrays) -> None:
        self.name = name
        self.version = version
        self._pca = Pca.from_arrays(arrays) if name == PCA else None
        self.shares = None if self._pca is None else self._pca.shares
        self._fitted = Placed.nothing()
        if self._pca is None:
            self._fitted = Placed(arrays["rows"], arrays["places"])
        self._lock = threading.Lock()
        self._placed = self._fitted

    def place(self, view: View, vectors: Vectors) -> Places:
        """Where vectors lie, (n, dimension) to (n, 2).

        Principal components tell it; elsewhere objects of the fit that are alike do.
        """
        if self._pca is not None:
            return self._pca.place(vectors)
        sources = []
        for _, source in view.sources():
            mask = self._fitted.has(source.rows)
            if source.allowed is not None:
                mask &= source.allowed.mask
            if mask.any():
                sources.append(Source(source.index, source.rows, Allowed(mask)))
        k = min(NUM_NEIGHBOURS, sum(source.num_allowed for source in sources))
        if not k:
            return np.zeros((len(vectors), 2), np.float32)
        near, cosines = k_nearest(sources, vectors, k)
        return between(self._fitted.of(near), cosines)

    def placed(self, view: View) -> "Placed":
        """Where all searchable objects of a view lie, and perhaps others.

        What is found out is remembered, also if the caller does not wait for all of it.
        """
        with self._lock:
            for rows, vectors in _beyond(view, self._placed.last_row):
                caller.check()
                self._placed = self._placed.with_more(rows, self.place(view, vectors))
            return self._placed


class Placed(NamedTuple):
    """Where n objects lie.

    Attributes
    ----------
    rows : (n,) int64, ascending
        Their catalog rows.
    places : (n, 2) float32
    """

    rows: Rows
    places: Places

    @classmethod
    def nothing(cls) -> "Placed":
        """Of no objects."""
        return cls(np.empty(0, np.int64), np.empty((0, 2), np.float32))

    @property
    def last_row(self) -> int:
        """The highest row, 0 if there is none."""
        return int(self.rows[-1]) if len(self.rows) else 0

    def has(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of some rows are among these."""
        at = np.searchsorted(self.rows, rows)
        found = at < len(self.rows)
        found[found] = self.rows[at[found]] == rows[found]
        return found

    def of(self, rows: Rows) -> Places:
        """Where some of these rows lie."""
        return self.places[np.searchsorted(self.rows, rows)]

    def with_more(self, rows: Rows, places: Places) -> "Placed":
        """The same with rows beyond the last."""
        return Placed(
            np.concatenate([self.rows, rows]), np.concatenate([self.places, places])
        )


def _beyond(view: View, row: int) -> Iterator[tuple[Rows, Vectors]]:
    """Searchable rows behind one, ascending, and their vectors, some at a time."""
    sources = [source for _, source in view.sources()]
    found: list[tuple[Rows, Rows, Rows]] = []
    for number, source in enumerate(sources):
        new = source.rows > row
        if source.allowed is not None:
            new &= source.allowed.mask
        positions = np.flatnonzero(new)
        numbers = np.full(len(positions), number)
        found.append((source.rows[positions], numbers, positions))
    if not any(len(rows) for rows, _, _ in found):
        return
    rows, numbers, positions = (
        np.concatenate(some) for some in zip(*found, strict=True)
    )
    order = np.argsort(rows, kind="stable")
    for start in range(0, len(order), _CHUNK):
        some = order[start : start + _CHUNK]
        parts = []
        for number in np.unique(numbers[some]).tolist():
            mine = some[numbers[some] == number]
            parts.append((mine, sources[number].index.at(positions[mine])))
        vectors = np.empty((len(some), parts[0][1].shape[1]), np.float32)
        for mine, kept in parts:
            vectors[np.searchsorted(rows[some], rows[mine])] = kept
        yield rows[some], vectors


class KnownLayouts:
    """Layouts of a collection, read when first asked for. Safe from any thread."""

    def __init__(self, fits: Fits) -> None:
        self._fits = fits
        self._known: dict[str, Laid] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are, the best first; raises as `of`."""
        return tuple(name for name in LAYOUTS if self.of(name))

    def of(self, name: str) -> Laid | None:
        """The newest of its name, None if there is none, or in another format.

        Raises
        ------
        DamagedData
            If it is not as it was written.
        """
        with self._lock:
            versions = self._fits.versions(name)
            known = self._known.get(name)
            if versions and (known is None or known.version != versions[-1]):
                latest = self._fits.latest(name)
                assert latest is not None
                version, arrays = latest
                if arrays.get("format") != _FORMAT:
                    return None
                known = self._known[name] = Laid(name, version, arrays)
            return known if versions else None
