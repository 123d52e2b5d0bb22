"""`KnownRanks`: what fits say of every object, read when it is asked for."""

import threading
from collections import OrderedDict

from skylike.service.catalog import Fits
from skylike.service.ranks import Ranks

RANKS = "ranks"
"""What the ranks of a fit are called among what is kept of it."""

_REMEMBERED = 2  # fits: the newest, and the one that others still page through


class KnownRanks:
    """Ranks of a collection's fits, read when first asked for. Safe from any thread."""

    def __init__(self, fits: Fits) -> None:
        self._fits = fits
        self._known: OrderedDict[int, Ranks] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, version: int) -> Ranks | None:
        """Those of a fit; None if they are not kept.

        Raises
        ------
        DamagedData
            If they are not as they were written.
        """
        with self._lock:
            known = self._known.get(version)
            if known is None:
                arrays = self._fits.of(RANKS, version)
                if arrays is None:
                    return None
                known = Ranks.from_arrays(version, arrays)
                if known is None:
                    return None
                self._known[version] = known
            self._known.move_to_end(version)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return known

    def forget(self) -> None:
        """Read what is asked for anew: another fit was made, and the oldest is gone."""
        with self._lock:
            self._known.clear()
