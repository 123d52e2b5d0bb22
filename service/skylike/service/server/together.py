"""Questions that are answered together: those of a stream, and those of a line."""

import contextvars
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skylike.service import caller, calls
from skylike.service.calls import Call
from skylike.service.engine import Analysis, Engine, Query
from skylike.service.engine.resolve import See, seen_all
from skylike.service.errors import BadRequest, Cancelled, DeadlineExceeded
from skylike.service.server import translate
from skylike.service.server.line import Turn
from skylike.service.server.options import how_from
from skylike.v1 import search_pb2

DEFAULT_K = 10

_MOST = 16  # questions of a line


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that another call may answer, and what stands for its own call.

    Attributes
    ----------
    request
        The question.
    call
        What is known of its call.
    still
        Raises once its caller waits no more.
    """

    request: search_pb2.AnalyzeRequest
    call: Call
    still: Callable[[], None]


def analysis(
    request: search_pb2.AnalyzeRequest, turn: Turn, engine: Engine
) -> search_pb2.AnalyzeResponse:
    """The answer to a question at its turn, with those of others behind it in line.

    Raises what the question alone would.
    """
    if turn.answers:
        [answer] = turn.answers
    else:
        # What is told of their work is then true of each.
        collection = request.collection
        others = turn.others(
            _MOST - 1, lambda other: bool(other.request.collection == collection)
        )
        if not others:
            return _message(
                engine.analyze(
                    request.collection,
                    translate.query_from(request.query),
                    request.k or DEFAULT_K,
                    thumbnails=request.thumbnails,
                    how=how_from(request.options),
                )
            )
        here = contextvars.copy_context()
        answer, *theirs = here.run(_for_all, request, others, engine)
        turn.answer(theirs)
    if isinstance(answer, Exception):
        raise answer
    return answer  # type: ignore[no-any-return]


def _for_all(
    request: search_pb2.AnalyzeRequest,
    others: Sequence[Asked],
    engine: Engine,
) -> list[search_pb2.AnalyzeResponse | Exception]:
    mine, together = calls.current(), calls.begin("OK")
    gone: dict[int, Exception] = {}
    for number, other in enumerate(others, start=1):
        try:
            other.still()
        except Exception as error:  # told where it was asked, if there is anybody
            gone[number] = error
    there = [other for number, other in enumerate(others, 1) if number not in gone]
    # From here on it is not only for this caller.
    with caller.waits(_they_do):
        asked = [request, *(other.request for other in there)]
        found = answered(asked, engine)
    # Here, too: many threads that all want to write would keep out the one that takes
    # in calls.
    answers = iter(
        [one if isinstance(one, Exception) else _message(one) for one in found]
    )
    for call in (mine, *(other.call for other in there)):
        if call is not None:
            call.share(together)
    return [gone.get(n) or next(answers) for n in range(len(others) + 1)]


def _they_do() -> None:
    """Somebody waits."""


def _message(found: Analysis) -> search_pb2.AnalyzeResponse:
    told = search_pb2.AnalyzeResponse()
    translate.fill_analysis(told, found)
    return told


def answered(
    questions: Sequence[search_pb2.AnalyzeRequest], engine: Engine, see: See = seen_all
) -> list[Analysis | Exception]:
    """The answer to each question, in their order, whatever becomes of the others.

    Raises
    ------
    Cancelled, DeadlineExceeded
        If who asked them has gone; see `caller`.
    """
    queries: dict[int, Query] = {}
    found: dict[int, Analysis | Exception] = {}
    alike: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, asked in enumerate(questions):
        try:
            queries[number] = translate.query_from(asked.query)
        except BadRequest as error:
            found[number] = error
            continue
        options = asked.options.SerializeToString(deterministic=True)
        alike[asked.collection, asked.k, asked.thumbnails, options].append(number)
    for numbers in alike.values():
        together = [queries[number] for number in numbers]
        answers = _alike(engine, see, questions[numbers[0]], together)
        found.update(zip(numbers, answers, strict=True))
    return [found[number] for number in range(len(questions))]


def _alike(
    engine: Engine,
    see: See,
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
            see=see,
        )
    except (Cancelled, DeadlineExceeded):  # nobody waits for any of them
        raise
    except Exception as error:
        if len(queries) == 1:
            return [error]
        # What is wrong may be about one of them.
        return [one for query in queries for one in _alike(engine, see, asked, [query])]
