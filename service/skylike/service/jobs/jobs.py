"""`Jobs`: long work in line, watched and stopped from other threads."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum, auto

import structlog

from skylike.service import caller
from skylike.service.errors import (
    BadRequest,
    Cancelled,
    Closed,
    NotFound,
    Overloaded,
    SkylikeError,
)
from skylike.service.jobs.work import Work
from skylike.service.library import Library
from skylike.service.logs import printable
from skylike.service.progress import Stage

_KEPT = 1000
_LONGEST_LINE = 100
_RETRY_SECONDS = 10.0  # of a line that is full: jobs take seconds to hours

_log = structlog.get_logger()


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
    stage
        What it is at, as far as that tells.
    began, ended
        When it was put in line, and when it ended; of the clock that only goes forward.
    result
        What came of it, as JSON; empty before.
    reason, message
        Why it failed.
    request_id
        The caller's name for the request that started it; empty for none.
    """

    id: str
    kind: str
    began: float
    ended: float | None = None
    state: State = State.WAITING
    stage: Stage | None = None
    result: str = ""
    reason: str = ""
    message: str = ""
    request_id: str = ""

    @property
    def seconds(self) -> float:
        """Since it was put in line, until now or until it ended."""
        return (self.ended or time.monotonic()) - self.began


class Jobs:
    """Does one job after the other, in a thread of its own. Safe from any thread.

    What was in line is forgotten with the process; what jobs wrote is not.

    Parameters
    ----------
    library
        What they work on.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._jobs: dict[str, Job] = {}
        self._requests: dict[str, tuple[str, Work]] = {}  # what has a request id
        self._line: dict[str, Work] = {}  # of those that wait, the oldest first
        self._to_stop: set[str] = set()
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def start(self, work: Work, request_id: str = "") -> Job:
        """Put work in line.

        Parameters
        ----------
        work
            What to do.
        request_id
            The caller's name for this request; the same again gives the same job, for
            as long as that is remembered.

        Raises
        ------
        BadRequest
            ``request_id_reused`` if the name stands for other work.
        Closed
            When the service stops.
        Overloaded
            ``too_many_jobs`` if 100 are in line.
        """
        with self._changed:
            if request_id in self._requests:
                id, known = self._requests[request_id]
                if known != work:
                    raise BadRequest(
                        f"the request_id {request_id!r} was used for another job: give "
                        "each its own",
                        reason="request_id_reused",
                    )
                return self._jobs[id]
            if self._is_closing:
                raise Closed("the service is stopping")
            if len(self._line) >= _LONGEST_LINE:
                raise Overloaded(
                    f"{len(self._line)} jobs are in line already: wait, or cancel some",
                    retry_seconds=_RETRY_SECONDS,
                    reason="too_many_jobs",
                )
            job = Job(
                uuid.uuid4().hex, work.kind, time.monotonic(), request_id=request_id
            )
            self._jobs[job.id] = job
            self._line[job.id] = work
            if request_id:
                self._requests[request_id] = job.id, work
            self._forget_the_oldest()
            self._changed.notify_all()
            if self._thread is None:
                # Nor does it hold a process that ends.
                self._thread = threading.Thread(
                    target=self._work, name="jobs", daemon=True
                )
                self._thread.start()
            return job

    def get(self, id: str) -> Job:
        """A job as it is now; `NotFound` (``unknown_job``) if there is none."""
        with self._changed:
            return self._get(id)

    def all(self) -> list[Job]:
        """All jobs, the newest first, at most 1000 of those that have ended."""
        with self._changed:
            return list(self._jobs.values())[::-1]

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
            if id in self._line:
                del self._line[id]
                job = self._tell(replace(job, state=State.CANCELLED))
            elif not job.state.is_last:
                self._to_stop.add(id)
            return job

    def stop(self) -> None:
        """Take no more jobs, and stop all as soon as they can be left."""
        with self._changed:
            self._is_closing = True
            for id in self._jobs:
                self.cancel(id)
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

    def _forget_the_oldest(self) -> None:
        ended = [one for one in self._jobs.values() if one.state.is_last]
        for job in ended[: max(0, len(self._jobs) - _KEPT)]:
            del self._jobs[job.id]
            self._requests.pop(job.request_id, None)

    def _get(self, id: str) -> Job:
        if id not in self._jobs:
            raise NotFound(f"there is no job {id!r}", reason="unknown_job")
        return self._jobs[id]

    def _tell(self, job: Job) -> Job:
        with self._changed:
            if job.state.is_last:
                job = replace(job, ended=time.monotonic())
            self._jobs[job.id] = job
            self._changed.notify_all()
            return job

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._line or self._is_closing)
                if not self._line:
                    return
                id, work = next(iter(self._line.items()))
                del self._line[id]
                job = self._tell(replace(self._jobs[id], state=State.RUNNING))
            self._do(job, work)

    def _do(self, job: Job, work: Work) -> None:
        id = job.id

        def wanted() -> None:
            if id in self._to_stop:
                raise Cancelled("the job was asked to stop")

        def watched(stage: Stage) -> None:
            nonlocal job
            job = self._tell(replace(job, stage=stage))
            wanted()

        _log.info("job_begun", job=id, kind=work.kind)
        try:
            with caller.waits(wanted):
                told = work.do(self._library, watched)
            job = replace(job, state=State.DONE, result=json.dumps(told))
        except Cancelled:
            job = replace(job, state=State.CANCELLED)
        except SkylikeError as error:
            text = printable(str(error))
            job = replace(job, state=State.FAILED, reason=error.reason, message=text)
        except Exception:
            _log.exception("job_failed", job=id)
            text = f"something went wrong inside; the log tells more of job {id}"
            job = replace(job, state=State.FAILED, reason="internal", message=text)
        with self._changed:
            self._to_stop.discard(id)
            self._tell(job)
        _log.info("job_ended", job=id, state=job.state.value, reason=job.reason or None)
