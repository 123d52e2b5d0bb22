"""How many calls are let in, how they come to work, and that none works for nobody."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakSet

import grpc

from skylike.service import caller, calls
from skylike.service.config import Settings
from skylike.service.errors import Cancelled, DeadlineExceeded, Overloaded
from skylike.service.keys import Scope
from skylike.service.server.interceptors import Layer
from skylike.service.server.line import Coming, Line, Turn
from skylike.service.server.load import Load
from skylike.service.server.scopes import needed
from skylike.service.server.together import Asked
from skylike.v1 import catalog_pb2, search_pb2

_OURS = "/skylike."
_LEARNING = frozenset(
    {
        f"{_OURS}v1.SearchService/Predict",
        f"{_OURS}v1.TeachingService/ListSuggestions",
    }
)
_IN_LINE = 0.25  # of all calls, in each line
_PATIENCE = 20  # how much longer than a question a write may wait
_OF_STREAMS = 0.25  # of all calls: they stay, and shall leave room for others
_RETRY_SECONDS = 1.0
# gRPC takes some microseconds to tell whether a caller is there.
_MOMENT_SECONDS = 0.001

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Call:
    """A call that was let in; `coming` where it waits for its turn."""

    coming: Coming | None


# gRPC runs interceptors and method in a context that ends with the call, whatever becomes
# of it: what is kept there is forgotten then, and counts no more.
_call: ContextVar[_Call | None] = ContextVar("call", default=None)
_turn: ContextVar[Turn] = ContextVar("turn")


class Admission(Layer):
    """Lets calls work as there is room, and drops those whose caller has gone.

    Writes may take long, and have a line of their own: no question waits for them, and
    two that write by turns are not told to come later. So have questions that may have to
    learn first, which takes seconds: they have one place.
    """

    def __init__(self, settings: Settings, places: int) -> None:
        super().__init__()
        longest = settings.max_wait_seconds
        length = int(settings.max_calls * _IN_LINE)
        self._questions = Line(places, longest, length)
        self._writes = Line(max(1, places // 2), _PATIENCE * longest, length)
        self._lessons = Line(1, _PATIENCE * longest, length)
        self._load = Load(settings.max_held_bytes)
        self._max_calls = settings.max_calls
        self._max_streams = max(1, int(settings.max_calls * _OF_STREAMS))
        self._calls: WeakSet[_Call] = WeakSet()
        self._streams: WeakSet[_Call] = WeakSet()

    def let_in(self, rpc: str, is_stream: bool) -> None:
        """Count a call, whose request has to be read first, until it ends.

        A stream would keep a place too long: it waits for each of its questions.

        Raises
        ------
        Overloaded
            If there are too many, too much is held already, or it would wait too long.
        """
        self._require_fewer(self._calls, self._max_calls, "calls")
        if is_stream:
            self._require_fewer(self._streams, self._max_streams, "streams")
        self._load.require_room()
        waits = rpc.startswith(_OURS) and not is_stream
        call = _Call(self._line(rpc).announce(rpc) if waits else None)
        self._calls.add(call)
        if is_stream:
            self._streams.add(call)
        _call.set(call)

    def _require_fewer(self, there: WeakSet[_Call], most: int, what: str) -> None:
        if len(there) >= most:
            raise Overloaded(
                f"{len(there)} {what} are there already: open fewer at the same time, or "
                "this one later",
                retry_seconds=_RETRY_SECONDS,
            )

    def surrounded(self, rpc: str, handler: "_Handler") -> "_Handler":
        """Put `around` around our methods."""
        return super().surrounded(rpc, handler) if rpc.startswith(_OURS) else handler

    @contextmanager
    def around(
        self, rpc: str, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Wait for a place for a call, and keep it while it is answered.

        A stream waits for each of its questions instead, by `turn`.

        Raises
        ------
        Overloaded
            At once, if there is no room and will be none in time.
        Cancelled, DeadlineExceeded
            If the caller did not wait that long.
        """
        call = _call.get()
        coming = None if call is None else call.coming
        still = _still(context)
        with caller.waits(still):
            if coming is None:
                yield request
                return
            left, asked = context.time_remaining(), _asked(request, still)
            line = self._line(rpc)
            if _learns(request):  # which nobody knew before it was read
                line.forget(coming)
                line = self._lessons
            with (
                self._load.holding(request.ByteSize()),
                line.turn(rpc, left, coming, asked=asked) as turn,
            ):
                token = _turn.set(turn)
                try:
                    yield request
                finally:
                    # Or call and context would keep each other, and gRPC both.
                    _turn.reset(token)

    def turn_here(self) -> Turn:
        """The turn that the call of this context has."""
        return _turn.get()

    @contextmanager
    def turn(self, rpc: str, context: grpc.ServicerContext) -> Iterator[None]:
        """A place for some of the questions of a stream, however long they wait for it.

        Raises
        ------
        Cancelled, DeadlineExceeded
            If the caller did not wait that long.
        """
        with (
            caller.waits(_still(context)),
            self._line(rpc).turn(rpc, context.time_remaining(), is_patient=True),
        ):
            yield

    @property
    def load(self) -> Load:
        """What is held of requests; streams take theirs from it by themselves."""
        return self._load

    def _line(self, rpc: str) -> Line:
        if rpc in _LEARNING:
            return self._lessons
        return self._questions if needed(rpc) is Scope.READ else self._writes


def _learns(request: Any) -> bool:
    """Whether a list is in an order that has to be learned."""
    return (
        isinstance(request, catalog_pb2.ListAnomaliesRequest)
        and request.order == catalog_pb2.ANOMALY_ORDER_TAUGHT
    )


def _asked(request: Any, still: Callable[[], None]) -> Asked | None:
    call = calls.current()
    if isinstance(request, search_pb2.AnalyzeRequest) and call is not None:
        return Asked(request, call, still)
    return None


def _still(context: grpc.ServicerContext) -> Callable[[], None]:
    """Raises once the caller of a call waits no more, seen within a moment."""
    looked = -math.inf

    def still() -> None:
        nonlocal looked
        now = time.monotonic()
        if now - looked < _MOMENT_SECONDS:
            return
        looked = now
        if context.time_remaining() <= 0:
            raise DeadlineExceeded("the deadline has passed")
        if not context.is_active():
            raise Cancelled("the caller has gone")

    return still
