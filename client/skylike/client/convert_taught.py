"""From messages about ratings, and what is learned from them, to the dataclasses of `taught`."""

from skylike.client import convert, taught
from skylike.v1 import search_pb2, teaching_pb2


def ratings(message: teaching_pb2.ListRatingsResponse) -> taught.Ratings:
    """A page of ListRatings."""
    return taught.Ratings(
        convert.context(message.context),
        message.ratings_version,
        tuple(
            taught.Rating(
                one.object_id,
                one.score,
                one.is_artefact,
                one.note,
                one.who,
                convert.time_of(one.time),
                one.key,
            )
            for one in message.ratings
        ),
    )


def suggestions(message: teaching_pb2.ListSuggestionsResponse) -> taught.Suggestions:
    """The answer of ListSuggestions."""
    return taught.Suggestions(
        convert.context(message.context),
        message.fit_version,
        message.ratings_version,
        message.num_rated,
        tuple(
            taught.Suggestion(
                one.interest,
                one.uncertainty,
                one.anomaly_score,
                one.is_random,
                convert.object_(one.object),
            )
            for one in message.suggestions
        ),
    )


def prediction(message: search_pb2.PredictResponse) -> taught.Prediction:
    """The answer of Predict."""
    quality = message.quality
    names = [one.name for one in quality.DESCRIPTOR.fields if one.has_presence]
    told = {name: convert.given(quality, name) for name in names}
    return taught.Prediction(
        convert.context(message.context),
        convert.reading(message),
        getattr(message.value, message.value.WhichOneof("kind") or "number"),
        convert.given(message, "low"),
        convert.given(message, "high"),
        tuple(
            taught.ClassShare(
                one.name,
                one.probability,
                one.is_possible if one.HasField("is_possible") else None,
            )
            for one in message.classes
        ),
        message.confidence,
        message.num_examples,
        message.num_calibration,
        taught.Quality(quality.num_folds, quality.num_objects, **told),
        tuple(message.neighbor_ids),
        message.is_example,
    )
