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
from skylike.service.collection import SkyObject, Writing
from skylike.service.errors import (
    BadRequest,
    Cancelled,
    Closed,
    NotFound,
    NotReady,
    Overloaded,
    StorageFailed,
)
from skylike.service.jobs import Job, Jobs, State
from skylike.service.jobs.job import now
from skylike.service.jobs.records import Records
from skylike.service.library import Library
from skylike.service.prepare import Reject
from skylike.service.progress import Watched

SECONDS = 30.0


@dataclass(frozen=True)
class Held:
    """Work that begins, and ends when it is let go."""

    has_begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    kind, collection = "held", ""

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
        self.has_begun.set()
        assert self.may_end.wait(SECONDS)
        return {}


@dataclass(frozen=True)
class Short:
    """Work that is done at once."""

    name: str = ""

    kind, collection = "short", ""

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
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


@dataclass(frozen=True)
class Choosy:
    """Work that leaves out so many images, and then perhaps fails."""

    num_rejects: int
    fails: bool = False

    kind, collection = "choosy", ""

    def do(
        self, library: Library, shown: Watched, refused: list[Reject]
    ) -> dict[str, Any]:
        refused += [
            Reject(f"{number}.fits", "truncated", f"{number}.fits: \N{SNOWMAN}")
            for number in range(self.num_rejects)
        ]
        if self.fails:
            raise BadRequest("too much was left out")
        return {}


def test_what_a_job_left_out_is_told_from_any_place_on(jobs: Jobs) -> None:
    """Of each job its own, whether it failed or not."""
    first = ended(jobs, jobs.start(Choosy(2500)))
    second = ended(jobs, jobs.start(Choosy(3, fails=True)))
    assert (first.state, first.num_rejects) == (State.DONE, 2500)
    assert (second.state, second.num_rejects) == (State.FAILED, 3)
    for start, count in ((0, 1), (0, 1000), (999, 2), (1990, 1000), (2499, 5)):
        found = jobs.rejects(first.id, start, count)
        wanted = range(start, min(start + count, 2500))
        assert [one.path for one in found] == [f"{number}.fits" for number in wanted]
    assert jobs.rejects(first.id, 2500, 10) == []
    assert jobs.rejects(first.id, 10**18, 10) == []
    last = Reject("2.fits", "truncated", "2.fits: \N{SNOWMAN}")
    assert jobs.rejects(second.id, 2, 1000) == [last]
    assert jobs.rejects(ended(jobs, jobs.start(Short())).id, 0, 10) == []


def test_before_its_end_nobody_knows_what_a_job_leaves_out(
    jobs: Jobs, held: Held
) -> None:
    for job in (jobs.all()[0], jobs.start(Short())):
        with pytest.raises(NotReady) as caught:
            jobs.rejects(job.id, 0, 10)
        assert caught.value.reason == "job_unfinished"


def test_jobs_outlive_the_process_with_all_that_is_told_of_them(
    tmp_path: Path,
) -> None:
    """Their names, their times, what they left out; the names of their requests too."""
    with Library(tmp_path) as library:
        jobs = Jobs(library)
        done = ended(jobs, jobs.start(Choosy(3), Writing("night-1", digest="a")))
        failed = ended(jobs, jobs.start(Choosy(1, fails=True)))
        before = jobs.all()
        jobs.close()
    with Library(tmp_path) as library:
        jobs = Jobs(library)
        assert jobs.all() == before == [failed, done]
        assert done.started is not None
        assert done.ended is not None
        assert done.created <= done.started <= done.ended
        assert len(jobs.rejects(done.id, 0, 10)) == 3
        assert jobs.start(Choosy(3), Writing("night-1", digest="a")) == done
        with pytest.raises(BadRequest) as caught:
            jobs.start(Short(), Writing("night-1", digest="b"))
        assert caught.value.reason == "request_id_reused"
        jobs.close()


