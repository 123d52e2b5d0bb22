"""What surrounds every HTTP request: identity, log and metrics, limits, the last resort."""

import re
import uuid
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from skylike.service.calls import Call
from skylike.service.errors import Overloaded, TooLarge
from skylike.service.gateway.problems import problem_of
from skylike.service.monitoring import Monitor

REQUEST_ID = "x-request-id"

_log = structlog.get_logger()
_PLAIN_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Asked every few seconds by those who watch over a server.
_PROBES = re.compile(r"GET /v1/(health/\w+|metrics)")


class Surround:
    """An application with what surrounds it.

    Parameters
    ----------
    app
        Answers.
    monitor
        Sees every request.
    most_bytes
        Of the body of a request; more is not read.
    most_held_bytes
        Of all bodies at the same time.
    """

    def __init__(
        self, app: FastAPI, monitor: Monitor, most_bytes: int, most_held_bytes: int
    ) -> None:
        self._app = app
        self._monitor = monitor
        self._most_bytes = most_bytes
        self._most_held_bytes = most_held_bytes
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent_id = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = sent_id if _PLAIN_WORD.fullmatch(sent_id) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        method = self._method(scope)
        is_logged = not _PROBES.fullmatch(method)
        with self._monitor.call(
            method, request_id, well="200", is_logged=is_logged
        ) as call:
            try:
                limited = self._limited(receive, scope, call)
                await self._answer(scope, limited, send, call)
            finally:
                self._held_bytes -= call.request_bytes

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, call: Call
    ) -> None:
        has_started = False

        async def told(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                call.code = str(message["status"])
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = scope["state"]["request_id"]
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
            await send(message)

        try:
            await self._app(scope, receive, told)
        except Exception as error:
            _log.exception("failed")
            self._monitor.failed(error, "500")
            if not has_started:
                response = problem_of(error).response(scope["state"]["request_id"])
                await response(scope, receive, told)

    def _limited(self, receive: Receive, scope: Scope, call: Call) -> Receive:
        said = Headers(scope=scope).get("content-length", "0")

        async def limited() -> Message:
            if int(said) > self._most_bytes:
                raise self._too_large()
            message = await receive()
            num_bytes = len(message.get("body", b""))
            call.request_bytes += num_bytes
            self._held_bytes += num_bytes
            if call.request_bytes > self._most_bytes:
                raise self._too_large()
            if num_bytes and self._held_bytes > self._most_held_bytes:
                raise Overloaded(
                    "too much is being sent to this service at the same time",
                    reason="too_many_bytes",
                )
            return message

        return limited

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"the body has more than {self._most_bytes} bytes, which is all that this "
            "service reads"
        )

    def _method(self, scope: Scope) -> str:
        """The name of what is asked for, by a path of ours."""
        for route in self._app.routes:
            found: Any = route
            if found.matches(scope)[0] is Match.FULL:
                return f"{scope['method']} {found.path}"
        return "other"
