"""The standard health service: of the server, its services and its collections.

A collection is asked for as ``skylike.v1.collection.NAME``; an alias is a name too.
"""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from skylike.service.monitoring import Condition

OF_COLLECTION = "skylike.v1.collection."
SERVICE_NAME: str = health.SERVICE_NAME

_PATIENCE_SECONDS = 1.0  # at the end, with watchers that do not listen
_TAKING_SECONDS = 5.0  # for a watcher to take what is sent
_MOST_WATCHERS = 256
_THREADS = 8

_Status: TypeAlias = int  # a number of the enum
_Send: TypeAlias = "Callable[[health_pb2.HealthCheckResponse | None], None]"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

# Of all servers of a process: gRPC asks the methods for it.
_POOL = ThreadPoolExecutor(_THREADS, "health")


@dataclass(slots=True, eq=False)
class _Watcher:
    """Who watches a name.

    Attributes
    ----------
    send
        Blocks until what it is given is taken.
    context
        Of the call.
    newest
        To be sent; an older one that was not sent is of no interest.
    serving
        By which it is sent to; None while there is nothing to send.
    since
        When it was sent something that it has not taken yet.
    """

    send: _Send
    context: grpc.ServicerContext
    newest: health_pb2.HealthCheckResponse | None = None
    serving: Future[None] | None = None
    since: float = math.inf


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # has no types
    """NOT_SERVING until `ready`, and from `stopping` on.

    Has threads of its own, so that it answers however busy the server is. Those who
    watch take none of them but for sending, which holds no lock: the thread that takes
    note of what was sent may be waiting for it. Who does not take it is not served.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = (health.OVERALL_HEALTH, *services)
        self._statuses: dict[str, _Status] = dict.fromkeys(self._services, _NOT_SERVING)
        self._watchers: dict[str, set[_Watcher]] = {}
        self._lock = threading.Lock()
        self._heralds = ThreadPoolExecutor(_THREADS, "health-watch")
        self._is_stopping = False

    def ready(self) -> None:
        """The server answers."""
        with self._lock:
            for service in self._services:
                self._tell(service, _SERVING)

    def tell(self, collections: Condition) -> None:
        """What state the collections are in; those that are not named are gone."""
        now = {
            OF_COLLECTION + name: _SERVING if error is None else _NOT_SERVING
            for name, error in collections.items()
        }
        with self._lock:
            for name in self._statuses.keys() - now.keys() - {*self._services}:
                self._tell(name, None)
            for name, status in now.items():
                self._tell(name, status)
            late = time.monotonic() - _TAKING_SECONDS
            deaf: list[Any] = [one.context for one in self._all() if one.since < late]
        for context in deaf:
            context.cancel()

    def stopping(self) -> None:
        """Nothing is answered any more; who watches hears that, and no more."""
        with self._lock:
            if self._is_stopping:
                return
            for name in self._statuses:
                self._tell(name, _NOT_SERVING)
            self._is_stopping = True
            for watcher in self._all():
                self._send(watcher, watcher.newest)
            serving = [one.serving for one in self._all() if one.serving]
        wait(serving, _PATIENCE_SECONDS)
        self._heralds.shutdown(wait=False)

    def Check(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """The state of one; NOT_FOUND if there is no such name."""
        status = self._statuses.get(request.service)
        if status is None:
            context.set_code(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    def List(  # noqa: N802
        self, request: health_pb2.HealthListRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthListResponse:
        """The state of each."""
        with self._lock:
            known = dict(self._statuses)
        return health_pb2.HealthListResponse(
            statuses={
                name: health_pb2.HealthCheckResponse(status=status)
                for name, status in known.items()
            }
        )

    def Watch(  # noqa: N802
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.ServicerContext,
        send: _Send,
    ) -> None:
        """The state of one, and then each other that it comes to."""
        name = request.service
        watcher = _Watcher(send, context)

        def forget() -> None:
            with self._lock:
                self._watchers[name].discard(watcher)
                if not self._watchers[name]:
                    del self._watchers[name]

        with self._lock:
            if self._is_stopping:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            if sum(1 for _ in self._all()) >= _MOST_WATCHERS:
                context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch already"
                )
            self._watchers.setdefault(name, set()).add(watcher)
            self._send(watcher, _response(self._statuses.get(name)))
        if not context.add_callback(forget):  # it has ended already
            forget()

    # What grpc wants where a method answers by a callback instead of a thread.
    Watch.experimental_non_blocking = True  # type: ignore[attr-defined]
    Check.experimental_thread_pool = _POOL  # type: ignore[attr-defined]
    List.experimental_thread_pool = _POOL  # type: ignore[attr-defined]
    Watch.experimental_thread_pool = _POOL  # type: ignore[attr-defined]

    def _all(self) -> Iterator[_Watcher]:
        return itertools.chain.from_iterable(self._watchers.values())

    def _tell(self, name: str, status: _Status | None) -> None:
        """Change a status, under the lock; None takes the name away."""
        if self._is_stopping or self._statuses.get(name) == status:
            return
        if status is None:
            del self._statuses[name]
        else:
            self._statuses[name] = status
        for watcher in self._watchers.get(name, ()):
            self._send(watcher, _response(status))

    def _send(
        self, watcher: _Watcher, what: health_pb2.HealthCheckResponse | None
    ) -> None:
        """Have something sent, under the lock; and the end, if the server stops."""
        watcher.newest = what
        if watcher.serving is None:
            watcher.serving = self._heralds.submit(self._serve, watcher)

    def _serve(self, watcher: _Watcher) -> None:
        while True:
            with self._lock:
                what, watcher.newest = watcher.newest, None
                is_end = what is None and self._is_stopping
                watcher.since = math.inf if what is None else time.monotonic()
                if what is None and not is_end:
                    watcher.serving = None
                    return
            watcher.send(what)
            if is_end:
                return


def _response(status: _Status | None) -> health_pb2.HealthCheckResponse:
    return health_pb2.HealthCheckResponse(status=_UNKNOWN if status is None else status)


def add_to(server: grpc.Server, servicer: Health) -> None:
    """Let a server answer about its health."""
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
