"""The engine: one method per question."""

from collections.abc import Sequence

from skylike.service.calls import Stage
from skylike.service.collection import Collection, How, Scored
from skylike.service.engine.answers import (
    anomaly_answers,
    cluster_answers,
    hits,
    nearest_cluster,
)
from skylike.service.engine.keeping import context_of
from skylike.service.engine.kinds import Kinds
from skylike.service.engine.looking import Looking
from skylike.service.engine.maps import Maps
from skylike.service.engine.ranking import not_fitted
from skylike.service.engine.resolve import Resolved, See, resolve_all, seen_all
from skylike.service.engine.searching import search, searched
from skylike.service.engine.teaching import Teaching
from skylike.service.engine.types import (
    Analysis,
    Anomaly,
    Cluster,
    Context,
    Embedded,
    Neighbors,
    Query,
)
from skylike.service.errors import BadRequest

MAX_NEIGHBORS = 1000
MAX_BATCH = 1000


class Engine(Teaching, Kinds, Maps, Looking):
    """Answers questions from a library, and keeps it. Safe from several threads.

    Every method raises `UnknownCollection` for a collection that is not there and
    `DamagedData` for one whose data or model fail their checks. `limits` bound what a
    cutout may ask for. `condition` knows which collections can be used.
    """

    def embed(self, collection: str, query: Query) -> Embedded:
        """The embedding of a query."""
        with self._archive(collection) as archive:
            context, found = self._resolve(archive, query)
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
        with self._archive(collection) as archive:
            context, found = self._resolve(archive, query)
            [(scored, _)] = search(archive, [found], k, thumbnails=thumbnails, how=how)
            with Stage("answer"):
                return Neighbors(context, found.reading, hits(scored, found))

    def cluster(self, collection: str, query: Query) -> Cluster:
        """The kind of object the query is.

        Raises
        ------
        NotReady
            While the collection has no clusters.
        """
        with self._archive(collection) as archive:
            fit = archive.clusters
            if fit is None:
                raise not_fitted(archive.name, "clusters")
            context, found = self._resolve(archive, query)
            return Cluster(context, found.reading, *cluster_answers(fit, [found]))

    def anomaly(self, collection: str, query: Query) -> Anomaly:
        """How odd the query is.

        Raises
        ------
        NotReady
            While the collection has no anomaly fit.
        """
        with self._archive(collection) as archive:
            if archive.anomaly is None:
                raise not_fitted(archive.name, "anomaly fit")
            context, found = self._resolve(archive, query)
            (clusters, fit), _, near = searched(archive, [found], 0)
            assert fit is not None  # fits are replaced, never taken away
            with Stage("answer"):
                [answer] = anomaly_answers(fit, near, [found], with_parts=True)
                objects = archive.objects([id for id, _ in answer.neighbors])
                scored = [
                    Scored(objects[id], score)
                    for id, score in answer.neighbors
                    if id in objects  # it may have been deleted meanwhile
                ]
                neighbors = [
                    {
                        **one.object.attributes,
                        "valid_fraction": one.object.valid_fraction,
                    }
                    for one in scored
                ]
                return Anomaly(
                    context,
                    found.reading,
                    answer,
                    hits(scored, found),
                    nearest_cluster(clusters, found),
                    fit.usual.outstanding(found.attributes, neighbors),
                    found.flags,
                )

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
        with self._archive(collection) as archive:
            context, found = self._resolve(archive, query)
            return _analyses(archive, context, [found], k, thumbnails, how)[0]

    def analyze_all(
        self,
        collection: str,
        queries: Sequence[Query],
        k: int = 10,
        *,
        thumbnails: bool = False,
        how: How | None = None,
        see: See = seen_all,
    ) -> list[Analysis | Exception]:
        """As `analyze` of each, or what that raises; together they take less time.

        Cutouts are read and embedded by `see`.

        Raises
        ------
        BadRequest
            Unless 1 <= k <= 1000.
        """
        _check_k(k)
        with self._archive(collection) as archive:
            context = context_of(archive)
            encoder = self.library.encoder_of(archive)
            resolved = resolve_all(queries, archive, encoder, self._limits, see)
            found = [one for one in resolved if isinstance(one, Resolved)]
            answers = iter(_analyses(archive, context, found, k, thumbnails, how))
            return [
                next(answers) if isinstance(one, Resolved) else one for one in resolved
            ]


def _analyses(
    archive: Collection,
    context: Context,
    found: Sequence[Resolved],
    k: int,
    thumbnails: bool,
    how: How | None,
) -> list[Analysis]:
    if not found:
        return []
    (clusters, anomaly), scored, near = searched(
        archive, found, k, thumbnails=thumbnails, how=how
    )
    with Stage("answer"):
        kinds = None if clusters is None else cluster_answers(clusters, found)
        odd = None if anomaly is None else anomaly_answers(anomaly, near, found)
        return [
            Analysis(
                context,
                one.reading,
                hits(scored[i], one),
                None if kinds is None else kinds[i],
                None if odd is None else odd[i],
            )
            for i, one in enumerate(found)
        ]


def _check_k(k: int) -> None:
    if not 1 <= k <= MAX_NEIGHBORS:
        raise BadRequest(
            f"k is {k}; between 1 and {MAX_NEIGHBORS} neighbours can be asked for",
            reason="bad_k",
        )
