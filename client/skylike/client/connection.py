"""Where a service is, who asks it, and a channel to it for each process.

A channel does not survive a fork. So none is handed on: a process that has none yet
makes one at the first call.
"""

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from skylike.client import errors
from skylike.client.credentials import Tls, credentials

# HOST:PORT with a port that exists, or what gRPC knows besides: unix:, dns:, ...
_ADDRESS = re.compile(
    r"[^/]+:0*(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
    r"|(?!https?:)[a-z0-9]+:/?.*/.*"
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
                f"{self.address!r} is no address; give HOST:PORT, the service's `address`",
                reason="bad_address",
            )

    @property
    def told(self) -> str:
        """The arguments as people see them in a `repr`: that there is a key, no more."""
        parts = [repr(self.address), f"timeout={self.timeout:g}"]
        parts += [f"tls={self.tls}"] if self.tls else []
        parts += ["api_key=..."] if self.api_key is not None else []
        return ", ".join(parts)

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
    """Gives each process its channel to the service.

    Parameters
    ----------
    target
        Which service, and as whom.

    Attributes
    ----------
    address
        HOST:PORT.
    is_closed
        Whether calls are refused.
    is_tls
        Whether it speaks TLS.
    """

    def __init__(self, target: Target) -> None:
        self.address = target.address
        self.is_closed = False
        self.is_tls = target.tls is not None
        self._target = target
        self._credentials = credentials(target.address, target.tls, target.api_key)
        self._channels: dict[int, grpc.Channel] = {}

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of each call."""
        return self._credentials.metadata

    def channel(self) -> grpc.Channel:
        """The channel of this process; raises what `closed` gives after `close`."""
        if self.is_closed:
            raise closed()
        process = os.getpid()
        found = self._channels.get(process)
        if found is None:
            # No lock: one that another thread holds during a fork is held for ever.
            # What was inherited stays referred to: its end is its owner's business.
            made = self._make()
            found = self._channels.setdefault(process, made)
            if found is not made:
                made.close()
        return found

    def close(self) -> None:
        """End all calls of this process."""
        self.is_closed = True
        channel = self._channels.pop(os.getpid(), None)
        if channel is not None:
            channel.close()

    def _make(self) -> grpc.Channel:
        options: list[tuple[str, int]] = [
            ("grpc.max_receive_message_length", self._target.max_message_bytes),
            ("grpc.max_send_message_length", self._target.max_message_bytes),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            # Else a process would go on with the sockets of the one it was forked from.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self._credentials.channel is None:
            # A proxy of the environment would read all of it, and the API key too.
            options.append(("grpc.enable_http_proxy", 0))
            return grpc.insecure_channel(self._target.address, options)
        return grpc.secure_channel(
            self._target.address, self._credentials.channel, options
        )


def closed() -> errors.Unavailable:
    """What a call of a closed client ends with."""
    return errors.Unavailable("the client is closed", reason="closed")
