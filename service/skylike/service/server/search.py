"""`SearchService`: translates, and leaves the answers to the engine."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import structlog

from skylike.service.catalog import MAX_ID_BYTES
from skylike.service.engine import Engine
from skylike.service.errors import BadRequest
from skylike.service.monitoring import Monitor
from skylike.service.server import translate
from skylike.service.server.options import how_from
from skylike.service.server.status import tell
from skylike.service.server.stream import streamed
from skylike.v1 import search_pb2, search_pb2_grpc

_DEFAULT_K = 10
_WAITING = 2  # questions of a stream for each thread

_log = structlog.get_logger()


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Answers questions about cutouts, archived objects and embeddings."""

    def __init__(self, engine: Engine, workers: int, monitor: Monitor) -> None:
        self._engine = engine
        self._monitor = monitor
        self._at_once = _WAITING * workers
        self._pool = ThreadPoolExecutor(workers, "stream")

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
            how=how_from(request.options),
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
            anomaly=translate.anomaly_to(answer.anomaly, answer.hits),
        )

    def Analyze(  # noqa: N802
        self, request: search_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> search_pb2.AnalyzeResponse:
        """All three answers."""
        return self._analyzed(request)

    def AnalyzeStream(  # noqa: N802
        self,
        request_iterator: Iterator[search_pb2.AnalyzeStreamRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[search_pb2.AnalyzeStreamResponse]:
        """All three answers, of many questions."""
        return streamed(request_iterator, self._item, self._pool, self._at_once)

    def _item(
        self, request: search_pb2.AnalyzeStreamRequest
    ) -> search_pb2.AnalyzeStreamResponse:
        """The answer to one question of a stream, whatever becomes of it."""
        with self._monitor.item():
            return self._answered(request)

    def _answered(
        self, request: search_pb2.AnalyzeStreamRequest
    ) -> search_pb2.AnalyzeStreamResponse:
        answer = search_pb2.AnalyzeStreamResponse(item_id=request.item_id)
        try:
            _check_item(request.item_id)
            answer.analysis.CopyFrom(self._analyzed(request.analyze))
        except Exception as error:
            told = tell(error, f"item {request.item_id!r}")
            self._monitor.failed(error, told.code.name)
            if told.is_ours:
                _log.exception("failed", item_id=request.item_id)
            item = search_pb2.ItemError(
                code=told.code.value[0],
                reason=told.reason,
                kind=told.kind,
                message=told.message,
            )
            answer.error.CopyFrom(item)
        return answer

    def _analyzed(
        self, request: search_pb2.AnalyzeRequest
    ) -> search_pb2.AnalyzeResponse:
        answer = self._engine.analyze(
            request.collection,
            translate.query_from(request.query),
            request.k or _DEFAULT_K,
            thumbnails=request.thumbnails,
            how=how_from(request.options),
        )
        return search_pb2.AnalyzeResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
            hits=[translate.hit_to(hit) for hit in answer.hits],
            cluster=translate.cluster_to(answer.cluster),
            anomaly=translate.anomaly_to(answer.anomaly),
        )


def _check_item(item_id: str) -> None:
    if not 1 <= len(item_id.encode()) <= MAX_ID_BYTES:
        raise BadRequest(
            f"the item's id has {len(item_id.encode())} bytes; 1 to {MAX_ID_BYTES} are "
            "allowed",
            reason="bad_id",
        )
