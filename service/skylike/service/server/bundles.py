"""Questions of a stream that come several in a message, and their answers."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from skylike.service.errors import BadRequest
from skylike.v1 import search_pb2

Question: TypeAlias = search_pb2.AnalyzeStreamRequest | search_pb2.StreamQuestion
Answer: TypeAlias = search_pb2.AnalyzeStreamResponse | search_pb2.StreamAnswer

FRAME_BYTES = 8  # that an answer takes more, at most, where it is one of several
_MOST = 1024  # questions of a message
_MOST_BYTES = 2**20  # of several answers in a message, the least that may be allowed


def questions_of(
    messages: Iterable[search_pb2.AnalyzeStreamRequest],
) -> Iterator[Question]:
    """Each question of each message; that of a message by itself is the message.

    Raises as `apart`.
    """
    for message in messages:
        for one in apart(message):
            yield one.questions[0] if one.questions else one


def apart(message: Any) -> Iterator[Any]:
    """The questions of a message of any stream, in as many messages.

    None of them keeps the bytes of the others, which count for themselves.

    Raises
    ------
    BadRequest
        ``bad_batch_size`` if there are too many: however small, each is an object, which
        would wait for its turn.
    """
    is_ours = isinstance(message, search_pb2.AnalyzeStreamRequest)
    num = len(message.questions) if is_ours else 0
    if num > _MOST:
        raise BadRequest(
            f"{num:,} questions came in a message; at most {_MOST:,} may: send more "
            "messages",
            reason="bad_batch_size",
        )
    has_own = num == 0 or bool(message.item_id) or message.HasField("analyze")
    if num + has_own == 1:
        yield message
        return
    if has_own:
        yield search_pb2.AnalyzeStreamRequest(
            item_id=message.item_id,
            analyze=message.analyze if message.HasField("analyze") else None,
        )
    for question in message.questions:
        yield search_pb2.AnalyzeStreamRequest(questions=[question])


def answer_to(question: Question) -> Answer:
    """An answer, to be filled, as it has to be sent."""
    if isinstance(question, search_pb2.StreamQuestion):
        return search_pb2.StreamAnswer(item_id=question.item_id)
    return search_pb2.AnalyzeStreamResponse(item_id=question.item_id)


def messages_of(
    answers: Iterable[Answer],
) -> Iterator[search_pb2.AnalyzeStreamResponse]:
    """Messages that tell answers: together to who asked together, up to a size."""
    bundle, held = search_pb2.AnalyzeStreamResponse(), 0
    for answer in answers:
        if isinstance(answer, search_pb2.AnalyzeStreamResponse):
            yield answer
            continue
        num_bytes = answer.ByteSize() + FRAME_BYTES
        if held and held + num_bytes > _MOST_BYTES:
            yield bundle
            bundle, held = search_pb2.AnalyzeStreamResponse(), 0
        bundle.answers.append(answer)
        held += num_bytes
    if held:
        yield bundle
