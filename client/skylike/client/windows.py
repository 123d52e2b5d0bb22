"""False-discovery control over a stream, window by window.

The rate is claimed for each window by itself, and so for their mean, but not for all
discoveries of a stream together: those of a window without any count as no false ones.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import replace
from operator import itemgetter
from typing import Any

from skylike.client.discovery import discoveries
from skylike.client.exchange import Outcome, is_pair
from skylike.client.types import Analysis

Numbered = tuple[tuple[int, Any], Outcome]


def numbered(items: Any) -> Any:
    """The items, with keys that tell their number too."""
    if isinstance(items, AsyncIterable):
        return _numbered_asynchronously(items)
    return _numbered(items)


def _numbered(items: Iterable[Any]) -> Iterable[Any]:
    for number, item in enumerate(items):
        yield _with_number(number, item)


async def _numbered_asynchronously(items: AsyncIterable[Any]) -> AsyncIterator[Any]:
    number = 0
    async for item in items:
        yield _with_number(number, item)
        number += 1


def _with_number(number: int, item: Any) -> tuple[tuple[int, Any], Any]:
    key, query = item if is_pair(item) else (item, item)
    return (number, key), query


async def windowed(
    answers: AsyncGenerator[Numbered, None], rate: float, size: int
) -> AsyncGenerator[tuple[Any, Outcome], None]:
    """Answers in the order of the questions, a window at a time when it is whole.

    Which window a question falls into depends on its number alone. Those without a
    p-value do not count among the others, and are no discovery. If the answers end by an
    error, those of unfinished windows come before it, and are not told whether they are.
    """
    waiting: dict[int, dict[int, tuple[Any, Outcome]]] = {}
    first = 0
    async with aclosing(answers):
        try:
            async for (number, key), outcome in answers:
                waiting.setdefault(number // size, {})[number] = key, outcome
                while len(waiting.get(first, ())) == size:
                    for one in _marked(waiting.pop(first), rate):
                        yield one
                    first += 1
        except Exception:
            # Nobody knows how their windows would have ended, but they are answered.
            for number in sorted(waiting):
                for _, one in sorted(waiting[number].items(), key=itemgetter(0)):
                    yield one
            raise
    for one in _marked(waiting.get(first, {}), rate):  # what is left over
        yield one


def _marked(
    window: dict[int, tuple[Any, Outcome]], rate: float
) -> list[tuple[Any, Outcome]]:
    """The answers of a window, each told whether it is a discovery."""
    ordered = [window[number] for number in sorted(window)]
    p_values = {
        place: outcome.anomaly.p_value
        for place, (_, outcome) in enumerate(ordered)
        if isinstance(outcome, Analysis)
        and outcome.anomaly is not None
        and outcome.anomaly.p_value is not None
    }
    selected = discoveries(list(p_values.values()), rate).selected.tolist()
    for place, is_odd in zip(p_values, selected, strict=True):
        key, outcome = ordered[place]
        assert isinstance(outcome, Analysis)
        assert outcome.anomaly is not None
        marked = replace(outcome.anomaly, discovered=is_odd)
        ordered[place] = key, replace(outcome, anomaly=marked)
    return ordered
