"""`TeachingService`: translates, and leaves the answers to the engine."""

from urllib.parse import quote, unquote

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from skylike.service.engine import Engine, LastRating, Opinion, Ratings, Suggestions
from skylike.service.errors import BadRequest
from skylike.service.server import pages, translate
from skylike.service.server.access import key_name
from skylike.service.server.options import filter_from, writing_from
from skylike.v1 import teaching_pb2 as pb
from skylike.v1 import teaching_pb2_grpc

_DEFAULT_NUM = 10


class TeachingServicer(teaching_pb2_grpc.TeachingServiceServicer):
    """Keeps ratings, and tells what to look at next."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def RateObjects(  # noqa: N802
        self, request: pb.RateObjectsRequest, context: grpc.ServicerContext
    ) -> pb.RateObjectsResponse:
        """Rates objects."""
        opinions = {one.object_id: _opinion_from(one) for one in request.ratings}
        if len(opinions) < len(request.ratings):
            raise BadRequest(
                f"{len(request.ratings)} ratings are of {len(opinions)} different "
                "objects: rate each once",
                reason="bad_rating",
            )
        answer = self._engine.rate(
            request.collection,
            request.who,
            opinions,
            writing_from(request),
            key=key_name(),
        )
        return pb.RateObjectsResponse(
            context=translate.context_to(answer.context),
            num_objects=answer.num_objects,
            was_done=answer.was_done,
            unknown_ids=answer.unknown_ids,
        )

    def ListRatings(  # noqa: N802
        self, request: pb.ListRatingsRequest, context: grpc.ServicerContext
    ) -> pb.ListRatingsResponse:
        """The ratings, page by page."""
        whose = pages.digest_of(request, "collection")
        token = request.page_token
        answer = self._engine.ratings(
            request.collection,
            request.who,
            after=_last_from(token, whose) if token else None,
            limit=pages.size_of(request.page_size),
        )
        return _ratings_to(answer, whose)

    def ListSuggestions(  # noqa: N802
        self, request: pb.ListSuggestionsRequest, context: grpc.ServicerContext
    ) -> pb.ListSuggestionsResponse:
        """What is worth looking at next."""
        answer = self._engine.suggestions(
            request.collection,
            filter_from(request.filter) if request.HasField("filter") else None,
            num=request.num or _DEFAULT_NUM,
            seed=request.seed,
            thumbnails=request.thumbnails,
        )
        return _suggestions_to(answer)


def _opinion_from(message: pb.NewRating) -> Opinion | None:
    if not message.HasField("score"):
        if message.is_artefact or message.note:
            raise BadRequest(
                f"the rating of {message.object_id!r} has no score, which takes it away, "
                "and yet says more: give a score from 0 to 5",
                reason="bad_rating",
            )
        return None
    return Opinion(message.score, message.is_artefact, message.note)


def _last_from(token: str, whose: str) -> LastRating:
    collection, version, row, who = pages.texts_of(token, 4, whose)
    return LastRating(
        collection, pages.number(version), pages.number(row), unquote(who)
    )


def _ratings_to(answer: Ratings, whose: str) -> pb.ListRatingsResponse:
    made = pb.ListRatingsResponse(
        context=translate.context_to(answer.context), ratings_version=answer.version
    )
    for one in answer.ratings:
        time = Timestamp()
        time.FromMilliseconds(round(one.time * 1000))
        made.ratings.add(
            object_id=one.id,
            score=one.opinion.score,
            is_artefact=one.opinion.is_artefact,
            note=one.opinion.note,
            who=one.who,
            time=time,
            key=one.key,
        )
    if (last := answer.last) is not None:
        made.next_page_token = pages.token_of_texts(
            last.collection, last.version, last.row, quote(last.who, ""), digest=whose
        )
    return made


def _suggestions_to(answer: Suggestions) -> pb.ListSuggestionsResponse:
    made = pb.ListSuggestionsResponse(
        context=translate.context_to(answer.context),
        fit_version=answer.fit_version,
        ratings_version=answer.ratings_version,
        num_rated=answer.num_rated,
    )
    for one in answer.suggestions:
        row = made.suggestions.add(
            interest=one.interest,
            uncertainty=one.uncertainty,
            anomaly_score=one.score,
            is_random=one.is_random,
        )
        translate.fill_object(row.object, one.object)
    return made
