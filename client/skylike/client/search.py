"""Questions about a piece of sky: what is like it, what kind is it, how odd is it."""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

from skylike.client import convert, queries, requests, types
from skylike.client.asked import told
from skylike.client.filters import Filter
from skylike.client.session import Session
from skylike.client.transport import Rpc
from skylike.v1 import search_pb2

_SERVICE = "/skylike.v1.SearchService"
_EMBED = Rpc(f"{_SERVICE}/Embed", search_pb2.EmbedResponse.FromString)
_NEIGHBORS = Rpc(f"{_SERVICE}/Neighbors", search_pb2.NeighborsResponse.FromString)
_CLUSTER = Rpc(f"{_SERVICE}/Cluster", search_pb2.ClusterResponse.FromString)
_ANOMALY = Rpc(f"{_SERVICE}/Anomaly", search_pb2.AnomalyResponse.FromString)
_ANALYZE = Rpc(f"{_SERVICE}/Analyze", search_pb2.AnalyzeResponse.FromString)

_T = TypeVar("_T")
_Answer = TypeVar("_Answer", bound=types.Answer)


class Search(Session):
    """Asks about cutouts, objects, places, examples and embeddings."""

    async def embed(
        self,
        query: queries.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
    ) -> types.Embedding:
        """The embedding of a query, by the collection's model."""
        request = await self._about(
            search_pb2.EmbedRequest, query, object_id, collection
        )
        return await self._answer(_EMBED, request, convert.embedding)

    async def neighbors(
        self,
        query: queries.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
        k: int = 10,
        thumbnails: bool = False,
        where: Filter | None = None,
        exact: bool = False,
        effort: float = 1.0,
        least: bool = False,
        min_score: float | None = None,
    ) -> types.Neighbors:
        """The `k` objects of the collection most like the query, 1 to 1000.

        Parameters
        ----------
        query, object_id
            Exactly one of them: see the class.
        collection
            May be left out where the service has only one.
        k
            How many; fewer come only where no more may be found.
        thumbnails
            Whether hits carry a PNG.
        where
            What may be found, by `skylike.client.filters`; None: everything.
        exact
            Whether to compare with all, instead of trusting an index.
        effort
            How widely an index is searched, 0.1 to 16; twice is about twice as long.
        least
            Whether to find the least similar instead, which is always exact.
        min_score
            Only what scores at least this, -1 to 1; not together with `least`.
        """
        how = requests.how(k, thumbnails, where, exact, effort, least, min_score)
        request = await self._about(
            search_pb2.NeighborsRequest, query, object_id, collection, **how
        )
        return await self._answer(_NEIGHBORS, request, convert.neighbors)

    async def cluster(
        self,
        query: queries.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
    ) -> types.ClusterResult:
        """The kind of object the query is."""
        request = await self._about(
            search_pb2.ClusterRequest, query, object_id, collection
        )
        return await self._answer(_CLUSTER, request, convert.cluster)

    async def anomaly(
        self,
        query: queries.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
    ) -> types.AnomalyResult:
        """How odd the query is."""
        request = await self._about(
            search_pb2.AnomalyRequest, query, object_id, collection
        )
        return await self._answer(_ANOMALY, request, convert.anomaly)

    async def analyze(
        self,
        query: queries.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
        k: int = 10,
        thumbnails: bool = False,
        where: Filter | None = None,
        exact: bool = False,
        effort: float = 1.0,
        least: bool = False,
        min_score: float | None = None,
    ) -> types.Analysis:
        """Neighbours, cluster and anomaly from one embedding.

        The parameters are those of `neighbors`, and choose the hits only; the other
        answers are about the whole collection.
        """
        how = requests.how(k, thumbnails, where, exact, effort, least, min_score)
        request = await self._about(
            search_pb2.AnalyzeRequest, query, object_id, collection, **how
        )
        return await self._answer(_ANALYZE, request, convert.analysis)

    async def _answer(
        self, rpc: Rpc[_T], request: Message, made: Callable[[_T], _Answer]
    ) -> _Answer:
        answer = made(await self._call(rpc, request))
        return told(answer, rpc.path, request, self.address)
