"""Streams whose callers do not take what is answered end: each keeps a thread."""

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from skylike.service import calls
from skylike.service.calls import Call
from skylike.service.server.interceptors import Layer

_LOOK_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class _Answering:
    """A stream.

    Attributes
    ----------
    context
        Of the call.
    call
        What logs and metrics will tell of it.
    since
        When it was sent something that has not been taken yet.
    """

    context: Any  # gRPC has no types for what it is asked here
    call: Call | None
    since: float = math.inf


class Taking(Layer):
    """Cuts streams off whose answers nobody takes.

    What they wait for cannot be left with a status, so that gRPC says CANCELLED; the
    reason ``idle`` stands in the log.

    Parameters
    ----------
    max_seconds
        Time to take an answer in.
    """

    def __init__(self, max_seconds: float) -> None:
        super().__init__()
        self._max_seconds = max_seconds
        self._guard = threading.Lock()
        self._streams: set[_Answering] = set()
        self._has_ended = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_looking, name="taking", daemon=True
        )
        self._thread.start()

    def surrounded(self, rpc: str, handler: Any) -> Any:
        """See how answers are taken; of one answer gRPC takes care itself."""
        if not handler.response_streaming:
            return handler
        kind = "stream_stream" if handler.request_streaming else "unary_stream"
        inner = getattr(handler, kind)
        if hasattr(inner, "experimental_non_blocking"):  # it waits for nobody
            return handler

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            one = _Answering(context, calls.current())
            with self._guard:
                self._streams.add(one)
            try:
                for answer in inner(request, context):
                    one.since = time.monotonic()
                    yield answer
                    one.since = math.inf
            finally:
                with self._guard:
                    self._streams.remove(one)

        return handler._replace(**{kind: stream})

    def close(self) -> None:
        """Look no more."""
        self._has_ended.set()
        self._thread.join()

    def _keep_looking(self) -> None:
        while not self._has_ended.wait(_LOOK_SECONDS):
            late = time.monotonic() - self._max_seconds
            with self._guard:
                deaf = [one for one in self._streams if one.since < late]
            for one in deaf:
                if one.call is not None:
                    one.call.reason = "idle"
                one.context.cancel()
