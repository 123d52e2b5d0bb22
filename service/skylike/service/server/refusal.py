"""Refusing calls before they are read, at the price of a flood.

What looks at each call, logs and counts it would cost more than all of the work, so a
refused call takes no thread, and of many the log tells once a second.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc
import structlog

from skylike.service.errors import SkylikeError
from skylike.service.monitoring import Monitor
from skylike.service.server.status import rpc_status

_TOLD_SECONDS = 1.0

_log = structlog.get_logger()

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Refusals:
    """Makes handlers that refuse. Safe from any thread.

    Parameters
    ----------
    monitor
        Counts them.
    methods
        All there are, as ``/package.Service/Method``: what else callers write is no
        name of a metric.
    """

    def __init__(self, monitor: Monitor, methods: Collection[str]) -> None:
        self._monitor = monitor
        self._methods = methods
        self._guard = threading.Lock()
        self._untold: Counter[str] = Counter()
        self._told = -_TOLD_SECONDS

    def handler(self, method: str, request_id: str, error: SkylikeError) -> _Handler:
        """What answers a call with the status of an error.

        Parameters
        ----------
        method
            Such as ``/package.Service/Method``.
        request_id
            Of the call.
        error
            Why it is refused.
        """
        status = rpc_status(error, request_id)
        counted = method.removeprefix("/") if method in self._methods else "other"
        self._monitor.refused(counted, error, status.code.name)
        self._tell(method, request_id, error, status.code.name)

        def refuse(
            requests: Iterator[bytes], context: grpc.ServicerContext
        ) -> Iterator[bytes]:
            context.abort_with_status(status)

        # As gRPC's own health service does; without it, it takes a thread of the others.
        refuse.experimental_thread_pool = _AT_ONCE  # type: ignore[attr-defined]
        # Of this kind whatever the method is, for only it starts before it has read.
        return grpc.stream_stream_rpc_method_handler(refuse)

    def _tell(
        self, method: str, request_id: str, error: SkylikeError, code: str
    ) -> None:
        with self._guard:
            self._untold[error.reason] += 1
            now = time.monotonic()
            if now - self._told < _TOLD_SECONDS:
                return
            self._told = now
            calls, self._untold = self._untold, Counter()
        _log.warning(
            "refused",
            calls=sum(calls.values()),
            reasons=", ".join(f"{reason}: {count}" for reason, count in calls.items()),
            # The last of them, for an example.
            method=method[:200].removeprefix("/"),
            request_id=request_id,
            code=code,
            reason=error.reason,
        )


def is_refusal(handler: _Handler) -> bool:
    """Whether a handler was made here."""
    pool = getattr(handler.stream_stream, "experimental_thread_pool", None)
    return pool is _AT_ONCE


class _AtOnce(ThreadPoolExecutor):
    """Does what it is given in the thread that gives it."""

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


_AT_ONCE = _AtOnce(1)
