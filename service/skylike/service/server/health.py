"""The standard health service: of the server, its services and its collections.

A collection is asked for as ``skylike.v1.collection.NAME``; an alias is a name too.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from skylike.service.monitoring import Condition

OF_COLLECTION = "skylike.v1.collection."
SERVICE_NAME: str = health.SERVICE_NAME

_PATIENCE_SECONDS = 1.0  # with watchers that do not listen

_Status: TypeAlias = int  # a number of the enum
_Send: TypeAlias = "Callable[[health_pb2.HealthCheckResponse | None], None]"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # has no types
    """NOT_SERVING until `ready`, and from `stopping` on.

    Watchers take no thread of the server: one of its own sends to all of them, and
    holds no lock meanwhile, for the thread that takes note of what was sent may be
    waiting for it.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = (health.OVERALL_HEALTH, *services)
        self._statuses: dict[str, _Status] = dict.fromkeys(self._services, _NOT_SERVING)
        self._watchers: dict[str, set[_Send]] = {}
        self._lock = threading.Lock()
        self._herald = ThreadPoolExecutor(1, "health")
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

    def stopping(self) -> None:
        """Nothing is answered any more; who watches hears that, and no more."""
        with self._lock:
            if self._is_stopping:
                return
            for name in self._statuses:
                self._tell(name, _NOT_SERVING)
            self._is_stopping = True
            for send in (one for them in self._watchers.values() for one in them):
                self._herald.submit(send, None)
            told_all = self._herald.submit(lambda: None)
        self._herald.shutdown(wait=False)
        wait([told_all], _PATIENCE_SECONDS)

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

        def forget() -> None:
            with self._lock:
                self._watchers[name].discard(send)
                if not self._watchers[name]:
                    del self._watchers[name]

        with self._lock:
            if self._is_stopping:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            self._watchers.setdefault(name, set()).add(send)
            self._send(send, self._statuses.get(name))
        if not context.add_callback(forget):  # it has ended already
            forget()

    # What grpc wants where a method answers by a callback instead of a thread.
    Watch.experimental_non_blocking = True  # type: ignore[attr-defined]

    def _tell(self, name: str, status: _Status | None) -> None:
        """Change a status, under the lock; None takes the name away."""
        if self._is_stopping or self._statuses.get(name) == status:
            return
        if status is None:
            del self._statuses[name]
        else:
            self._statuses[name] = status
        for send in self._watchers.get(name, ()):
            self._send(send, status)

    def _send(self, send: _Send, status: _Status | None) -> None:
        told = health_pb2.HealthCheckResponse(
            status=_UNKNOWN if status is None else status
        )
        self._herald.submit(send, told)


def add_to(server: grpc.Server, servicer: Health) -> None:
    """Let a server answer about its health."""
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
