"""The asking and answering behind `analyze_many`.

One coroutine, `Exchange.answers`, owns all that changes. Another takes items from the
caller's iterable, one for each turn it is given, and makes questions of them; a third
hears what the service answers. Both tell the first by a mailbox. It gives turns only
while few questions are unanswered, so that a fast iterable waits for a slow service, or
for a slow caller; and it keeps what is unanswered, to ask it again when a connection is
lost.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Sequence,
)
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from skylike.client import convert, errors, inputs, types
from skylike.client.asked import told
from skylike.client.bundles import Asked, bundled
from skylike.client.mailbox import Mailbox
from skylike.client.session import Session
from skylike.client.transport import Conversation, Rpc
from skylike.v1 import search_pb2 as pb

_ANALYZE = Rpc("/skylike.v1.SearchService/Analyze", pb.AnalyzeResponse.FromString)
_STREAM = Rpc(
    "/skylike.v1.SearchService/AnalyzeStream", pb.AnalyzeStreamResponse.FromString
)
# As many as a service answers and takes in meanwhile, on two cores.
_MOST_UNANSWERED = 256
_MOST_BYTES = 64 * 2**20
_PARTING_SECONDS = 5.0
_AHEAD = 2  # items that are read before they are needed

_END: Any = object()
Outcome = types.Analysis | errors.SkylikeClientError


@dataclass(slots=True, eq=False)
class _Question:
    """What was made of an item."""

    key: Any
    request: pb.StreamQuestion
    size: int


@dataclass(slots=True)
class _Unaskable:
    """No question could be made of an item."""

    key: Any
    error: errors.SkylikeClientError


@dataclass(slots=True)
class _NoMore:
    """There are no more items, or the caller's iterable failed."""

    failure: BaseException | None = None


@dataclass(slots=True, eq=False)
class _Line:
    """A connection: what is said on it, and what ends it."""

    says: SimpleQueue[Asked | None]
    call: Conversation[pb.AnalyzeStreamResponse]


@dataclass(slots=True)
class _Answers:
    """Some came over a connection."""

    line: _Line
    messages: Sequence[pb.StreamAnswer | pb.AnalyzeStreamResponse]


@dataclass(slots=True)
class _HungUp:
    """No more answers come over a connection."""

    line: _Line
    error: Exception


