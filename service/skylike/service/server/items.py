"""The questions of a stream: what becomes of each is told under its own id."""

from collections.abc import Sequence

import structlog

from skylike.service.catalog import MAX_ID_BYTES
from skylike.service.engine import Analysis, Engine
from skylike.service.engine.resolve import See
from skylike.service.errors import BadRequest, TooLarge
from skylike.service.monitoring import Monitor
from skylike.service.server import translate
from skylike.service.server.bundles import FRAME_BYTES, Answer, Question, answer_to
from skylike.service.server.parsing import require_sendable
from skylike.service.server.status import tell
from skylike.service.server.together import answered

_log = structlog.get_logger()


def analyzed(
    questions: Sequence[Question],
    engine: Engine,
    see: See,
    monitor: Monitor,
    max_bytes: int,
) -> list[Answer]:
    """The answer to each question, in their order, whatever becomes of the others.

    Each has at most `max_bytes`. Raises as `answered`.
    """
    bad: dict[int, Exception] = {}
    for number, question in enumerate(questions):
        try:
            _check_item(question.item_id)
        except BadRequest as error:
            bad[number] = error
    good = [one.analyze for number, one in enumerate(questions) if number not in bad]
    answers = iter(answered(good, engine, see))
    return [
        _told(question, bad.get(number) or next(answers), monitor, max_bytes)
        for number, question in enumerate(questions)
    ]


def _told(
    question: Question,
    found: Analysis | Exception,
    monitor: Monitor,
    max_bytes: int,
) -> Answer:
    item_id, collection = question.item_id, question.analyze.collection
    answer = answer_to(question)
    if isinstance(found, Analysis):
        translate.fill_analysis(answer.analysis, found)
        try:
            require_sendable(answer, max_bytes - FRAME_BYTES)
        except TooLarge as error:
            return _told(question, error, monitor, max_bytes)
        monitor.item(collection, "OK")
        return answer
    told = tell(found, f"item {item_id!r}")
    monitor.item(collection, told.code.name, found)
    if told.is_ours:
        _log.error("failed", item_id=item_id, exc_info=found)
    answer.error.code = told.code.value[0]
    answer.error.reason = told.reason
    answer.error.kind = told.kind
    answer.error.message = told.message
    return answer


def _check_item(item_id: str) -> None:
    if not 1 <= len(item_id.encode()) <= MAX_ID_BYTES:
        raise BadRequest(
            f"the item's id has {len(item_id.encode())} bytes; 1 to {MAX_ID_BYTES} are "
            "allowed",
            reason="bad_id",
        )
