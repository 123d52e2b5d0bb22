"""`SearchService`: translates, and leaves the answers to the engine."""

import grpc

from skylike.service.engine import Engine
from skylike.service.server import translate
from skylike.v1 import search_pb2, search_pb2_grpc

_DEFAULT_K = 10


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Answers questions about cutouts, archived objects and embeddings."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def Embed(  # noqa: N802
        self, request: search_pb2.EmbedRequest, context: grpc.ServicerContext
    ) -> search_pb2.EmbedResponse:
        """The embedding of a query."""
        query = translate.query_from(request.query)
        answer = self._engine.embed(request.collection, query)
        return search_pb2.EmbedResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
            vector=translate.vector_to(answer.vector, answer.context.model_id),
        )

    def Neighbors(  # noqa: N802
        self, request: search_pb2.NeighborsRequest, context: grpc.ServicerContext
    ) -> search_pb2.NeighborsResponse:
        """The most alike objects of a collection."""
        answer = self._engine.neighbors(
            request.collection,
            translate.query_from(request.query),
            request.k or _DEFAULT_K,
            thumbnails=request.thumbnails,
        )
        return search_pb2.NeighborsResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
            hits=[translate.hit_to(hit) for hit in answer.hits],
        )

    def Cluster(  # noqa: N802
        self, request: search_pb2.ClusterRequest, context: grpc.ServicerContext
    ) -> search_pb2.ClusterResponse:
        """The kind of object."""
        query = translate.query_from(request.query)
        answer = self._engine.cluster(request.collection, query)
        return search_pb2.ClusterResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
            cluster=translate.cluster_to(answer.cluster),
        )

    def Anomaly(  # noqa: N802
        self, request: search_pb2.AnomalyRequest, context: grpc.ServicerContext
    ) -> search_pb2.AnomalyResponse:
        """How odd it is."""
        query = translate.query_from(request.query)
        answer = self._engine.anomaly(request.collection, query)
        return search_pb2.AnomalyResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
            anomaly=translate.anomaly_to(answer.anomaly),
        )

    def Analyze(  # noqa: N802
        self, request: search_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> search_pb2.AnalyzeResponse:
        """All three answers."""
        answer = self._engine.analyze(
            request.collection,
            translate.query_from(request.query),
            request.k or _DEFAULT_K,
            thumbnails=request.thumbnails,
        )
        return search_pb2.AnalyzeResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
            hits=[translate.hit_to(hit) for hit in answer.hits],
            cluster=translate.cluster_to(answer.cluster),
            anomaly=translate.anomaly_to(answer.anomaly),
        )
