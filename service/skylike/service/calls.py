"""What is known of a call while it is answered.

Who answers tells it here, wherever that happens; who began the call reads it at the end,
for logs and metrics. Where nobody began one, nothing is told.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

StageName: TypeAlias = Literal["decode", "stamp", "queue", "embed", "search", "answer"]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""Reading the file, making the stamp, waiting for a turn or for the model, the model,
searching, and making the answer of what was found."""


@dataclass(slots=True)
class Call:
    """One call, from its beginning on.

    Attributes
    ----------
    collection, model_id
        Which archive answers, by its own name; empty until that is known.
    code
        How it ended, in the words of its face.
    reason
        Of the error; empty where there was none.
    request_bytes
        What was received.
    seconds
        How long each stage took, all of its turns together.
    batches
        How many stamps each run of the model had that was made in its threads; some may
        be of other calls.
    """

    code: str
    collection: str = ""
    model_id: str = ""
    reason: str = ""
    request_bytes: int = 0
    seconds: dict[StageName, float] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def share(self, other: "Call") -> None:
        """Take over what was told of work that was done for this call and others."""
        self.collection, self.model_id = other.collection, other.model_id
        for stage, seconds in other.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        self.batches += other.batches


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def begin(code: str) -> Call:
    """A call that everything in this context is part of; `code` until it says else."""
    call = Call(code)
    _current.set(call)
    return call


def current() -> Call | None:
    """The call that this context is part of."""
    return _current.get()


def about(collection: str, model_id: str) -> None:
    """Tell which archive answers."""
    call = _current.get()
    if call is not None:
        call.collection, call.model_id = collection, model_id


def spent(stage: StageName, seconds: float) -> None:
    """Tell how long a stage took that was measured elsewhere, as in another thread."""
    call = _current.get()
    if call is not None:
        call.seconds[stage] = call.seconds.get(stage, 0.0) + seconds


def batch(size: int) -> None:
    """Tell how many stamps a run of the model has."""
    call = _current.get()
    if call is not None:
        call.batches.append(size)


class Stage:
    """While a stage goes on: ``with Stage("embed"):``. Costs about a microsecond."""

    __slots__ = ("_name", "_start")

    def __init__(self, name: StageName) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent(self._name, time.perf_counter() - self._start)