def test_a_job_that_was_killed_says_what_is_left_of_it_by_its_kind(
    tmp_path: Path,
) -> None:
    """Not all of them go on where they were."""
    told = {
        "index": "what it wrote stays. Start it again: what is done already is not done",
        "fit": "the fits before it answer still. Start it again in the same way",
        "reindex": "the alias points to where it did. Start it again",
        "compact": "the index is as it was. Start it again: it begins anew",
        "snapshot": "there is a whole file or none. Start it again",
        "of another skylike": "start it again",
    }
    with Library(tmp_path) as library:
        records = Records(tmp_path / "jobs")
        for number, kind in enumerate(told):
            job = Job(f"{number}", kind, "sky", now(), now(), state=State.RUNNING)
            records.keep(job)
        jobs = Jobs(library)
        for job in jobs.all():
            assert (job.state, job.reason) == (State.FAILED, "interrupted")
            expected = f"the service ended while this job ran; {told[job.kind]}"
            assert job.message.startswith(expected)
        jobs.close()


def test_jobs_that_a_stopping_service_left_say_so(jobs: Jobs, held: Held) -> None:
    waiting = jobs.start(Short())
    jobs.close(0.1)
    last = jobs.get(waiting.id)
    assert (last.state, last.reason) == (State.CANCELLED, "interrupted")
    assert "start it again" in last.message.lower()


def test_a_record_that_is_damaged_hides_no_other(tmp_path: Path) -> None:
    with Library(tmp_path) as library:
        jobs = Jobs(library)
        first, second = (ended(jobs, jobs.start(Short())) for _ in range(2))
        jobs.close()
    record = tmp_path / "jobs" / f"{first.id}.json"
    record.write_bytes(record.read_bytes().replace(b"short", b"shore"))
    (tmp_path / "jobs" / "torn.new").write_text("{")
    with Library(tmp_path) as library:
        assert Jobs(library).all() == [second]
    assert not (tmp_path / "jobs" / "torn.new").exists()


def test_what_is_forgotten_leaves_no_file(jobs: Jobs, tmp_path: Path) -> None:
    first = ended(jobs, jobs.start(Choosy(1)))
    assert len(list((tmp_path / "jobs").glob(f"{first.id}.*"))) == 2
    for _ in range(1000):
        ended(jobs, jobs.start(Short()))
    assert list((tmp_path / "jobs").glob(f"{first.id}.*")) == []
    assert len(list((tmp_path / "jobs").iterdir())) == 1000


def test_a_disk_that_takes_no_record_takes_no_job(jobs: Jobs, tmp_path: Path) -> None:
    """And a job that is at work then is told to its end nevertheless."""
    work = Held()
    running = jobs.start(work)
    assert work.has_begun.wait(SECONDS)
    folder = tmp_path / "jobs"
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageFailed):
        jobs.start(Short())
    work.may_end.set()
    assert ended(jobs, running).state is State.DONE
    assert jobs.all()[0].id == running.id


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
    first = jobs.start(Short("a"), Writing("night-1", digest="a"))
    assert jobs.start(Short("a"), Writing("night-1", digest="a")) == first
    assert jobs.start(Short("a"), Writing("night-2", digest="a")).id != first.id
    for _ in range(98):
        jobs.start(Short())
    assert jobs.start(Short("a"), Writing("night-1", digest="a")) == first
    held.may_end.set()
    assert ended(jobs, first).result == '{"name": "a"}'
    assert jobs.start(Short("a"), Writing("night-1", digest="a")) == jobs.get(first.id)
    assert len(jobs.all()) == 101


def test_a_name_of_a_request_stands_for_one_job(jobs: Jobs) -> None:
    jobs.start(Short("a"), Writing("night-1", digest="a"))
    with pytest.raises(BadRequest) as caught:
        jobs.start(Short("b"), Writing("night-1", digest="b"))
    assert caught.value.reason == "request_id_reused"


def test_names_of_requests_are_forgotten_with_their_jobs(jobs: Jobs) -> None:
    first = ended(jobs, jobs.start(Short("a"), Writing("night-1", digest="a")))
    for _ in range(1000):
        ended(jobs, jobs.start(Short()))
    again = jobs.start(Short("b"), Writing("night-1", digest="b"))
    assert again.id != first.id
    assert ended(jobs, again).result == '{"name": "b"}'
