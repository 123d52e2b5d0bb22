"""Whether a call that failed is made again, and when.

A call that the service was too busy to begin, or that came too fast for its key, is made
again, as late as the service asks for, until its deadline. One that came to nothing on the way, or at a service that stops, may have
been done: it is made again only if it may safely be made twice, a few times, and not
where most calls fail. The pauses grow twofold and are random from nothing to that (full
jitter), so that many clients do not come back together.
"""

import random
from dataclasses import dataclass

from skylike.client.errors import Overloaded, SkylikeClientError

_MOST_ATTEMPTS = 5
_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 5.0
_TOKENS = 10.0


def pause(failed: int) -> float:
    """Seconds to wait after so many failures in a row, 1 or more."""
    return random.uniform(0, min(_FIRST_SECONDS * 2 ** (failed - 1), _LONGEST_SECONDS))


def may_pass(error: SkylikeClientError) -> bool:
    """Whether the service could not be reached, was just stopping, or says when to ask."""
    told = isinstance(error, Overloaded) and error.retry_seconds is not None
    return told or error.status in ("UNAVAILABLE", "CANCELLED")


@dataclass(slots=True)
class Budget:
    """Lets few calls be made again where most fail: they would only add to the load.

    Attributes
    ----------
    tokens
        One is lost by each failure, a tenth regained by each answer. While half are
        left, calls are made again.
    """

    tokens: float = _TOKENS

    def answered(self) -> None:
        """A call was answered."""
        self.tokens = min(_TOKENS, self.tokens + 0.1)

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
        if not may_pass(error):
            return None
        if isinstance(error, Overloaded):  # it was not begun, and may come again
            return max(error.retry_seconds or 0.0, pause(failed))
        # No lock: a token more or less is nothing, a lock held during a fork is.
        self.tokens = max(0.0, self.tokens - 1)
        may_again = is_safe and failed < _MOST_ATTEMPTS and self.tokens >= _TOKENS / 2
        return pause(failed) if may_again else None
