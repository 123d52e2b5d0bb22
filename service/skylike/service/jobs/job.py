"""`Job`: long work as it is at one moment."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, auto

from skylike.service.progress import Stage


class State(StrEnum):
    """How far a job is."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    CANCELLED = auto()

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is at one moment.

    Attributes
    ----------
    id, kind, state
        Its name, what it does, how far it is.
    collection
        Which it works on: as it was asked for while it waits, by its own name once it
        has begun.
    created, started, ended
        When it was put in line, when it began, and when it ended; None before. One that
        was interrupted ended for all we know when the service came back.
    stage
        What it is at, as far as that tells.
    result
        What came of it, as JSON; empty before.
    reason, message
        Why it failed, or why it was stopped if nobody asked for that.
    num_rejects
        How many images it left out; known when it has ended.
    request_id, digest
        The caller's name for the request that started it, and the digest of that
        request; empty for none.
    """

    id: str
    kind: str
    collection: str
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    state: State = State.WAITING
    stage: Stage | None = None
    result: str = ""
    reason: str = ""
    message: str = ""
    num_rejects: int = 0
    request_id: str = ""
    digest: str = ""

    @property
    def seconds(self) -> float:
        """Since it was put in line, until now or until it ended."""
        return max(0.0, ((self.ended or now()) - self.created).total_seconds())


def now() -> datetime:
    """The time, as jobs tell it."""
    return datetime.now(UTC)
