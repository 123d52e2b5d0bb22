"""Keeps web pages from using a browser on this machine as their way in.

A page that somebody has open may send requests to this machine, and no key stops it
where none is asked for. It can do so in two ways: under its own origin, which browsers
name, and under a name of its own that suddenly means 127.0.0.1 (DNS rebinding), which
then stands in the header Host.
"""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from skylike.service.config import Settings, is_loopback, split_address
from skylike.service.errors import BadRequest, PermissionDenied, SkylikeError
from skylike.service.gateway.problems import problem_of
from skylike.service.gateway.resolving import PATH as RESOLVING
from skylike.service.monitoring import Monitor

_HOST = re.compile(r"(\[[^\]]+\]|[^:\[\]]+)(:[0-9]*)?")
_CHANGING_NOTHING = ("GET", "HEAD", "OPTIONS")


class Guard:
    """An application, for those who call this service by its name and from its pages.

    Parameters
    ----------
    app
        Answers.
    settings
        Where it listens, under which names besides, and whose pages may ask.
    monitor
        Told of what is refused.
    """

    def __init__(self, app: ASGIApp, settings: Settings, monitor: Monitor) -> None:
        self._app = app
        self._monitor = monitor
        self._origins = settings.cors_origins
        self._names = settings.http_hosts
        # Elsewhere a service may have any name, and asks for keys.
        host, _ = split_address(settings.http_address or "")
        self._is_at_home = is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it before it is read."""
        try:
            self._look(scope["method"], scope["path"], Headers(scope=scope))
        except SkylikeError as error:
            told = problem_of(error)
            self._monitor.failed(error, str(told.status))
            await told.response(scope["state"]["request_id"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _look(self, method: str, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            raise BadRequest(
                f"this service is not called {host[:100]!r}: ask 127.0.0.1 or "
                "localhost; other names, such as a proxy's, are the setting http_hosts",
                reason="wrong_host",
            )
        # To ask somebody elsewhere is more than reading.
        is_harmless = method in _CHANGING_NOTHING and path != RESOLVING
        if not (is_harmless or self._is_from_ours(headers, host)):
            raise PermissionDenied(
                "web pages of other origins may not ask this: the setting cors_origins "
                "names those that may",
                reason="other_origin",
            )

    def _is_ours(self, host: str) -> bool:
        if not (self._is_at_home or self._names):
            return True
        found = _HOST.fullmatch(host.lower())
        name = found[1].strip("[]") if found else ""
        return name in self._names or (self._is_at_home and is_loopback(name))

    def _is_from_ours(self, headers: Headers, host: str) -> bool:
        """Whether no page asks, or one of ours; by what only browsers say."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._origins:
            return True
        if site is not None:
            return site in ("same-origin", "none")
        if origin is None:
            return True
        ours = [f"{scheme}://{host.lower()}" for scheme in ("http", "https")]
        return origin.lower() in ours
