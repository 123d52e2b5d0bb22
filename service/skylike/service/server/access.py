"""Who may call what, decided before a call is read.

Where keys are asked for, each call brings one as the metadata ``authorization: Bearer
KEY``. What a method needs follows from its name, and what is not known needs the most,
so that a method that is added is safe until somebody says otherwise.
"""

import functools
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc
import structlog

from skylike.service.config import Settings, is_loopback, split_address
from skylike.service.errors import (
    BadSettings,
    DamagedData,
    PermissionDenied,
    SkylikeError,
    TooManyRequests,
    Unauthenticated,
)
from skylike.service.keys import FILE, Key, Keys, Scope
from skylike.service.monitoring import Monitor
from skylike.service.server.interceptors import REQUEST_ID_KEY, request_id_of
from skylike.service.server.status import rpc_status

_RULES: tuple[tuple[str, Scope | None], ...] = (
    # Whoever watches over a service asks these, and they tell nothing of what it holds.
    (r"/grpc\.health\.v1\.Health/(Check|Watch)", None),
    (r"/grpc\.health\.v1\.Health/List", Scope.READ),
    (r"/grpc\.reflection\.(v1|v1alpha)\.ServerReflection/.*", Scope.READ),
    (r"/skylike\.v1\.SearchService/.*", Scope.READ),
    (r"/skylike\.v1\.\w+/(Get|List|Count|Scroll|Watch)[A-Z]\w*", Scope.READ),
    # What changes objects; what changes collections, names and jobs needs more.
    (
        r"/skylike\.v1\.CatalogService/((Add|Delete)Objects|Set(Attributes|Labels))",
        Scope.WRITE,
    ),
)

_log = structlog.get_logger()

_Metadata: TypeAlias = "Sequence[tuple[str, str | bytes]] | None"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@functools.lru_cache(maxsize=256)  # each call asks
def needed(method: str) -> Scope | None:
    """What a key has to have for a method such as ``/package.Service/Method``.

    None where no key is needed.
    """
    for pattern, scope in _RULES:
        if re.fullmatch(pattern, method):
            return scope
    return Scope.ADMIN


def keys_of(settings: Settings) -> Keys:
    """The keys of a service.

    Raises
    ------
    BadSettings
        ``no_keys`` if a file is named and not there, or other machines can reach the
        service and there is no key.
    DamagedData
        If the file cannot be read.
    """
    keys = Keys(settings.keys or settings.data / FILE)
    if settings.keys is not None and not settings.keys.exists():
        raise BadSettings(
            f"there is no file of keys {settings.keys}: skylike-service keys add makes "
            "one",
            reason="no_keys",
        )
    for address in filter(None, (settings.address, settings.http_address)):
        host, _ = split_address(address)
        if not (keys.all() or settings.insecure or is_loopback(host)):
            raise BadSettings(
                f"{address} can be reached from other machines, and there is no API key: "
                "make one by skylike-service keys add, or --insecure",
                reason="no_keys",
            )
    return keys


class Access(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in stubs only
    """Lets calls of every kind through that have a key for what they ask.

    Keys are asked for where there is a file of them, even of none, and from then on:
    a file that is lost opens nothing. Refused calls are not read, and have a thread of
    their own, so that they keep none from answering.

    Parameters
    ----------
    keys
        Those that count.
    monitor
        Told of what is refused.
    """

    def __init__(self, keys: Keys, monitor: Monitor) -> None:
        self._keys = keys
        self._monitor = monitor
        self._asking = keys.path.exists()
        self._guard = threading.Lock()
        self._buckets: dict[Key, Bucket] = {}
        self._refusing = ThreadPoolExecutor(1, thread_name_prefix="refuse")

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], _Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        """What answers the call: its own handler, or one that refuses it."""
        method = handler_call_details.method
        metadata = handler_call_details.invocation_metadata
        try:
            key = self.admit(method, metadata)
        except SkylikeError as error:
            return self._refusal(method, request_id_of(metadata or ()), error)
        if key is not None:
            structlog.contextvars.bind_contextvars(key=key.name)
        return continuation(handler_call_details)

    def admit(self, method: str, metadata: _Metadata) -> Key | None:
        """The key that a call brought; None where it needs none.

        Raises
        ------
        Unauthenticated
            ``no_key`` or ``wrong_key``.
        PermissionDenied
            ``missing_scope`` if the key is for less.
        TooManyRequests
            If it has been used too often.
        """
        scope = needed(method)
        self._asking = self._asking or self._keys.path.exists()
        if scope is None or not self._asking:
            return None
        key = self._known(_bearer(metadata or ()))
        if key.scope < scope:
            raise PermissionDenied(
                f"the API key {key.name!r} has the scope {key.scope}; {method[:200]} "
                f"needs {scope}",
                reason="missing_scope",
            )
        self._count(key)
        return key

    def _known(self, secret: str) -> Key:
        try:
            key = self._keys.find(secret)
        except DamagedData as error:
            _log.error("keys_unusable", why=str(error))
            key = None
        if key is None:
            raise Unauthenticated(
                "the API key is not known here: it was revoked, or is of another "
                "service",
                reason="wrong_key",
            )
        return key

    def _count(self, key: Key) -> None:
        if key.rate is None:
            return
        with self._guard:
            if key not in self._buckets:
                self._buckets[key] = Bucket(key.rate)
            seconds = self._buckets[key].take(time.monotonic())
        if seconds:
            raise TooManyRequests(
                f"the API key {key.name!r} is for {key.rate:g} calls a second: ask "
                f"again in {seconds:.3g} s",
                retry_seconds=seconds,
            )

    def _refusal(self, method: str, request_id: str, error: SkylikeError) -> "_Handler":
        status = rpc_status(error, request_id)

        def refuse(
            requests: Iterator[bytes], context: grpc.ServicerContext
        ) -> Iterator[bytes]:
            self._monitor.refused(error)
            _log.info(
                "refused",
                request_id=request_id,
                method=method[:200].removeprefix("/"),
                code=status.code.name,
                reason=error.reason,
            )
            context.send_initial_metadata(((REQUEST_ID_KEY, request_id),))
            context.abort_with_status(status)

        refuse.experimental_thread_pool = self._refusing  # type: ignore[attr-defined]
        # Of this kind whatever the method is, for only it starts before it has read.
        return grpc.stream_stream_rpc_method_handler(refuse)


class Bucket:
    """As many calls a second as a rate allows, and a second's worth of them at once.

    Parameters
    ----------
    rate
        Calls a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._full = max(1.0, rate)
        self._left = self._full
        self._then = 0.0

    def take(self, now: float) -> float:
        """0 if a call is allowed now, which is counted; else the seconds until one is."""
        self._left = min(self._full, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._rate


def _bearer(metadata: "Sequence[tuple[str, str | bytes]]") -> str:
    values = [str(value) for key, value in metadata if key == "authorization"]
    scheme, _, secret = (values[0] if len(values) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated(
            "this service asks for an API key: send one as the metadata "
            "authorization: Bearer KEY",
            reason="no_key",
        )
    return secret