@dataclass(eq=False)
class Exchange:
    """One `analyze_many`.

    Attributes
    ----------
    session
        Who asks.
    items
        What is asked about: queries, or pairs of a key and a query.
    question
        What is asked of each.
    """

    session: Session
    items: Any
    question: pb.AnalyzeRequest

    def __post_init__(self) -> None:
        self._way = self.session._way
        self._timeout = self.session._target.timeout
        self._inbox: Mailbox[Any] = self._way.mailbox()
        self._turns: Mailbox[bool] = self._way.mailbox()
        self._unanswered: dict[str, _Question] = {}
        self._num_bytes = self._num_asked = self._failed = 0
        self._line: _Line | None = None
        self._failing_since = 0.0

    async def answers(self) -> AsyncGenerator[tuple[Any, Outcome], None]:
        """Every item's outcome."""
        end = self._way.start(self._take())
        taking = 0
        no_more: _NoMore | None = None
        try:
            while True:
                while no_more is None and taking < _AHEAD and self._has_room(taking):
                    self._turns.put(True)
                    taking += 1
                if no_more is not None and not self._unanswered:
                    await self._part()
                    if no_more.failure is not None:
                        raise no_more.failure
                    return
                match await self._next():
                    case _Question() as question:
                        taking -= 1
                        self._ask(question)
                    case _Unaskable(key, why):
                        taking -= 1
                        yield key, why
                    case _NoMore() as no_more:  # what was asked is answered before
                        pass
                    case _Answers(line, messages) if line is self._line:
                        self._failed = 0
                        self.session._patience.answered()
                        for message in messages:
                            question = self._done(message.item_id)
                            yield question.key, self._told(question, _outcome(message))
                    case _HungUp(line, error) if line is self._line:
                        async for outcome in self._recover(error):
                            yield outcome
        finally:
            self._turns.put(False)
            self._hang_up()
            end()

    def _has_room(self, taking: int) -> bool:
        num_more = len(self._unanswered) + taking
        return num_more < _MOST_UNANSWERED and self._num_bytes < _MOST_BYTES

    async def _next(self) -> Any:
        """The next thing that happens; silence must not last while answers are due."""
        try:
            return await self._inbox.get(
                self._timeout if self._unanswered else math.inf
            )
        except TimeoutError:
            raise errors.DeadlineExceeded(
                f"{len(self._unanswered)} questions are unanswered, and the service at "
                f"{self.session.address} is silent for {self._timeout:g} s",
                reason="deadline_exceeded",
            ) from None

    def _ask(self, question: _Question) -> None:
        self._num_asked += 1
        question.request.item_id = str(self._num_asked)
        self._unanswered[question.request.item_id] = question
        self._num_bytes += question.size
        if self._line is None:
            self._connect()
        else:
            self._line.says.put(question)

    def _done(self, item_id: str) -> _Question:
        question = self._unanswered.pop(item_id, None)
        if question is None:
            raise errors.Internal(
                f"the service at {self.session.address} answers {item_id!r}, which was "
                "not asked",
                reason="unknown_item",
            )
        self._num_bytes -= question.size
        return question

    def _connect(self) -> None:
        """Begin a call, and ask all that is unanswered."""
        says: SimpleQueue[Asked | None] = SimpleQueue()
        for question in self._unanswered.values():
            says.put(question)
        self._line = _Line(says, self._way.converse(_STREAM, bundled(says)))
        self._way.start(_hear(self._line, self._inbox))

    async def _part(self) -> None:
        """Let the call end well, by the service, instead of going away."""
        if self._line is None:
            return
        self._line.says.put(None)
        with contextlib.suppress(TimeoutError):
            while not isinstance(await self._inbox.get(_PARTING_SECONDS), _HungUp):
                pass
            self._line = None

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.says.put(None)
            self._line.call.cancel()
            self._line = None

    async def _recover(self, error: Exception) -> AsyncIterator[tuple[Any, Outcome]]:
        """Go on after a call has ended: over a new one, or without what ended it."""
        self._hang_up()
        if not isinstance(error, errors.SkylikeClientError):
            raise error
        if not self._unanswered:  # nothing is lost, and the next question connects
            return
        patience = self.session._patience
        seconds = patience.pause(error, self._failed + 1, is_safe=True)
        if seconds is not None:
            now = time.monotonic()
            if not self._failed:
                self._failing_since = now
            self._failed += 1
            if now + seconds > self._failing_since + self._timeout:
                raise error
            await self._way.sleep(seconds)
            self._connect()
        elif isinstance(error, errors.Overloaded | errors.BadInput):
            # One of the messages is one that the service does not take.
            for item_id in list(self._unanswered):
                question = self._done(item_id)
                yield question.key, await self._alone(question)
        else:
            raise error

    async def _alone(self, question: _Question) -> Outcome:
        try:
            answer = await self.session._call(_ANALYZE, question.request.analyze)
        except errors.SkylikeClientError as error:
            return error
        return self._told(question, convert.analysis(answer))

    def _told(self, question: _Question, outcome: Outcome) -> Outcome:
        if isinstance(outcome, errors.SkylikeClientError):
            return outcome
        request, server = question.request.analyze, self.session.address
        return told(outcome, _ANALYZE.path, request, server)

    async def _take(self) -> None:
        """Make a question of an item, for each turn."""
        try:
            if isinstance(self.items, AsyncIterable):
                take = _taking_asynchronously(self.items, self._made, self._way.apart)
            else:
                take = _taking(self.items, self._made, self._way.apart)
            while await self._turns.get():
                question = await take()
                if question is _END:
                    self._inbox.put(_NoMore())
                    return
                self._inbox.put(question)
        except BaseException as error:  # whatever the caller's iterable raises
            self._inbox.put(_NoMore(error))
            if isinstance(error, asyncio.CancelledError):
                raise

    def _made(self, item: Any) -> _Question | _Unaskable:
        key, query = item if is_pair(item) else (item, item)
        request = pb.StreamQuestion(analyze=self.question)
        try:
            largest = self.session._target.max_message_bytes
            request.analyze.query.CopyFrom(inputs.to_query(query, largest))
            self.session._require_sendable(request)
        except errors.SkylikeClientError as error:
            return _Unaskable(key, error)
        except Exception as error:  # of what is no query, or cannot be read
            told = errors.BadInput(f"this is no query: {error}", reason="bad_query")
            told.__cause__ = error
            return _Unaskable(key, told)
        return _Question(key, request, request.ByteSize())


def is_pair(item: Any) -> bool:
    """Whether an item is a key and a query."""
    return isinstance(item, tuple) and len(item) == 2


def _taking(
    items: Iterable[Any], made: Callable[[Any], Any], apart: Any
) -> Callable[[], Any]:
    iterator = iter(items)

    def take() -> Any:
        item = next(iterator, _END)
        return _END if item is _END else made(item)

    return lambda: apart(take)


def _taking_asynchronously(
    items: AsyncIterable[Any], made: Callable[[Any], Any], apart: Any
) -> Callable[[], Any]:
    iterator = aiter(items)

    async def take() -> Any:
        item = await anext(iterator, _END)
        return _END if item is _END else await apart(lambda: made(item))

    return take


async def _hear(line: _Line, inbox: Mailbox[Any]) -> None:
    try:
        async for answer in line.call:
            inbox.put(_Answers(line, answer.answers or [answer]))
        ended = errors.Unavailable(
            "the service ended the stream", reason="unavailable", status="UNAVAILABLE"
        )
        inbox.put(_HungUp(line, ended))
    except Exception as error:  # else the other would wait for answers
        inbox.put(_HungUp(line, error))


def _outcome(answer: pb.StreamAnswer | pb.AnalyzeStreamResponse) -> Outcome:
    if answer.HasField("error"):
        told = answer.error
        return errors.from_item(told.code, told.kind, told.reason, told.message)
    return convert.analysis(answer.analysis)
