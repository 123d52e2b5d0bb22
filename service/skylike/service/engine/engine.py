"""The engine: one method per question."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly import AnomalyFit
from skylike.service.collection import MAX_K, Collection, Scored, SkyObject
from skylike.service.engine.answers import anomaly_answer, cluster_answer, hits
from skylike.service.engine.describe import described
from skylike.service.engine.resolve import Resolved, resolve, see, to_unit
from skylike.service.engine.types import (
    Added,
    Analysis,
    Anomaly,
    Cluster,
    CollectionInfo,
    Context,
    Embedded,
    Found,
    Neighbors,
    NewObject,
    Query,
    VectorQuery,
)
from skylike.service.errors import (
    BadInput,
    BadModel,
    BadRequest,
    DamagedData,
    ModelMismatch,
    NotReady,
    SkylikeError,
)
from skylike.service.fits import Limits
from skylike.service.library import Library

MAX_NEIGHBORS = 1000
MAX_BATCH = 1000


class Engine:
    """Answers questions from a library. Safe to use from several threads.

    Every method raises `UnknownCollection` for a collection that is not there and
    `DamagedData` for one whose data or model fail their checks. `limits` bound what a
    cutout may ask for.
    """

    def __init__(self, library: Library, limits: Limits | None = None) -> None:
        self._library = library
        self._limits = limits or Limits()

    def embed(self, collection: str, query: Query) -> Embedded:
        """The embedding of a query."""
        _, context, found = self._resolve(collection, query)
        return Embedded(context, found.reading, found.vector)

    def neighbors(
        self, collection: str, query: Query, k: int = 10, *, thumbnails: bool = False
    ) -> Neighbors:
        """The `k` objects most like the query; an object never finds itself.

        Raises
        ------
        BadRequest
            Unless 1 <= k <= 1000.
        """
        _check_k(k)
        archive, context, found = self._resolve(collection, query)
        scored = _search(archive, found, k, thumbnails=thumbnails)
        return Neighbors(context, found.reading, hits(scored, found))

    def cluster(self, collection: str, query: Query) -> Cluster:
        """The kind of object the query is.

        Raises
        ------
        NotReady
            While the collection has no clusters.
        """
        archive = self._library.collection(collection)
        fit = archive.clusters
        if fit is None:
            raise _not_fitted(archive.name, "clusters")
        _, context, found = self._resolve(collection, query)
        return Cluster(context, found.reading, cluster_answer(fit, found))

    def anomaly(self, collection: str, query: Query) -> Anomaly:
        """How odd the query is.

        Raises
        ------
        NotReady
            While the collection has no anomaly fit.
        """
        archive = self._library.collection(collection)
        fit = archive.anomaly
        if fit is None:
            raise _not_fitted(archive.name, "anomaly fit")
        _, context, found = self._resolve(collection, query)
        scored = _search_fitted(archive, found, fit, fit.k + 1)
        return Anomaly(context, found.reading, anomaly_answer(fit, scored, found))

    def analyze(
        self, collection: str, query: Query, k: int = 10, *, thumbnails: bool = False
    ) -> Analysis:
        """All three answers from one embedding and one search.

        Raises
        ------
        BadRequest
            Unless 1 <= k <= 1000.
        """
        _check_k(k)
        archive, context, found = self._resolve(collection, query)
        clusters, anomaly = archive.clusters, archive.anomaly
        if anomaly is None:
            scored = _search(archive, found, k, thumbnails=thumbnails)
        else:
            reach = max(k, anomaly.k + 1)
            scored = _search_fitted(
                archive, found, anomaly, reach, thumbnails=thumbnails
            )
        return Analysis(
            context,
            found.reading,
            hits(scored[:k], found),
            None if clusters is None else cluster_answer(clusters, found),
            None if anomaly is None else anomaly_answer(anomaly, scored, found),
        )

    def add(self, collection: str, objects: Sequence[NewObject]) -> Added:
        """Store objects: all of them, or none.

        Raises
        ------
        BadRequest
            Unless there are 1 to 1000 objects, with proper ids and positions.
        BadCutout, BadStamp, ModelMismatch
            For the first input that cannot be used; the message says which.
        AlreadyExists
            If an id is taken.
        """
        if not 1 <= len(objects) <= MAX_BATCH:
            raise BadRequest(
                f"{len(objects)} objects were sent; between 1 and {MAX_BATCH} can be "
                "added at a time",
                reason="bad_batch_size",
            )
        archive = self._library.collection(collection)
        encoder = self._library.encoder(collection)
        vectors = np.zeros((len(objects), archive.dimension), np.float32)
        stored: list[SkyObject] = []
        stamps: dict[int, NDArray[np.float32]] = {}
        for row, new in enumerate(objects):
            seen = None
            with _naming(row, new.id):
                if isinstance(new.input, VectorQuery):
                    vectors[row] = to_unit(new.input, archive)
                else:
                    seen = see(new.input, encoder, self._limits)
                    stamps[row] = seen[1].pixels
            stored.append(described(new, seen))
        if stamps:
            vectors[list(stamps)] = encoder.embed(np.stack(list(stamps.values())))
        version = archive.add(stored, vectors)
        context = Context(archive.name, version, archive.model_id)
        return Added(
            context, tuple(dataclasses.replace(one, thumbnail=b"") for one in stored)
        )

    def get(self, collection: str, id: str, *, with_vector: bool = False) -> Found:
        """One object, with its thumbnail.

        Raises
        ------
        UnknownId
            If the collection has no such object.
        """
        archive = self._library.collection(collection)
        context = _context(archive)
        vector = archive.vector(id) if with_vector else None
        return Found(context, archive.get(id), vector)

    def collections(self) -> list[CollectionInfo]:
        """The collections by name; one that is damaged does not hide the others."""
        return [self._describe(name) for name in self._library.names()]

    def warm_up(self) -> dict[str, SkylikeError]:
        """Load every collection and model, so that no query has to wait for them.

        Returns
        -------
        dict
            Why a collection cannot be used, by its name.
        """
        failures = {}
        for name in self._library.names():
            try:
                self._library.collection(name)
                self._library.encoder(name)
            except SkylikeError as error:
                failures[name] = error
        return failures

    def _describe(self, name: str) -> CollectionInfo:
        try:
            archive, encoder = (
                self._library.collection(name),
                self._library.encoder(name),
            )
        except (BadModel, DamagedData) as error:
            return CollectionInfo(Context(name, 0, ""), damage=str(error))
        return CollectionInfo(
            _context(archive),
            num_objects=len(archive),
            dimension=archive.dimension,
            stamp_spec_json=encoder.spec.to_json(),
            cluster_fit_version=archive.clusters.version if archive.clusters else 0,
            anomaly_fit_version=archive.anomaly.version if archive.anomaly else 0,
        )

    def _resolve(
        self, collection: str, query: Query
    ) -> tuple[Collection, Context, Resolved]:
        archive = self._library.collection(collection)
        context = _context(archive)
        return (
            archive,
            context,
            resolve(query, archive, self._library.encoder(collection), self._limits),
        )


def _context(archive: Collection) -> Context:
    return Context(archive.name, archive.version, archive.model_id)


def _check_k(k: int) -> None:
    if not 1 <= k <= MAX_NEIGHBORS:
        raise BadRequest(
            f"k is {k}; between 1 and {MAX_NEIGHBORS} neighbours can be asked for",
            reason="bad_k",
        )


def _not_fitted(collection: str, what: str) -> NotReady:
    return NotReady(
        f"collection {collection!r} has no {what} yet: run skylike-service fit",
        reason="not_fitted",
    )


def _search(
    archive: Collection, found: Resolved, k: int, *, thumbnails: bool = False
) -> list[Scored]:
    return archive.search(
        found.vector[np.newaxis], k, exclude=[found.id], thumbnails=thumbnails
    )[0]


def _search_fitted(
    archive: Collection,
    found: Resolved,
    fit: AnomalyFit,
    k: int,
    *,
    thumbnails: bool = False,
) -> list[Scored]:
    """The k nearest, and more until `fit.k` + 1 of them were there at the fit."""
    while True:
        scored = _search(archive, found, k, thumbnails=thumbnails)
        fitted = sum(fit.covers(one.row) for one in scored)
        if fitted > fit.k or len(scored) < k or k == MAX_K:
            return scored
        k = min(4 * k, MAX_K)


@contextlib.contextmanager
def _naming(row: int, id: str) -> Iterator[None]:
    """Make errors say which object of a batch they are about."""
    try:
        yield
    except (BadInput, ModelMismatch) as error:
        message = f"object {row} ({id!r}): {error}"
        raise type(error)(message, reason=error.reason) from error
