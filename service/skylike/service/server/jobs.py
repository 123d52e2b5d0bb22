"""`JobService`: translates, and leaves the work to the jobs."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from skylike.service import jobs
from skylike.service.catalog import check_id
from skylike.service.clusters import Method, Settings
from skylike.service.collection import Writing, require_layout
from skylike.service.errors import BadRequest
from skylike.service.index import Kind
from skylike.service.jobs import Job, Jobs, State, Work
from skylike.service.prepare import Reject
from skylike.service.roots import allowed, without_roots
from skylike.service.server import pages
from skylike.v1 import job_pb2, job_pb2_grpc

_MOST_WORKERS = 256
_PAUSE = 1.0  # seconds after which a caller that has gone is noticed
_STATES = {
    State.WAITING: job_pb2.JOB_STATE_WAITING,
    State.RUNNING: job_pb2.JOB_STATE_RUNNING,
    State.DONE: job_pb2.JOB_STATE_DONE,
    State.FAILED: job_pb2.JOB_STATE_FAILED,
    State.CANCELLED: job_pb2.JOB_STATE_CANCELLED,
}


class JobServicer(job_pb2_grpc.JobServiceServicer):
    """Starts, watches and stops long work.

    Parameters
    ----------
    jobs
        What does it.
    roots
        Folders whose files callers may name; whoever may read is told of jobs, and
        need not know where these are.
    """

    def __init__(self, jobs: Jobs, roots: Sequence[Path]) -> None:
        self._jobs = jobs
        self._roots = roots

    def StartJob(  # noqa: N802
        self, request: job_pb2.StartJobRequest, context: grpc.ServicerContext
    ) -> job_pb2.StartJobResponse:
        """Starts a job, or puts it in line."""
        how = _named(request)
        job = self._jobs.start(self._work(request), how)
        return job_pb2.StartJobResponse(job=self._job_to(job))

    def GetJob(  # noqa: N802
        self, request: job_pb2.GetJobRequest, context: grpc.ServicerContext
    ) -> job_pb2.GetJobResponse:
        """One job."""
        job = self._jobs.get(request.job_id)
        return job_pb2.GetJobResponse(job=self._job_to(job))

    def ListJobs(  # noqa: N802
        self, request: job_pb2.ListJobsRequest, context: grpc.ServicerContext
    ) -> job_pb2.ListJobsResponse:
        """All jobs, the newest first."""
        return job_pb2.ListJobsResponse(jobs=map(self._job_to, self._jobs.all()))

    def WatchJob(  # noqa: N802
        self, request: job_pb2.WatchJobRequest, context: grpc.ServicerContext
    ) -> Iterator[job_pb2.WatchJobResponse]:
        """A job whenever something about it changes, until it has ended."""
        self._jobs.get(request.job_id)
        return self._watched(request.job_id, context)

    def CancelJob(  # noqa: N802
        self, request: job_pb2.CancelJobRequest, context: grpc.ServicerContext
    ) -> job_pb2.CancelJobResponse:
        """Stops a job as soon as it can be left."""
        job = self._jobs.cancel(request.job_id)
        return job_pb2.CancelJobResponse(job=self._job_to(job))

    def ListJobRejects(  # noqa: N802
        self, request: job_pb2.ListJobRejectsRequest, context: grpc.ServicerContext
    ) -> job_pb2.ListJobRejectsResponse:
        """What a job left out, page by page."""
        start, size = pages.row_of(request.page_token), pages.size_of(request.page_size)
        found = self._jobs.rejects(request.job_id, start, size)
        total, end = self._jobs.get(request.job_id).num_rejects, start + len(found)
        return job_pb2.ListJobRejectsResponse(
            rejects=map(self._reject_to, found),
            next_page_token=pages.token_of(end if found and end < total else None),
            total_size=total,
        )

    def _watched(
        self, id: str, context: grpc.ServicerContext
    ) -> Iterator[job_pb2.WatchJobResponse]:
        told = None
        for job in self._jobs.watch(id, _PAUSE):
            if not context.is_active():
                return
            if job != told:
                yield job_pb2.WatchJobResponse(job=self._job_to(job))
            told = job

    def _work(self, request: job_pb2.StartJobRequest) -> Work:
        match request.WhichOneof("work"):
            case "index":
                index = request.index
                if not index.sources:
                    raise BadRequest("name a source to index", reason="empty_job")
                if index.id_prefix:
                    check_id(index.id_prefix)
                has_limit = index.HasField("max_reject_fraction")
                return jobs.Index(
                    index.collection,
                    self._paths(index.sources),
                    tuple(self._roots),
                    _share(index.max_reject_fraction) if has_limit else 1.0,
                    self._paths(index.calibration),
                    min(index.workers, _MOST_WORKERS),
                    index.id_prefix,
                )
            case "fit":
                calibration = self._paths(request.fit.calibration)
                for name in request.fit.layouts:
                    require_layout(name)
                seed = request.fit.seed
                if seed >= 2**32:
                    raise BadRequest(
                        f"the seed {seed} exceeds 32 bits", reason="bad_seed"
                    )
                return jobs.Fit(
                    request.fit.collection,
                    tuple(self._roots),
                    calibration,
                    seed if request.fit.HasField("seed") else None,
                    *_clustering(request.fit),
                    tuple(request.fit.layouts),
                )
            case "reindex":
                again = request.reindex
                return jobs.Reindex(
                    again.alias,
                    allowed(again.model, self._roots),
                    tuple(self._roots),
                    _share(again.max_reject_fraction),
                    self._paths(again.calibration),
                )
            case "compact":
                return jobs.Compact(
                    request.compact.collection, _kind(request.compact.kind)
                )
            case "snapshot":
                path = allowed(request.snapshot.path, self._roots)
                return jobs.Snapshot(
                    request.snapshot.collection, path, tuple(self._roots)
                )
            case None:
                raise BadRequest("the job says not what to do", reason="empty_job")

    def _paths(self, names: Sequence[str]) -> tuple[Path, ...]:
        return tuple(allowed(name, self._roots) for name in names)

    def _job_to(self, job: Job) -> job_pb2.Job:
        stage = job.stage
        made = job_pb2.Job(
            job_id=job.id,
            kind=job.kind,
            state=_STATES[job.state],
            seconds=job.seconds,
            result_json=job.result,
            reason=job.reason.upper(),
            message=without_roots(job.message, self._roots),
            collection=job.collection,
            create_time=_time_to(job.created),
            start_time=_time_to(job.started),
            end_time=_time_to(job.ended),
            num_rejects=job.num_rejects,
        )
        if stage is not None:
            made.stage, made.done, made.total = stage.work, stage.done, stage.total
            made.rate = stage.rate
            if stage.seconds_left is not None:
                made.seconds_left = max(0.0, stage.seconds_left)
        return made

    def _reject_to(self, reject: Reject) -> job_pb2.JobReject:
        return job_pb2.JobReject(
            image=without_roots(reject.path, self._roots),
            reason=reject.code.upper(),
            message=without_roots(reject.message, self._roots),
        )


def _named(request: job_pb2.StartJobRequest) -> Writing:
    """What the request is called, and the digest of what it asks for."""
    asked = job_pb2.StartJobRequest()
    asked.CopyFrom(request)
    asked.ClearField("request_id")
    digest = hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()
    return Writing(request.request_id, digest=digest if request.request_id else "")


def _share(fraction: float) -> float:
    if not 0 <= fraction <= 1:
        raise BadRequest(
            f"max_reject_fraction is {fraction}; 0 to 1 are expected",
            reason="bad_fraction",
        )
    return fraction


def _clustering(request: job_pb2.FitJob) -> tuple[Method | None, int | None]:
    """The method and the number of clusters; None for what the last fit had."""
    number = request.num_clusters if request.HasField("num_clusters") else None
    if not request.method:
        Settings(number=number or 0)
        return None, number
    # Whatever text comes, this refuses it unless it is a method.
    settings = Settings(cast(Method, request.method), number or 0)
    return settings.method, number


def _kind(name: str) -> Kind | None:
    if not name:
        return None
    try:
        return Kind(name)
    except ValueError as error:
        known = ", ".join(kind.value for kind in Kind)
        raise BadRequest(
            f"there is no index of the kind {name!r}; there are: {known}",
            reason="bad_kind",
        ) from error


def _time_to(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    made = Timestamp()
    made.FromDatetime(time)
    return made
