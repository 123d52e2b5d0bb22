"""Whether a call that failed is made again, and when.

Calls that may safely be made twice are, when the service cannot be reached or is busy;
the others only when the service itself says that it did not begin them. The pauses grow
twofold and are random from nothing to that (full jitter), so that many clients do not
come back together; a pause the service asks for is kept.
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
    """Whether the service could not be reached, was busy, or was just stopping."""
    return error.status in ("UNAVAILABLE", "CANCELLED")


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
        # No lock: a token more or less is nothing, a lock held during a fork is.
        self.tokens = max(0.0, self.tokens - 1)
        if failed >= _MOST_ATTEMPTS or self.tokens < _TOKENS / 2:
            return None
        if isinstance(error, Overloaded):  # it was not begun
            return max(error.retry_seconds or 0.0, pause(failed))
        return pause(failed) if is_safe else None
