"""`Jobs`: long work in line, watched and stopped from other threads."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import structlog

from skylike.service import caller
from skylike.service.collection import DURABLE, Writing
from skylike.service.errors import (
    BadRequest,
    Cancelled,
    Closed,
    NotFound,
    NotReady,
    Overloaded,
    SkylikeError,
)
from skylike.service.jobs.job import Job, State, now
from skylike.service.jobs.records import Records
from skylike.service.jobs.work import AGAIN, Work
from skylike.service.library import Library
from skylike.service.logs import printable
from skylike.service.prepare import Reject
from skylike.service.progress import Stage

_KEPT = 1000
_LONGEST_LINE = 100
_RETRY_SECONDS = 10.0  # of a line that is full: jobs take seconds to hours

_AGAIN = "start it again"  # of a kind that another skylike knows

_log = structlog.get_logger()


class Jobs:
    """Does one job after the other, in a thread of its own. Safe from any thread.

    Jobs are remembered beyond the process, in the data directory; one that had not ended
    with the last process is told as one that failed.

    Parameters
    ----------
    library
        What they work on.

    Raises
    ------
    NoSpace, StorageFailed
        If the disk does not tell of jobs before, or takes none.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._records = Records(library.directory / "jobs")
        self._jobs: dict[str, Job] = {}
        self._requests: dict[str, str] = {}  # what has a request id, and the job's id
        self._line: dict[str, Work] = {}  # of those that wait, the oldest first
        self._to_stop: set[str] = set()
        self._starting = threading.Lock()
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        for job in self._records.all():
            self._jobs[job.id] = job if job.state.is_last else self._interrupted(job)
            self._requests[job.request_id] = job.id
        self._requests.pop("", None)
        self._forget_the_oldest()

    def start(self, work: Work, how: Writing = DURABLE) -> Job:
        """Put work in line. It is remembered when this returns.

        Parameters
        ----------
        work
            What to do.
        how
            The caller's name for this request, if it has one; the same again gives the
            same job, for as long as that is remembered.

        Raises
        ------
        BadRequest
            ``request_id_reused`` if the name stands for another request.
        Closed
            When the service stops.
        Overloaded
            ``too_many_jobs`` if 100 are in line.
        NoSpace, StorageFailed
            If the disk does not take it.
        """
        with self._starting:
            with self._changed:
                known = self._requested(how)
                if known is not None:
                    return known
                self._require_room()
            job = Job(
                uuid.uuid4().hex,
                work.kind,
                work.collection,
                now(),
                request_id=how.request_id,
                digest=how.digest,
            )
            self._records.keep(job)  # those who only look do not wait for the disk
            with self._changed:
                self._jobs[job.id] = job
                self._line[job.id] = work
                if how.request_id:
                    self._requests[how.request_id] = job.id
                self._changed.notify_all()
                if self._thread is None:
                    # Nor does it hold a process that ends.
                    self._thread = threading.Thread(
                        target=self._work, name="jobs", daemon=True
                    )
                    self._thread.start()
            self._forget_the_oldest()
            return job

    def get(self, id: str) -> Job:
        """A job as it is now; `NotFound` (``unknown_job``) if there is none."""
        with self._changed:
            return self._get(id)

    def all(self) -> list[Job]:
        """All jobs, the newest first, at most 1000 of those that have ended."""
        with self._changed:
            return list(self._jobs.values())[::-1]

    def rejects(self, id: str, start: int, count: int) -> list[Reject]:
        """Some of what a job that has ended left out, and why.

        Parameters
        ----------
        id
            Of the job.
        start, count
            How many to pass over, and how many to tell at most.

        Raises
        ------
        NotFound
            ``unknown_job``.
        NotReady
            ``job_unfinished``: nobody knows all before the end.
        """
        job = self.get(id)
        if not job.state.is_last:
            raise NotReady(
                f"the job {id!r} is {job.state}: what it left out is told when it has "
                "ended",
                reason="job_unfinished",
            )
        return self._records.rejects(id, start, count) if job.num_rejects else []

    def watch(self, id: str, pause: float) -> Iterator[Job]:
        """A job whenever something about it has changed, until it has ended.

        At least once in `pause` seconds, so that who listens can go.
        """
        known: Job | None = None

        def has_changed() -> bool:
            return self._get(id) != known

        while known is None or not known.state.is_last:
            with self._changed:
                self._changed.wait_for(has_changed, pause)
                known = self._get(id)
            yield known

    def cancel(self, id: str) -> Job:
        """Stop a job as soon as it can be left; one that has ended stays as it is.

        It runs until it looks whether it is still wanted, mostly within a second; one
        that comes to its end before is done.
        """
        with self._changed:
            job = self._get(id)
            if self._line.pop(id, None) is None:
                if not job.state.is_last:
                    self._to_stop.add(id)
                return job
        return self._reach(self._stopped(job))

    def stop(self) -> None:
        """Take no more jobs, and stop all as soon as they can be left."""
        with self._starting, self._changed:
            self._is_closing = True
            open_ones = [one.id for one in self._jobs.values() if not one.state.is_last]
        for id in open_ones:
            self.cancel(id)
        with self._changed:
            self._changed.notify_all()

    def close(self, timeout: float | None = None) -> None:
        """Stop all jobs, and wait until that is done; at most so many seconds.

        Work that cannot be left in time goes on until the process ends. What it has
        written by then is as durable as it would be after a crash.
        """
        self.stop()
        if self._thread is not None:
            self._thread.join(timeout)
            for job in self.all():
                if not job.state.is_last:
                    _log.warning("left_behind", job=job.id, why="it cannot be stopped")

    def _requested(self, how: Writing) -> Job | None:
        """The job that a request of this name has started."""
        if how.request_id not in self._requests:
            return None
        job = self._jobs[self._requests[how.request_id]]
        if job.digest != how.digest:
            raise BadRequest(
                f"the request_id {how.request_id!r} was used for another job: give "
                "each its own",
                reason="request_id_reused",
            )
        return job

    def _require_room(self) -> None:
        if self._is_closing:
            raise Closed("the service is stopping")
        if len(self._line) >= _LONGEST_LINE:
            raise Overloaded(
                f"{len(self._line)} jobs are in line already: wait, or cancel some",
                retry_seconds=_RETRY_SECONDS,
                reason="too_many_jobs",
            )

    def _forget_the_oldest(self) -> None:
        with self._changed:
            ended = [one for one in self._jobs.values() if one.state.is_last]
            gone = ended[: max(0, len(self._jobs) - _KEPT)]
            for job in gone:
                del self._jobs[job.id]
                self._requests.pop(job.request_id, None)
        for job in gone:
            self._records.forget(job.id)

    def _get(self, id: str) -> Job:
        if id not in self._jobs:
            raise NotFound(f"there is no job {id!r}", reason="unknown_job")
        return self._jobs[id]

    def _tell(self, job: Job) -> Job:
        with self._changed:
            self._jobs[job.id] = job
            self._changed.notify_all()
            return job

    def _reach(self, job: Job) -> Job:
        """A job that has come to a new state: remembered, as far as can be, and told."""
        if job.state.is_last:
            job = replace(job, ended=now())
        try:
            self._records.keep(job)
        except SkylikeError as error:  # what it did stays done
            _log.warning("job_unrecorded", job=job.id, why=str(error))
        return self._tell(job)

    def _interrupted(self, job: Job) -> Job:
        """One that a process left behind."""
        what = (
            "before this job began: start it again"
            if job.state is State.WAITING
            else f"while this job ran; {AGAIN.get(job.kind, _AGAIN)}"
        )
        return self._reach(
            replace(
                job,
                state=State.FAILED,
                reason="interrupted",
                message=f"the service ended {what}",
            )
        )

    def _stopped(self, job: Job) -> Job:
        if not self._is_closing:
            return replace(job, state=State.CANCELLED)
        return replace(
            job,
            state=State.CANCELLED,
            reason="interrupted",
            message="the service was stopped before this job began: start it again"
            if job.state is State.WAITING
            else f"the service was stopped while this job ran; "
            f"{AGAIN.get(job.kind, _AGAIN)}",
        )

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._line or self._is_closing)
                if not self._line or self._is_closing:
                    return
                id, work = next(iter(self._line.items()))
                del self._line[id]
                job = self._jobs[id]
            self._do(replace(job, state=State.RUNNING, started=now()), work)

    def _do(self, job: Job, work: Work) -> None:
        id = job.id
        refused: list[Reject] = []

        def wanted() -> None:
            if id in self._to_stop:
                raise Cancelled("the job was asked to stop")

        def watched(stage: Stage) -> None:
            nonlocal job
            job = self._tell(replace(job, stage=stage))
            wanted()

        with suppress(SkylikeError), self._library.using(job.collection) as target:
            job = replace(job, collection=target.name)
        job = self._reach(job)
        _log.info("job_begun", job=id, kind=job.kind, collection=job.collection)
        try:
            with caller.waits(wanted):
                told = work.do(self._library, watched, refused)
            job = replace(job, state=State.DONE, result=json.dumps(told))
        except Cancelled:
            job = self._stopped(job)
        except SkylikeError as error:
            text = printable(str(error))
            job = replace(job, state=State.FAILED, reason=error.reason, message=text)
        except Exception:
            _log.exception("job_failed", job=id)
            text = f"something went wrong inside; the log tells more of job {id}"
            job = replace(job, state=State.FAILED, reason="internal", message=text)
        try:
            self._records.keep_rejects(id, refused)
            job = replace(job, num_rejects=len(refused))
        except SkylikeError as error:
            _log.warning("rejects_unrecorded", job=id, why=str(error))
        self._reach(job)
        self._to_stop.discard(id)
        _log.info("job_ended", job=id, state=job.state.value, reason=job.reason or None)
