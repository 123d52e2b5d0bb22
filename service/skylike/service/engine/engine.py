"""The engine: one method per question."""

import numpy as np

from skylike.service import caller
from skylike.service.anomaly import AnomalyFit
from skylike.service.calls import Stage
from skylike.service.collection import MAX_K, Collection, How, Scored
from skylike.service.columns import All, Not, WithIds
from skylike.service.engine.answers import anomaly_answer, cluster_answer, hits
from skylike.service.engine.keeping import Keeping, context_of
from skylike.service.engine.resolve import Resolved, resolve
from skylike.service.engine.types import (
    Analysis,
    Anomaly,
    Cluster,
    Context,
    Embedded,
    Neighbors,
    Query,
)
from skylike.service.errors import (
    BadRequest,
    NotReady,
)

MAX_NEIGHBORS = 1000
MAX_BATCH = 1000


class Engine(Keeping):
    """Answers questions from a library, and keeps it. Safe from several threads.

    Every method raises `UnknownCollection` for a collection that is not there and
    `DamagedData` for one whose data or model fail their checks. `limits` bound what a
    cutout may ask for. `condition` knows which collections can be used.
    """

    def embed(self, collection: str, query: Query) -> Embedded:
        """The embedding of a query."""
        _, context, found = self._resolve(collection, query)
        return Embedded(context, found.reading, found.vector)

    def neighbors(
        self,
        collection: str,
        query: Query,
        k: int = 10,
        *,
        thumbnails: bool = False,
        how: How | None = None,
    ) -> Neighbors:
        """The `k` objects most like the query; an object never finds itself.

        Raises
        ------
        BadRequest
            Unless 1 <= k <= 1000.
        """
        _check_k(k)
        archive, context, found = self._resolve(collection, query)
        scored = _search(archive, found, k, thumbnails=thumbnails, how=how)
        with Stage("answer"):
            return Neighbors(context, found.reading, hits(scored, found))

    def cluster(self, collection: str, query: Query) -> Cluster:
        """The kind of object the query is.

        Raises
        ------
        NotReady
            While the collection has no clusters.
        """
        archive = self._archive(collection)
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
        archive = self._archive(collection)
        fit = archive.anomaly
        if fit is None:
            raise _not_fitted(archive.name, "anomaly fit")
        _, context, found = self._resolve(collection, query)
        scored = _search_fitted(archive, found, fit, fit.k + 1)
        with Stage("answer"):
            return Anomaly(context, found.reading, anomaly_answer(fit, scored, found))

    def analyze(
        self,
        collection: str,
        query: Query,
        k: int = 10,
        *,
        thumbnails: bool = False,
        how: How | None = None,
    ) -> Analysis:
        """All three answers from one embedding, and from one search unless `how` differs.

        Raises
        ------
        BadRequest
            Unless 1 <= k <= 1000.
        """
        _check_k(k)
        archive, context, found = self._resolve(collection, query)
        clusters, anomaly = archive.clusters, archive.anomaly
        if anomaly is None or how:
            chosen = _search(archive, found, k, thumbnails=thumbnails, how=how)
        if anomaly is not None:
            reach = anomaly.k + 1 if how else max(k, anomaly.k + 1)
            scored = _search_fitted(
                archive, found, anomaly, reach, thumbnails=thumbnails and not how
            )
            chosen = chosen if how else scored[:k]
        with Stage("answer"):
            return Analysis(
                context,
                found.reading,
                hits(chosen, found),
                None if clusters is None else cluster_answer(clusters, found),
                None if anomaly is None else anomaly_answer(anomaly, scored, found),
            )

    def _resolve(
        self, collection: str, query: Query
    ) -> tuple[Collection, Context, Resolved]:
        archive = self._archive(collection)
        context = context_of(archive)
        return (
            archive,
            context,
            resolve(query, archive, self.library.encoder(collection), self._limits),
        )


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
    archive: Collection,
    found: Resolved,
    k: int,
    *,
    thumbnails: bool = False,
    how: How | None = None,
) -> list[Scored]:
    """The k nearest, without what the query is made of."""
    caller.check()
    wanted = how or How()
    exclude = None
    if len(found.ids) == 1:
        exclude = list(found.ids)
    elif found.ids:
        others = Not(WithIds(frozenset(found.ids)))
        where = wanted.get("where")
        wanted = {**wanted, "where": All((where, others)) if where else others}
    with Stage("search"):
        return archive.search(
            found.vector[np.newaxis], k, exclude, thumbnails=thumbnails, **wanted
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
