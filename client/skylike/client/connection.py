"""Where a service is and who asks it: a channel for each process and event loop.

A channel of gRPC does not survive a fork, and one of asyncio belongs to its event loop.
So none is handed on: whoever has none yet gets one at the first call.
"""

import asyncio
import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from skylike.client import errors
from skylike.client.credentials import Tls, credentials

# HOST:PORT with a port that exists, or what gRPC knows besides: unix:, dns:, ...
_ADDRESS = re.compile(
    r"[^/]+:0*(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
    r"|[a-z0-9]+:/?.*/.*"
)


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """What a client was told, by which another process can make the same.

    Attributes
    ----------
    address
        HOST:PORT.
    timeout
        Seconds.
    max_message_bytes
        Either way.
    tls
        None for a connection without.
    api_key
        As it was given; None for that of the environment.
    """

    address: str
    timeout: float
    max_message_bytes: int
    tls: Tls | None
    api_key: str | None = field(repr=False)

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise errors.BadInput(
                f"the timeout is {self.timeout} s; it has to be above 0",
                reason="bad_timeout",
            )
        if not _ADDRESS.fullmatch(self.address):
            raise errors.BadInput(
                f"{self.address!r} is no address; give HOST:PORT", reason="bad_address"
            )

    def remake(self, client: Any) -> tuple[Any, ...]:
        """What `object.__reduce__` of a client gives: it is made anew elsewhere.

        Raises
        ------
        TypeError
            If it was given a key: a pickle may lie where others read it.
        """
        if self.api_key is not None:
            raise TypeError(
                "a client that was given its API key is not pickled, since the key would "
                "be; let it take the key from SKYLIKE_API_KEY or SKYLIKE_API_KEY_FILE"
            )
        arguments = {
            "timeout": self.timeout,
            "max_message_bytes": self.max_message_bytes,
            "tls": self.tls,
        }
        make: Callable[..., Any] = type(client)
        return functools.partial(make, self.address, **arguments), ()


class Connection:
    """Gives each process, and each event loop in it, its channel to the service.

    Parameters
    ----------
    target
        Which service, and as whom.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._credentials = credentials(target.address, target.tls, target.api_key)
        self._channels: dict[tuple[int, asyncio.AbstractEventLoop | None], Any] = {}
        self._is_closed = False

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of each call."""
        return self._credentials.metadata

    def blocking(self) -> grpc.Channel:
        """The channel of this process."""
        channel: grpc.Channel = self._channel(None)
        return channel

    def asynchronous(self) -> grpc.aio.Channel:
        """The channel of the event loop that runs."""
        channel: grpc.aio.Channel = self._channel(asyncio.get_running_loop())
        return channel

    def close(self) -> list[Any]:
        """End it; the channels of this process, for their owner to close."""
        self._is_closed = True
        of_others = {
            key: c for key, c in self._channels.items() if key[0] != os.getpid()
        }
        ours = [c for key, c in self._channels.items() if key not in of_others]
        self._channels = of_others
        return ours

    def _channel(self, loop: asyncio.AbstractEventLoop | None) -> Any:
        if self._is_closed:
            raise closed()
        key = (os.getpid(), loop)
        found = self._channels.get(key)
        if found is None:
            # No lock: one that another thread holds during a fork is held for ever.
            # What was inherited stays referred to: closing it is its owner's business.
            self._channels = {
                key: channel
                for key, channel in self._channels.items()
                if key[1] is None or not key[1].is_closed()
            }
            made = self._make(None if loop is None else grpc.aio)
            found = self._channels.setdefault(key, made)
            if found is not made:
                made.close()  # never of asyncio: a loop has one thread
        return found

    def _make(self, asynchronous: Any) -> Any:
        target, door = self._target, asynchronous or grpc
        options = (
            ("grpc.max_receive_message_length", target.max_message_bytes),
            ("grpc.max_send_message_length", target.max_message_bytes),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5000),
            # Else a process would go on with the sockets of the one it was forked from.
            ("grpc.use_local_subchannel_pool", 1),
        )
        if self._credentials.channel is None:
            return door.insecure_channel(target.address, options=options)
        return door.secure_channel(
            target.address, self._credentials.channel, options=options
        )


def closed() -> errors.Unavailable:
    """What a call of a closed client ends with."""
    return errors.Unavailable("the client is closed", reason="closed")
