"""What a run tells of itself: one line of JSON per checkpoint, and TensorBoard."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"
EVENTS = "tensorboard"


class Record:
    """Writes the lines of a run, and its scalars for TensorBoard.

    Parameters
    ----------
    out
        Folder of the run.
    step
        Where it goes on: lines beyond it, of steps that are done again, are dropped.
    """

    def __init__(self, out: Path, step: int) -> None:
        path = out / LOG
        known = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in known if _step_of(line) <= step]
        path.write_text("".join(line + "\n" for line in kept))
        self._log = path.open("a")
        self._events = SummaryWriter(str(out / EVENTS), purge_step=step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
        self._events.close()

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append what was found at a step."""
        self._log.write(json.dumps({"step": step, **scalars}) + "\n")
        self._log.flush()
        for name, value in scalars.items():
            self._events.add_scalar(name, value, step)


def history(out: Path, name: str, step: int) -> list[float]:
    """What a run told of one scalar, up to a step; nothing of lines without it."""
    path = out / LOG
    lines = path.read_text().splitlines() if path.exists() else []
    told = [json.loads(line) for line in lines if _step_of(line) <= step]
    return [float(scalars[name]) for scalars in told if name in scalars]


def _step_of(line: str) -> float:
    """The step of a line; one that tells none, cut off by a crash, is beyond all."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, LookupError):
        return float("inf")
