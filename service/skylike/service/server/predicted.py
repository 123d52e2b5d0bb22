"""What is predicted, and what is alike page by page: between the engine and the protos."""

from skylike.service.engine import Alike, Prediction, Reached, Spot, Target
from skylike.service.errors import BadRequest
from skylike.service.server import pages, translate
from skylike.service.server.ranked import digest
from skylike.v1 import search_pb2 as pb

DEFAULT_CONFIDENCE = 0.9


def target_from(request: pb.PredictRequest) -> Target:
    """What to predict; `BadRequest` (``bad_target``) if nothing is named."""
    match request.WhichOneof("target"):
        case "attribute":
            return Target(attribute=request.attribute)
        case "labels":
            return Target(labels=tuple(dict.fromkeys(request.labels.labels)))
        case None:
            raise BadRequest(
                "there is nothing to predict: name an attribute, or two labels or more",
                reason="bad_target",
            )


def prediction_to(answer: Prediction) -> pb.PredictResponse:
    """What something is likely to be."""
    made = pb.PredictResponse(
        context=translate.context_to(answer.context),
        reading=translate.reading_to(answer.reading),
        low=answer.low,
        high=answer.high,
        confidence=answer.confidence,
        num_examples=answer.num_examples,
        num_calibration=answer.num_calibration,
        neighbor_ids=answer.neighbor_ids,
        is_example=answer.is_example,
    )
    if isinstance(answer.value, str):
        made.value.text = answer.value
    else:
        made.value.number = answer.value
    for one in answer.classes:
        made.classes.add(
            name=one.name, probability=one.probability, is_possible=one.is_possible
        )
    made.quality.num_folds = answer.num_folds
    made.quality.num_objects = answer.num_examples
    for name, value in answer.quality.items():
        setattr(made.quality, name, value)
    return made


def reached_from(request: pb.ListNearestRequest) -> Reached | None:
    """Where the page before has ended, None for the first page."""
    if not request.page_token:
        return None
    basis, score, row, rank = pages.texts_of(request.page_token, 4, digest(request))
    try:
        spot = Spot(float.fromhex(score), pages.number(row))
    except (ValueError, OverflowError):
        raise pages.foreign() from None
    return Reached(basis, pages.number(rank), spot)


def alike_to(answer: Alike, request: pb.ListNearestRequest) -> pb.ListNearestResponse:
    """A page of the most alike."""
    made = pb.ListNearestResponse(
        context=translate.context_to(answer.context),
        reading=translate.reading_to(answer.reading),
    )
    translate.fill_hits(made.hits, answer.hits)
    if (last := answer.last) is not None:
        made.next_page_token = pages.token_of_texts(
            last.basis,
            last.spot.score.hex(),
            last.spot.row,
            last.rank,
            digest=digest(request),
        )
    return made
