"""Whether a call that failed is made again, and when.

A call that the service was too busy to begin, or that came too fast for its key, is made
again, as late as the service asks for, until its deadline. One that came to nothing on
the way, or at a service that stops, may have been done: it is made again only if it may
safely be made twice. A service that has answered before is being restarted then, as far as
anybody can tell, and is tried until the deadline; where none ever has, the address may be
wrong, and that should be told soon. The pauses grow twofold and are random from nothing to
that (full jitter), so that many clients do not come back together.
"""

import random
from dataclasses import dataclass

from skylike.client.errors import Overloaded, SkylikeClientError

_FIRST_SECONDS = 0.1
_BUSY_SECONDS = 5.0
# A connection that is refused is no load, and a service that is back should be noticed.
_LOST_SECONDS = 1.0
_TO_STRANGERS = 4


def pause(failed: int, longest: float = _BUSY_SECONDS) -> float:
    """Seconds to wait after so many failures in a row, 1 or more."""
    # The power has a bound: a stream may fail for days.
    return random.uniform(0, min(_FIRST_SECONDS * 2 ** min(failed - 1, 16), longest))


def may_pass(error: SkylikeClientError) -> bool:
    """Whether the service could not be reached, was just stopping, or says when to ask."""
    told = isinstance(error, Overloaded) and error.retry_seconds is not None
    return told or error.status in ("UNAVAILABLE", "CANCELLED")


@dataclass(slots=True)
class Patience:
    """What a client has seen of its service, and so how long it waits for it.

    Attributes
    ----------
    is_known
        Whether it has ever answered.
    left
        How often anything may be made again before it has.
    """

    is_known: bool = False
    left: int = _TO_STRANGERS

    def answered(self) -> None:
        """A call reached the service."""
        self.is_known = True

    def pause(
        self, error: SkylikeClientError, failed: int, *, is_safe: bool
    ) -> float | None:
        """Seconds until the call may be made again; None if it may not.

        Parameters
        ----------
        error
            What the call ended with.
        failed
            How often it has failed in a row.
        is_safe
            Whether it may be made twice.
        """
        if error.request_id:
            self.answered()
        if not may_pass(error):
            return None
        if isinstance(error, Overloaded):  # it was not begun, and may come again
            return max(error.retry_seconds or 0.0, pause(failed))
        if not is_safe:
            return None
        if not self.is_known:
            # No lock: one more or less is nothing, a lock held during a fork is.
            self.left -= 1
            if self.left < 0:
                return None
        return pause(failed, _LOST_SECONDS)
