"""The questions of a stream: those that ask alike are answered together."""

from collections import defaultdict
from collections.abc import Sequence

import structlog

from skylike.service.catalog import MAX_ID_BYTES
from skylike.service.engine import Analysis, Engine, Query
from skylike.service.errors import BadRequest, TooLarge
from skylike.service.monitoring import Monitor
from skylike.service.server import translate
from skylike.service.server.options import how_from
from skylike.service.server.parsing import require_sendable
from skylike.service.server.status import tell
from skylike.service.uploads import Readers
from skylike.v1 import search_pb2

DEFAULT_K = 10

_log = structlog.get_logger()


def analyzed(
    questions: Sequence[search_pb2.AnalyzeStreamRequest],
    engine: Engine,
    readers: Readers,
    monitor: Monitor,
    max_bytes: int,
) -> list[search_pb2.AnalyzeStreamResponse]:
    """The answer to each question, in their order, whatever becomes of the others.

    Each has at most `max_bytes`.
    """
    queries: dict[int, Query] = {}
    found: dict[int, Analysis | Exception] = {}
    alike: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, question in enumerate(questions):
        asked = question.analyze
        try:
            _check_item(question.item_id)
            queries[number] = translate.query_from(asked.query)
        except BadRequest as error:
            found[number] = error
            continue
        options = asked.options.SerializeToString(deterministic=True)
        alike[asked.collection, asked.k, asked.thumbnails, options].append(number)
    for numbers in alike.values():
        asked = questions[numbers[0]].analyze
        together = [queries[number] for number in numbers]
        answers = _analyses(engine, readers, asked, together)
        found.update(zip(numbers, answers, strict=True))
    return [
        _told(question.item_id, found[number], monitor, max_bytes)
        for number, question in enumerate(questions)
    ]


def _analyses(
    engine: Engine,
    readers: Readers,
    asked: search_pb2.AnalyzeRequest,
    queries: Sequence[Query],
) -> list[Analysis | Exception]:
    try:
        return engine.analyze_all(
            asked.collection,
            queries,
            asked.k or DEFAULT_K,
            thumbnails=asked.thumbnails,
            how=how_from(asked.options),
            read=readers.stamped_all,
        )
    except Exception as error:
        if len(queries) == 1:
            return [error]
        # What is wrong may be about one of them.
        return [
            one
            for query in queries
            for one in _analyses(engine, readers, asked, [query])
        ]


def _told(
    item_id: str, found: Analysis | Exception, monitor: Monitor, max_bytes: int
) -> search_pb2.AnalyzeStreamResponse:
    answer = search_pb2.AnalyzeStreamResponse(item_id=item_id)
    if isinstance(found, Analysis):
        translate.fill_analysis(answer.analysis, found)
        try:
            require_sendable(answer, max_bytes)
        except TooLarge as error:
            return _told(item_id, error, monitor, max_bytes)
        monitor.item("OK")
        return answer
    told = tell(found, f"item {item_id!r}")
    monitor.item(told.code.name, found)
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
