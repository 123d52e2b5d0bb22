"""`SearchService`: translates, and leaves the answers to the engine."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from skylike.service.anomaly import discoveries
from skylike.service.engine import Engine
from skylike.service.engine.resolve import Resolved, seen_all
from skylike.service.errors import BadRequest
from skylike.service.monitoring import Monitor
from skylike.service.server import (
    bundles,
    explained,
    looked,
    maps,
    pages,
    predicted,
    translate,
)
from skylike.service.server.admission import Admission
from skylike.service.server.items import analyzed
from skylike.service.server.options import filter_from, how_from
from skylike.service.server.stream import Streamed
from skylike.service.server.together import DEFAULT_K, analysis
from skylike.service.uploads import Readers
from skylike.v1 import search_pb2, search_pb2_grpc

_TOGETHER = 64  # questions of a stream; more would keep the others out too long
_MOST_P_VALUES = 1_000_000
_STREAM = "/skylike.v1.SearchService/AnalyzeStream"


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Answers questions about cutouts, archived objects and embeddings."""

    def __init__(
        self,
        engine: Engine,
        workers: int,
        admission: Admission,
        monitor: Monitor,
        max_bytes: int,
        max_idle_seconds: float,
        roots: Sequence[Path],
    ) -> None:
        self._engine = engine
        self._roots = roots
        self._monitor = monitor
        self._admission = admission
        # While some work, others have their cutouts read, others are embedded, and others
        # come next.
        self._workers = workers + 3
        self._max_bytes = max_bytes
        self._max_idle_seconds = max_idle_seconds
        self._pool = ThreadPoolExecutor(self._workers, "stream")
        self._readers = Readers()
        self._see = functools.partial(seen_all, read=self._readers.stamped_all)

    def close(self) -> None:
        """End what answers streams."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._readers.close()

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
            request.k or DEFAULT_K,
            thumbnails=request.thumbnails,
            how=how_from(request.options),
        )
        told = search_pb2.NeighborsResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
        )
        translate.fill_hits(told.hits, answer.hits)
        return told

    def Cluster(  # noqa: N802
        self, request: search_pb2.ClusterRequest, context: grpc.ServicerContext
    ) -> search_pb2.ClusterResponse:
        """The kind of object."""
        query = translate.query_from(request.query)
        answer = self._engine.cluster(request.collection, query)
        told = search_pb2.ClusterResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
        )
        translate.fill_cluster(told.cluster, answer.cluster)
        return told

    def Anomaly(  # noqa: N802
        self, request: search_pb2.AnomalyRequest, context: grpc.ServicerContext
    ) -> search_pb2.AnomalyResponse:
        """How odd it is."""
        query = translate.query_from(request.query)
        answer = self._engine.anomaly(request.collection, query)
        told = search_pb2.AnomalyResponse(
            context=translate.context_to(answer.context),
            reading=translate.reading_to(answer.reading),
        )
        translate.fill_anomaly(told.anomaly, answer.anomaly)
        translate.fill_hits(told.anomaly.neighbors, answer.hits)
        explained.fill(told, answer)
        return told

    def Predict(  # noqa: N802
        self, request: search_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> search_pb2.PredictResponse:
        """What an attribute or label is likely to be."""
        answer = self._engine.predict(
            request.collection,
            translate.query_from(request.query),
            predicted.target_from(request),
            confidence=request.confidence or predicted.DEFAULT_CONFIDENCE,
            where=filter_from(request.filter) if request.HasField("filter") else None,
        )
        return predicted.prediction_to(answer)

    def ListNearest(  # noqa: N802
        self, request: search_pb2.ListNearestRequest, context: grpc.ServicerContext
    ) -> search_pb2.ListNearestResponse:
        """All objects by falling similarity, page by page."""
        answer = self._engine.alike(
            request.collection,
            translate.query_from(request.query),
            filter_from(request.filter) if request.HasField("filter") else None,
            after=predicted.reached_from(request),
            limit=pages.size_of(request.page_size),
            thumbnails=request.thumbnails,
        )
        return predicted.alike_to(answer, request)

    def Locate(  # noqa: N802
        self, request: search_pb2.LocateRequest, context: grpc.ServicerContext
    ) -> search_pb2.LocateResponse:
        """Where the query lies on a map."""
        query = translate.query_from(request.query)
        return maps.located_to(
            self._engine.locate(request.collection, query, request.layout)
        )

    def Discover(  # noqa: N802
        self, request: search_pb2.DiscoverRequest, context: grpc.ServicerContext
    ) -> search_pb2.DiscoverResponse:
        """Which of many p-values are discoveries."""
        if len(request.p_values) > _MOST_P_VALUES:
            raise BadRequest(
                f"{len(request.p_values)} p-values were sent; at most {_MOST_P_VALUES:,} "
                "are judged together",
                reason="bad_batch_size",
            )
        found = discoveries(request.p_values, request.rate)
        return search_pb2.DiscoverResponse(
            selected=found.selected.tolist(), threshold=found.threshold
        )

    def Inspect(  # noqa: N802
        self, request: search_pb2.InspectRequest, context: grpc.ServicerContext
    ) -> search_pb2.InspectResponse:
        """A picture, and what headers say."""
        answer = self._engine.look(
            request.collection,
            translate.query_from(request.query),
            looked.view_from(request),
            self._roots,
        )
        return looked.looked_to(answer)

    def Analyze(  # noqa: N802
        self, request: search_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> search_pb2.AnalyzeResponse:
        """All three answers."""
        turn = self._admission.turn_here()
        return analysis(request, turn, self._engine)

    def AnalyzeStream(  # noqa: N802
        self,
        request_iterator: Iterator[search_pb2.AnalyzeStreamRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[search_pb2.AnalyzeStreamResponse]:
        """All three answers, of many questions."""

        def answer(questions: Sequence[bundles.Question]) -> list[bundles.Answer]:
            with contextlib.ExitStack() as working, self._monitor.items():

                @functools.cache
                def wait_for_turn() -> None:
                    working.enter_context(self._admission.turn(_STREAM, context))

                def see(*what: Any) -> list[Resolved | Exception]:
                    # Beside Python all that: a place is only needed for the rest.
                    found = self._see(*what)
                    wait_for_turn()
                    return found

                return analyzed(
                    questions, self._engine, see, self._monitor, self._max_bytes
                )

        streamed = Streamed(
            bundles.questions_of(request_iterator),
            answer,
            self._pool,
            self._workers,
            _TOGETHER,
            self._admission.load,
            self._max_idle_seconds,
        )
        for answers in streamed:
            yield from bundles.messages_of(answers)
