"""How far long work is: a bar in a terminal, a log line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self, TypeAlias

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


@dataclass(frozen=True, slots=True)
class Stage:
    """How far some work is.

    Attributes
    ----------
    work
        What it is, such as ``indexing``.
    done, total
        How much of it.
    seconds
        Since it began.
    begun
        How much had been done before that.
    """

    work: str
    done: int
    total: int
    seconds: float
    begun: int = 0

    @property
    def rate(self) -> float:
        """How much is done in a second."""
        return (self.done - self.begun) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Until it is done; None while nobody knows."""
        return (self.total - self.done) / self.rate if self.rate else None


Watched: TypeAlias = Shown | Callable[[Stage], None]
"""Where progress is shown; or who is told of it, and may raise to end the work."""


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

    def __init__(self, work: str, total: int, unit: str, shown: Watched) -> None:
        self._work, self._total, self._shown = work, total, shown
        self._log = structlog.get_logger()
        self._done = self._begun = 0
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
        if not isinstance(self._shown, Shown):
            self._shown(self._stage())
        elif time.monotonic() - self._told >= _PAUSE:
            self._tell()

    def go_on(self, count: int) -> None:
        """So much more had been done before this work began."""
        self._begun += count
        self.advance(count)

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
        stage = self._stage()
        left = stage.seconds_left
        self._log.info(
            self._work,
            done=stage.done,
            total=stage.total,
            per_second=round(stage.rate, 1),
            seconds_left=None if left is None else round(left),
            **self._facts,
        )

    def _stage(self) -> Stage:
        seconds = time.monotonic() - self._began
        return Stage(self._work, self._done, self._total, seconds, self._begun)
