"""A rate of calls."""


class Bucket:
    """As many calls a second as a rate allows, and a second's worth of them at once.

    Parameters
    ----------
    rate
        Calls a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._full = max(1.0, rate)
        self._left = self._full
        self._then = 0.0

    def take(self, now: float) -> float:
        """0 if a call is allowed now, which is counted; else the seconds until one is."""
        self._left = min(self._full, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._rate
