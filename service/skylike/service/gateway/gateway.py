"""`Gateway`: an HTTP server beside the gRPC server, in a thread of its own."""

import socket
import ssl
import threading
import time

import uvicorn

from skylike.service.config import Settings, join_address, split_address
from skylike.service.errors import BadSettings
from skylike.service.gateway.app import application
from skylike.service.gateway.callers import Allow
from skylike.service.gateway.heads import Heads
from skylike.service.gateway.lanes import Lanes
from skylike.service.gateway.surround import Surround
from skylike.service.monitoring import Monitor

# For what a message holds beside a file.
_ROOM_BYTES = 2**16
_BACKLOG = 128
# What cancelled requests get to end.
_STOP_SECONDS = 2.0


class Gateway:
    """Answers over HTTP what a gRPC server says. Starts on creation.

    Parameters
    ----------
    address
        HOST:PORT to listen on.
    target
        Where the gRPC server listens, without TLS.
    tls
        What to listen with; None without TLS.
    settings
        Limits, and who may ask.
    monitor
        Sees every request.
    allow
        Raises unless the caller may call the method, before a request is read.
    grpc_address
        Where the gRPC server listens for others.

    Attributes
    ----------
    address
        HOST:PORT it listens on, with the port that was picked if 0 was asked for.

    Raises
    ------
    BadSettings
        ``address_unusable`` if the address cannot be listened on.
    """

    def __init__(
        self,
        address: str,
        target: str,
        tls: ssl.SSLContext | None,
        settings: Settings,
        monitor: Monitor,
        allow: Allow,
        grpc_address: str,
    ) -> None:
        listening = _listen(address)
        self.address = join_address(
            split_address(address)[0], listening.getsockname()[1]
        )
        # Less than the half of all calls that the server gives a connection.
        self._lanes = Lanes(target, max(1, settings.max_calls // 4))
        app = application(
            self._lanes,
            monitor,
            settings,
            allow,
            lambda: self._server.should_exit,
            grpc_address,
        )
        most_bytes = settings.max_message_bytes - _ROOM_BYTES
        self._config = config = uvicorn.Config(
            Heads(Surround(app, monitor, most_bytes, settings.max_held_bytes)),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        config.load()
        config.ssl = tls  # not by names of files, which it would read but once
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name="gateway", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)

    def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, let those that run finish within the grace, and end."""
        self._config.timeout_graceful_shutdown = grace_seconds  # type: ignore[assignment]  # it waits for parts of a second too
        self._server.should_exit = True
        self._thread.join(grace_seconds + _STOP_SECONDS)
        self._lanes.close()


def _listen(address: str) -> socket.socket:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once only where the protocol is spelled out, else after 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, int(port)))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise BadSettings(
            f"cannot listen on {address}: it is in use, or not of this machine",
            reason="address_unusable",
        ) from error
    return listening
