"""How far long work is: a bar in a terminal, a log line now and then elsewhere."""

import sys
import time
from enum import Enum, auto
from typing import Self

import structlog
from tqdm import tqdm

_PAUSE = 15.0  # seconds between lines


class Shown(Enum):
    """Where progress is shown."""

    NOT = auto()
    AS_BAR = auto()
    AS_LINES = auto()

    @classmethod
    def for_people(cls) -> "Shown":
        """As fits the standard error."""
        return cls.AS_BAR if sys.stderr.isatty() else cls.AS_LINES


class Progress:
    """Tells how much of some work is done, its rate, and when it will be done.

    Parameters
    ----------
    work
        What it is, such as ``indexing``.
    total
        How much there is to do.
    unit
        Of what.
    shown
        Where it is told.
    """

    def __init__(self, work: str, total: int, unit: str, shown: Shown) -> None:
        self._work, self._total, self._shown = work, total, shown
        self._log = structlog.get_logger()
        self._done = 0
        self._facts: dict[str, int] = {}
        self._began = self._told = time.monotonic()
        hidden = shown is not Shown.AS_BAR
        self._bar = tqdm(total=total, desc=work, unit=unit, disable=hidden)

    def advance(self, count: int, **facts: int) -> None:
        """So much more is done; `facts` are shown beside."""
        self._done += count
        self._facts = facts
        self._bar.set_postfix(facts, refresh=False)
        self._bar.update(count)
        if time.monotonic() - self._told >= _PAUSE:
            self._tell()

    def reach(self, count: int) -> None:
        """So much is done in all."""
        self.advance(max(0, count - self._done))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        if self._done:
            self._tell()

    def _tell(self) -> None:
        if self._shown is not Shown.AS_LINES:
            return
        self._told = time.monotonic()
        rate = self._done / max(self._told - self._began, 1e-9)
        left = (self._total - self._done) / rate if rate else None
        self._log.info(
            self._work,
            done=self._done,
            total=self._total,
            per_second=round(rate, 1),
            seconds_left=None if left is None else round(left),
            **self._facts,
        )
