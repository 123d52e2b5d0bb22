"""`Ports`: two gRPC servers that answer alike, and stop one after the other."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from skylike.service.certificates import Certificates
from skylike.service.config import Settings, join_address, split_address
from skylike.service.errors import BadSettings
from skylike.service.server import tls

_KEEPALIVE_MILLISECONDS = 30_000


class Ports:
    """One server for callers, and one inside, which answers until the gateway has ended.

    Services are added to it as to a server.

    Parameters
    ----------
    settings
        Limits.
    interceptors
        What surrounds every call of either, outermost first.
    """

    def __init__(
        self,
        settings: Settings,
        interceptors: "list[grpc.ServerInterceptor[Any, Any]]",
    ) -> None:
        # A thread for each call, or some would wait unseen; most only wait.
        pool = ThreadPoolExecutor(settings.max_calls, thread_name_prefix="rpc")
        options = (
            # No connection takes the places of all others; and of one that is there
            # no more, nothing tells but asking.
            ("grpc.max_concurrent_streams", max(1, settings.max_calls // 2)),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MILLISECONDS),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_MILLISECONDS // 3),
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", settings.max_message_bytes),
            # Or a second server on the same port would take half of the calls.
            ("grpc.so_reuseport", 0),
        )
        self._outside, self._inside = self._both = [
            grpc.server(pool, interceptors=interceptors, options=options)
            for _ in range(2)
        ]

    def add_generic_rpc_handlers(
        self, handlers: "Sequence[grpc.GenericRpcHandler[Any, Any]]"
    ) -> None:
        """As a server of gRPC has it."""
        for server in self._both:
            server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service: str, handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
    ) -> None:
        """As a server of gRPC has it."""
        for server in self._both:
            server.add_registered_method_handlers(service, handlers)  # type: ignore[attr-defined]  # younger than the stubs

    def listen(self, address: str, files: Certificates | None) -> str:
        """Listen on HOST:PORT; the same with the port that was picked if it is 0.

        Raises
        ------
        BadSettings
            ``address_unusable`` if that is impossible.
        """
        try:
            port = (
                self._outside.add_insecure_port(address)
                if files is None
                else self._outside.add_secure_port(address, tls.for_grpc(files))
            )
        except RuntimeError as error:
            raise BadSettings(
                f"cannot listen on {address}: it is in use, or not of this machine",
                reason="address_unusable",
            ) from error
        return join_address(split_address(address)[0], port)

    def start_inside(self, target: str) -> None:
        """Answer inside, at an address that nobody else reaches."""
        self._inside.add_insecure_port(target)
        self._inside.start()

    def start(self) -> None:
        """Answer callers."""
        self._outside.start()

    def stop(self, grace_seconds: float) -> threading.Event:
        """Refuse new calls of callers at once; told when those that go on have ended."""
        return self._outside.stop(grace_seconds)

    def stop_inside(self, grace_seconds: float) -> threading.Event:
        """As `stop`, inside."""
        return self._inside.stop(grace_seconds)
