"""`Limited`: connections of urllib that end in time, whatever they wait for."""

import contextlib
import socket
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from types import TracebackType
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request


class _Connection(HTTPConnection):
    connected: Callable[[socket.socket], None]

    def connect(self) -> None:
        super().connect()
        self.connected(self.sock)


class _Encrypted(HTTPSConnection, _Connection):
    """Is `connected` before it is encrypted."""


class Limited(HTTPSHandler, HTTPHandler):
    """Opens connections that are ended after some seconds, by another thread.

    The timeouts of sockets are for each part of an answer: one that comes in drops keeps
    them all. To be used as context, for one question.

    Parameters
    ----------
    seconds
        That all of it may take. Only to find an address takes as long as the system likes.

    Attributes
    ----------
    is_over
        Whether they have passed, so that what was read may have been cut.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._held: list[socket.socket] = []
        self.is_over = False
        self._timer = threading.Timer(seconds, self._end)

    def __enter__(self) -> "Limited":
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        for one in self._held:
            one.close()

    def http_open(self, req: Request) -> HTTPResponse:
        """As urllib's."""
        return self._opened(_Connection, req)

    def https_open(self, req: Request) -> HTTPResponse:
        """As urllib's."""
        return self._opened(_Encrypted, req)

    def _opened(self, kind: type[_Connection], req: Request) -> HTTPResponse:
        def connection(*args: Any, **options: Any) -> _Connection:
            made = kind(*args, **options)
            made.connected = self._hold
            return made

        return self.do_open(connection, req)

    def _hold(self, connected: socket.socket) -> None:
        # Of its own: what is encrypted takes the socket away.
        self._held.append(connected.dup())
        if self.is_over:
            self._end()

    def _end(self) -> None:
        self.is_over = True
        for one in self._held:
            with contextlib.suppress(OSError):  # it has ended
                one.shutdown(socket.SHUT_RDWR)
