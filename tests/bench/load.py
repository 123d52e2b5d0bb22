"""A load of calls, from a process of its own, that proves what it offered.

Open: calls begin at random moments of a fixed mean rate, whether or not earlier ones
were answered, as those of many independent callers do. Closed: so many callers, each of
which asks again once it is answered; this finds what a server can do.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.rpc import error_details_pb2, status_pb2
from numpy.typing import NDArray

_SOON = 0.2  # seconds for the process to get ready before its first call


@dataclass(frozen=True, slots=True)
class Load:
    """What to offer.

    Attributes
    ----------
    address, method
        Whom to ask for what.
    requests
        A file of serialised requests, each behind its length (4 bytes, little-endian);
        they are sent by turns.
    seconds
        For how long.
    deadline_seconds
        How long each caller waits.
    rate
        Calls per second, if the load is open.
    callers
        How many ask by turns, if it is closed.
    calm_rate, calm_seconds
        What an open load goes on with at once, by the same callers.
    """

    address: str
    method: str
    requests: str
    seconds: float
    deadline_seconds: float
    rate: float = 0.0
    callers: int = 0
    calm_rate: float = 0.0
    calm_seconds: float = 0.0

    def offered(self) -> "Outcome":
        """Offer it from another process."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.load", json.dumps(asdict(self))],
            capture_output=True,
            text=True,
            check=True,
        )
        return Outcome(np.array(json.loads(done.stdout)))


class Outcome:
    """What became of the calls, in the order they were due.

    Attributes
    ----------
    due, late, took : (n,) float64
        When each was due, in seconds from the first; how much later it was sent; how
        long it took.
    answered, refused : (n,) bool
        With an answer, in time; told to come later, by a RetryInfo. Else it failed.
    """

    def __init__(self, rows: NDArray[np.float64]) -> None:
        self._rows = rows
        self.due, self.late, self.took, ended = rows.T
        self.answered = ended == _ANSWERED
        self.refused = ended == _REFUSED

    def until(self, seconds: float) -> "Outcome":
        """Of the calls that were due before that."""
        return Outcome(self._rows[self.due < seconds])

    def since(self, seconds: float) -> "Outcome":
        """Of the calls that were due from then on."""
        return Outcome(self._rows[self.due >= seconds])

    @property
    def rate(self) -> float:
        """Calls per second that were offered."""
        return float(len(self.due) / self._span)

    @property
    def goodput(self) -> float:
        """Answers per second, once the first could be there and while calls came.

        What is in line at the end and answered after it would make the goodput of few
        seconds larger than that of many.
        """
        ended = (self.due + self.late + self.took)[self.answered]
        start = float(self.took[self.answered].max(initial=0.0))
        during = (ended > start) & (ended <= self._span)
        return float(during.sum() / (self._span - start))

    @property
    def _span(self) -> float:
        """Seconds in which they were offered, as it really was."""
        return float(self.due[-1] + self.late[-1])

    def latency(self, percent: float) -> float:
        """Seconds to an answer."""
        return float(np.percentile(self.took[self.answered], percent))


_ANSWERED, _REFUSED, _FAILED = 0, 1, 2


def write_requests(path: Path, messages: list[bytes]) -> str:
    """A file of requests as `Load` takes it."""
    parts = [len(message).to_bytes(4, "little") + message for message in messages]
    path.write_bytes(b"".join(parts))
    return str(path)


def read_requests(path: str) -> list[bytes]:
    """What `write_requests` wrote."""
    data, at, found = Path(path).read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _end(error: Any) -> int:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            details = status_pb2.Status.FromString(value).details
            if any(one.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for one in details):
                return _REFUSED
    return _FAILED


def _open(load: Load, ask: Any, requests: list[bytes]) -> list[tuple[float, ...]]:
    random = np.random.default_rng(0)
    due = _moments(random, load.rate, load.seconds)
    if load.calm_seconds:
        calm = _moments(random, load.calm_rate, load.calm_seconds)
        due = np.concatenate([due, load.seconds + calm])
    rows: list[tuple[float, ...]] = []
    begin = time.perf_counter() + _SOON

    def ended(call: Any, planned: float, sent: float) -> None:
        took = time.perf_counter() - begin - sent
        end = _ANSWERED if call.code() is grpc.StatusCode.OK else _end(call)
        rows.append((planned, sent - planned, took, end))

    for number, planned in enumerate(due.tolist()):
        wait = begin + planned - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        sent = time.perf_counter() - begin
        call = ask.future(requests[number % len(requests)], load.deadline_seconds)
        call.add_done_callback(
            lambda call, planned=planned, sent=sent: ended(call, planned, sent)
        )
    give_up = time.perf_counter() + load.deadline_seconds + 5
    while len(rows) < len(due) and time.perf_counter() < give_up:
        time.sleep(0.01)
    assert len(rows) == len(due)
    return sorted(rows)


def _moments(
    random: np.random.Generator, rate: float, seconds: float
) -> NDArray[np.float64]:
    """Random moments of a fixed mean rate."""
    moments = np.cumsum(random.exponential(1 / rate, int(rate * seconds * 1.5) + 50))
    return moments[moments < seconds]


def _closed(load: Load, ask: Any, requests: list[bytes]) -> list[tuple[float, ...]]:
    turns = itertools.cycle(requests)
    rows: list[tuple[float, ...]] = []
    begin = time.perf_counter()

    def caller() -> None:
        while (sent := time.perf_counter() - begin) < load.seconds:
            end = _ANSWERED
            try:
                ask(next(turns), load.deadline_seconds)
            except grpc.RpcError as error:
                end = _end(error)
            rows.append((sent, 0.0, time.perf_counter() - begin - sent, end))

    threads = [threading.Thread(target=caller) for _ in range(load.callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(rows)


def main() -> None:
    """Offer the load of the command line, and print what became of it."""
    load = Load(**json.loads(sys.argv[1]))
    requests = read_requests(load.requests)
    with grpc.insecure_channel(load.address) as channel:
        bare: Any = channel  # its stubs want serialisers
        ask = bare.unary_unary(load.method)
        ask(requests[0], timeout=60)
        rows = (_open if load.rate else _closed)(load, ask, requests)
    json.dump(rows, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # without waiting for threads of gRPC


if __name__ == "__main__":
    main()
