"""Connections to the gRPC server: what is slow takes no room from what is quick.

A connection has a limit of calls, beyond which they wait unseen; so each kind has one of
its own, and what is too much for it is refused.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from skylike.service.errors import Overloaded

_QUICK = ("Get", "List")  # how the methods begin that look up what is known


class Lane:
    """A connection for calls of one kind, of which there may be so many at once.

    Parameters
    ----------
    target
        Where the gRPC server listens, without TLS.
    most
        Calls at the same time.
    reason
        Of the refusal of one more.
    """

    def __init__(self, target: str, most: float, reason: str = "overloaded") -> None:
        self.channel = grpc.insecure_channel(
            target,
            [
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )
        self._most = most
        self._reason = reason
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[grpc.Channel]:
        """The connection, for one call; in the thread of the event loop only.

        Raises
        ------
        Overloaded
            If there are too many.
        """
        if self._taken >= self._most:
            raise Overloaded(
                f"{self._taken} calls of this kind go on over HTTP already, which is all "
                "at the same time: open fewer, or this one later",
                reason=self._reason,
            )
        self._taken += 1
        try:
            yield self.channel
        finally:
            self._taken -= 1


class Lanes:
    """All lanes to a gRPC server.

    Parameters
    ----------
    target
        Where it listens, without TLS.
    most
        Calls of a kind at the same time; of health there is no limit.
    """

    def __init__(self, target: str, most: int) -> None:
        self._health = Lane(target, math.inf)
        self._quick = Lane(target, most)
        self._slow = Lane(target, most)
        self._watches = Lane(target, most, reason="too_many_watches")

    def of(self, rpc: str) -> Lane:
        """That of a method, such as ``SearchService/Analyze``."""
        service, _, method = rpc.partition("/")
        if service == "Health":
            return self._health
        if method.startswith("Watch"):
            return self._watches
        return self._quick if method.startswith(_QUICK) else self._slow

    def close(self) -> None:
        """End all connections."""
        for lane in (self._health, self._quick, self._slow, self._watches):
            lane.channel.close()
