"""Long work on the server, one job at a time, that goes on when the caller has gone."""

import time
from collections.abc import AsyncIterator

from skylike.client import convert_jobs, errors, requests, types
from skylike.client.inputs import sendable
from skylike.client.queries import Work
from skylike.client.session import Session
from skylike.client.transport import Rpc
from skylike.v1 import job_pb2

_SERVICE = "/skylike.v1.JobService"
_START = Rpc(f"{_SERVICE}/StartJob", job_pb2.StartJobResponse.FromString)
_GET = Rpc(f"{_SERVICE}/GetJob", job_pb2.GetJobResponse.FromString)
_LIST = Rpc(f"{_SERVICE}/ListJobs", job_pb2.ListJobsResponse.FromString)
_WATCH = Rpc(f"{_SERVICE}/WatchJob", job_pb2.WatchJobResponse.FromString)
_REJECTS = Rpc(f"{_SERVICE}/ListJobRejects", job_pb2.ListJobRejectsResponse.FromString)
_CANCEL = Rpc(f"{_SERVICE}/CancelJob", job_pb2.CancelJobResponse.FromString)


class JobCalls(Session):
    """Starts, watches and stops long work."""

    async def start_job(
        self, work: Work, *, request_id: str | None = None
    ) -> types.Job:
        """Start a job, or put it in line.

        Parameters
        ----------
        work
            What to do.
        request_id
            Name of this request; by default one of its own. The same request again
            gives the same job, for as long as `jobs` has it.
        """
        request = requests.to_job(work)
        request.request_id = requests.named(request_id)
        return convert_jobs.job((await self._call(_START, request)).job)

    async def job(self, id: str) -> types.Job:
        """A job as it is now."""
        request = job_pb2.GetJobRequest(job_id=sendable(id))
        return convert_jobs.job((await self._call(_GET, request)).job)

    async def jobs(self) -> list[types.Job]:
        """All jobs, the newest first, at most 1000; also from before it was restarted."""
        answer = await self._call(_LIST, job_pb2.ListJobsRequest())
        return [convert_jobs.job(one) for one in answer.jobs]

    async def watch_job(self, id: str) -> AsyncIterator[types.Job]:
        """A job now, and again whenever something about it changes, until it has ended.

        There is no deadline. A connection that is lost is made again, for as long as
        the client's timeout.
        """
        request = job_pb2.WatchJobRequest(job_id=sendable(id))
        failed, failing_since = 0, 0.0
        while True:
            try:
                async for answer in self._listen(_WATCH, request):
                    self._patience.answered()
                    failed = 0
                    yield convert_jobs.job(answer.job)
                return
            except errors.SkylikeClientError as error:
                now = time.monotonic()
                failing_since = failing_since if failed else now
                failed += 1
                seconds = self._patience.pause(error, failed, is_safe=True)
                limit = failing_since + self._target.timeout
                if seconds is None or now + seconds >= limit:
                    raise
                await self._way.sleep(seconds)

    async def job_rejects(
        self, id: str, *, page_size: int = 1000
    ) -> AsyncIterator[types.JobReject]:
        """What a job that has ended left out, in its order, as it is needed.

        Parameters
        ----------
        id
            Of the job.
        page_size
            How many are fetched at a time, 1 to 1000.
        """
        request = job_pb2.ListJobRejectsRequest(
            job_id=sendable(id), page_size=page_size
        )
        while True:
            page = await self._call(_REJECTS, request)
            for one in page.rejects:
                yield convert_jobs.job_reject(one)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def cancel_job(self, id: str) -> types.Job:
        """Stop a job as soon as it can be left; what it wrote stays."""
        request = job_pb2.CancelJobRequest(job_id=sendable(id))
        return convert_jobs.job((await self._call(_CANCEL, request)).job)
