"""The line of jobs: its order, its bounds, how it stops."""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skylike.service import caller, snapshot
from skylike.service.collection import SkyObject
from skylike.service.errors import (
    BadRequest,
    Cancelled,
    Closed,
    NotFound,
    Overloaded,
)
from skylike.service.jobs import Job, Jobs, State
from skylike.service.library import Library
from skylike.service.progress import Watched

SECONDS = 30.0


@dataclass(frozen=True)
class Held:
    """Work that begins, and ends when it is let go."""

    has_begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    kind = "held"

    def do(self, library: Library, shown: Watched) -> dict[str, Any]:
        self.has_begun.set()
        assert self.may_end.wait(SECONDS)
        return {}


@dataclass(frozen=True)
class Short:
    """Work that is done at once."""

    name: str = ""

    kind = "short"

    def do(self, library: Library, shown: Watched) -> dict[str, Any]:
        return {"name": self.name}


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with Library(tmp_path) as library:
        jobs = Jobs(library)
        yield jobs
        jobs.close()


@pytest.fixture
def held(jobs: Jobs) -> Iterator[Held]:
    """What is being done, so that all that follows waits."""
    work = Held()
    jobs.start(work)
    assert work.has_begun.wait(SECONDS)
    yield work
    work.may_end.set()


def ended(jobs: Jobs, job: Job) -> Job:
    late = time.monotonic() + SECONDS
    for told in jobs.watch(job.id, 1.0):
        assert time.monotonic() < late, told
    return told


def test_jobs_that_are_cancelled_in_line_are_no_burden(jobs: Jobs, held: Held) -> None:
    """More than are remembered: the line is empty, and what follows is done."""
    for _ in range(1100):
        cancelled = jobs.cancel(jobs.start(Short()).id)
        assert cancelled.state is State.CANCELLED
    held.may_end.set()
    assert ended(jobs, jobs.start(Short())).state is State.DONE


def test_a_hundred_wait_and_no_more(jobs: Jobs, held: Held) -> None:
    waiting = [jobs.start(Short(str(number))) for number in range(100)]
    with pytest.raises(Overloaded) as caught:
        jobs.start(Short())
    assert caught.value.reason == "too_many_jobs"
    assert caught.value.retry_seconds >= 1
    jobs.cancel(waiting[50].id)
    assert jobs.start(Short()).state is State.WAITING


def test_of_those_that_ended_a_thousand_are_remembered(jobs: Jobs) -> None:
    first = jobs.start(Short())
    for _ in range(1001):
        last = ended(jobs, jobs.start(Short()))
    with pytest.raises(NotFound):
        jobs.get(first.id)
    assert jobs.all()[0] == last
    assert len(jobs.all()) == 1000


def test_closing_stops_what_waits_too(jobs: Jobs, held: Held) -> None:
    waiting = [jobs.start(Short()) for _ in range(3)]
    closing = threading.Thread(target=jobs.close)
    closing.start()
    while jobs.get(waiting[-1].id).state is State.WAITING:
        time.sleep(0.01)
    held.may_end.set()
    closing.join(SECONDS)
    assert not closing.is_alive()
    assert {jobs.get(one.id).state for one in waiting} == {State.CANCELLED}
    with pytest.raises(Closed, match="stopping"):
        jobs.start(Short())


def test_a_job_tells_how_long_ago_it_was_started_and_at_its_end_what_it_took(
    jobs: Jobs, held: Held
) -> None:
    """In line, while it is done, and for ever after."""
    waiting = jobs.start(Short())
    running = jobs.all()[-1]
    assert running.state is State.RUNNING
    time.sleep(0.2)
    for job in (waiting, running):
        first = jobs.get(job.id).seconds
        assert first >= 0.2
        assert jobs.get(job.id).seconds > first
    held.may_end.set()
    last = ended(jobs, waiting)
    assert last.seconds >= 0.2
    time.sleep(0.05)
    assert jobs.get(waiting.id).seconds == last.seconds


def test_closing_waits_no_longer_than_it_may(jobs: Jobs, held: Held) -> None:
    """For work that never looks whether it is wanted; it is told as what it is."""
    running = jobs.all()[-1]
    start = time.monotonic()
    jobs.close(0.3)
    assert 0.3 <= time.monotonic() - start < 3
    assert jobs.get(running.id).state is State.RUNNING
    held.may_end.set()
    assert ended(jobs, running).state is State.DONE


class Patience:
    """A caller that asks to stop when it has been looked at so many times."""

    def __init__(self, most: int) -> None:
        self.looks, self._most = 0, most

    def __call__(self) -> None:
        self.looks += 1
        if self.looks > self._most:
            raise Cancelled("enough")


def test_a_fit_that_is_stopped_leaves_everything_as_it_was(
    data: Path,
) -> None:
    """At every look it takes, between the steps of the mixture too."""
    with Library(data) as library:
        sky = library.collection("sky")
        version, clusters = sky.version, sky.clusters
        for most in itertools.count():
            patience = Patience(most)
            try:
                with caller.waits(patience):
                    sky.fit(seed=1)
            except Cancelled:
                assert (sky.version, sky.clusters) == (version, clusters)
            else:
                break
        assert patience.looks > 6
        assert sky.version == version + 1


def test_a_snapshot_that_is_stopped_leaves_nothing(data: Path, tmp_path: Path) -> None:
    """At every look: while the catalog is copied, and while the file is written."""
    folder = tmp_path / "snapshots"
    folder.mkdir()
    with Library(data) as library:
        sky = library.collection("sky")
        vectors = np.eye(sky.dimension, dtype=np.float32)
        many = [SkyObject(f"more-{number}") for number in range(20_000)]
        sky.add(many, vectors[np.arange(len(many)) % sky.dimension])
        for most in itertools.count():
            patience = Patience(most)
            try:
                with caller.waits(patience):
                    library.snapshot("sky", folder / "sky.snapshot")
            except Cancelled:
                assert list(folder.iterdir()) == []
            else:
                break
        assert patience.looks > 5
        sky.label(["more-100"], ["written"])  # no lock was left behind
    snapshot.verify(folder / "sky.snapshot")


def test_a_request_that_is_repeated_gives_the_same_job(jobs: Jobs, held: Held) -> None:
    """In line, after its end, and where no other would find room in line."""
    first = jobs.start(Short("a"), "night-1")
    assert jobs.start(Short("a"), "night-1") == first
    assert jobs.start(Short("a"), "night-2").id != first.id
    for _ in range(98):
        jobs.start(Short())
    assert jobs.start(Short("a"), "night-1") == first
    held.may_end.set()
    assert ended(jobs, first).result == '{"name": "a"}'
    assert jobs.start(Short("a"), "night-1") == jobs.get(first.id)
    assert len(jobs.all()) == 101


def test_a_name_of_a_request_stands_for_one_job(jobs: Jobs) -> None:
    jobs.start(Short("a"), "night-1")
    with pytest.raises(BadRequest) as caught:
        jobs.start(Short("b"), "night-1")
    assert caught.value.reason == "request_id_reused"


def test_names_of_requests_are_forgotten_with_their_jobs(jobs: Jobs) -> None:
    first = ended(jobs, jobs.start(Short("a"), "night-1"))
    for _ in range(1000):
        ended(jobs, jobs.start(Short()))
    again = jobs.start(Short("b"), "night-1")
    assert again.id != first.id
    assert ended(jobs, again).result == '{"name": "b"}'
