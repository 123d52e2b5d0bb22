"""Who may call what, decided before a call is read.

Where keys are asked for, each call brings one as the metadata ``authorization: Bearer
KEY``.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
from skylike.service.keys import FILE, Key, Keys
from skylike.service.server.bucket import Bucket
from skylike.service.server.bundles import apart
from skylike.service.server.interceptors import request_id_of
from skylike.service.server.refusal import Refusals, is_refusal
from skylike.service.server.scopes import needed

_LOOK_SECONDS = 1.0  # for whether somebody who has to wait has gone

_log = structlog.get_logger()

_Metadata: TypeAlias = "Sequence[tuple[str, str | bytes]] | None"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


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


def key_name() -> str:
    """What the key is called that the call of this context brought; empty for none."""
    return str(structlog.contextvars.get_contextvars().get("key", ""))


class Access(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in stubs only
    """Lets calls of every kind through that have a key for what they ask.

    Keys are asked for where there is a file of them, even of none, and from then on:
    a file that is lost opens nothing. Each question of a stream is asked for like a call:
    its key has to be one still, and those that come too fast wait, also together.

    Parameters
    ----------
    keys
        Those that count.
    refusals
        Makes what refuses.
    """

    def __init__(self, keys: Keys, refusals: Refusals) -> None:
        self._keys = keys
        self._refusals = refusals
        self._asking = keys.path.exists()
        self._guard = threading.Lock()
        self._buckets: dict[Key, Bucket] = {}

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], _Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        """What answers the call: its own handler, or one that refuses it."""
        method = handler_call_details.method
        metadata = handler_call_details.invocation_metadata
        try:
            key = self.allow(method, metadata)
            if key is None:
                return continuation(handler_call_details)
            structlog.contextvars.bind_contextvars(key=key.name)
            handler = continuation(handler_call_details)
            if handler is None or is_refusal(handler):
                return handler
            # Only now, for what there is no room for does not count.
            self._require_rate(key)
            if handler.request_streaming:
                return self._metered(handler, _bearer(metadata or ()))
        except SkylikeError as error:
            request_id = request_id_of(metadata or ())
            return self._refusals.handler(method, request_id, error)
        return handler

    def allow(self, method: str, metadata: _Metadata) -> Key | None:
        """The key that a call brought; None where it needs none.

        Raises
        ------
        Unauthenticated
            ``no_key`` or ``wrong_key``.
        PermissionDenied
            ``missing_scope`` if the key is for less.
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

    def _require_rate(self, key: Key) -> None:
        if seconds := self._taken(key):
            raise TooManyRequests(
                f"the API key {key.name!r} is for {key.rate:g} calls a second: ask "
                f"again in {seconds:.3g} s",
                retry_seconds=seconds,
            )

    def _taken(self, key: Key) -> float:
        """0 if a call was taken from what the key is for; else seconds until one is."""
        if key.rate is None:
            return 0.0
        with self._guard:
            if key not in self._buckets:
                known = {*self._keys.all()}
                kept = {one: of for one, of in self._buckets.items() if one in known}
                self._buckets = {**kept, key: Bucket(key.rate)}
            return self._buckets[key].take(time.monotonic())

    def _metered(self, handler: "_Handler", secret: str) -> "_Handler":
        """A method whose questions are let in like calls."""

        def metered(
            requests: Iterator[Any], context: grpc.ServicerContext
        ) -> Iterator[Any]:
            for request in requests:
                for one in apart(request):
                    while seconds := self._taken(self._known(secret)):
                        if not context.is_active():
                            return
                        time.sleep(min(seconds, _LOOK_SECONDS))
                    yield one

        inner: Any = handler.stream_stream or handler.stream_unary

        def method(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            return inner(metered(requests, context), context)

        made: Any = handler
        name = "stream_stream" if handler.response_streaming else "stream_unary"
        return made._replace(**{name: method})  # type: ignore[no-any-return]


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
