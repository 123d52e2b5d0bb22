"""Which calls are let in, and that none is worked on for nobody."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc
import structlog

from skylike.service import caller
from skylike.service.config import Settings
from skylike.service.errors import Cancelled, DeadlineExceeded, Overloaded
from skylike.service.keys import Scope
from skylike.service.monitoring import Monitor
from skylike.service.server.access import needed
from skylike.service.server.interceptors import Layer, request_id_of
from skylike.service.server.line import Line, Load
from skylike.service.server.status import rpc_status

_OURS = "/skylike."  # health and reflection are always answered
_IN_LINE = 0.25  # of all calls, in each line; the others have room to be refused

_log = structlog.get_logger()

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Admission(Layer):
    """Lets calls work as there is room, and drops those whose caller has gone.

    Writes may take long, and have a line of their own: no question waits for them.
    Streams wait in no line.
    """

    def __init__(self, settings: Settings, places: int) -> None:
        super().__init__()
        longest = settings.max_wait_seconds
        length = int(settings.max_calls * _IN_LINE)
        self._questions = Line(places, longest, length)
        self._writes = Line(max(1, places // 2), longest, length)
        self._load = Load(settings.max_held_bytes)

    def announce(self, rpc: str) -> None:
        """Say that a call comes, whose request has to be read first.

        Raises
        ------
        Overloaded
            If it would have to wait too long, or too much is held already.
        """
        self._load.require_room()
        self._line(rpc).announce(rpc)

    def surrounded(self, rpc: str, handler: "_Handler") -> "_Handler":
        """Put `around` around our methods, but for streams."""
        return super().surrounded(rpc, handler) if _waits(rpc, handler) else handler

    @contextmanager
    def around(
        self, rpc: str, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Wait for a place for a call, and keep it while it is answered.

        Raises
        ------
        Overloaded
            At once, if there is no room and will be none in time.
        Cancelled, DeadlineExceeded
            If the caller did not wait that long.
        """

        def still() -> None:
            if context.time_remaining() <= 0:
                raise DeadlineExceeded("the deadline has passed")
            if not context.is_active():
                raise Cancelled("the caller has gone")

        with (
            caller.waits(still),
            self._load.holding(request.ByteSize()),
            self._line(rpc).turn(rpc, context.time_remaining()),
        ):
            yield request

    def _line(self, rpc: str) -> Line:
        return self._questions if needed(rpc) is Scope.READ else self._writes


class Door(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in stubs only
    """Refuses calls for which there is no room before they are read.

    It stands before what looks at each call, logs and counts it: of a flood, that
    would cost more than all of the work.
    """

    def __init__(self, admission: Admission, monitor: Monitor) -> None:
        self._admission = admission
        self._monitor = monitor
        self._num_refused, self._told = 0, 0.0

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], _Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        """The handler of a call, or one that refuses it."""
        handler = continuation(handler_call_details)
        rpc = handler_call_details.method
        if _waits(rpc, handler):
            try:
                self._admission.announce(rpc)
            except Overloaded as error:
                request_id = request_id_of(handler_call_details.invocation_metadata)
                return self._refusal(rpc, request_id, error)
        return handler

    def _refusal(self, rpc: str, request_id: str, error: Overloaded) -> "_Handler":
        status = rpc_status(error, request_id)
        self._monitor.turned_away(rpc.removeprefix("/"), error, status.code.name)
        self._num_refused += 1
        now = time.monotonic()
        if now - self._told >= 1:
            _log.warning("overloaded", calls=self._num_refused, reason=error.reason)
            self._num_refused, self._told = 0, now

        def refuse(
            requests: Iterator[bytes], context: grpc.ServicerContext
        ) -> Iterator[bytes]:
            context.abort_with_status(status)

        # As gRPC's own health service does; without it, it takes a thread of the others.
        refuse.experimental_thread_pool = _AT_ONCE  # type: ignore[attr-defined]
        # Of this kind whatever the method is, for only it starts before it has read.
        return grpc.stream_stream_rpc_method_handler(refuse)


def _waits(rpc: str, handler: "_Handler | None") -> bool:
    """Whether calls of a method wait for their turn; a stream would keep it too long."""
    return rpc.startswith(_OURS) and handler is not None and bool(handler.unary_unary)


class _AtOnce(ThreadPoolExecutor):
    """Does what it is given in the thread that gives it."""

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


_AT_ONCE = _AtOnce(1)
