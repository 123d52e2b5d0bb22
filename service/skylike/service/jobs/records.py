"""`Records`: what is known of jobs when the process that did them is gone.

::

    <job id>.json       the job when it was put in line, when it began, or at its end
    <job id>.parquet    what it left out, if anything
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from skylike.service import durable
from skylike.service.errors import DamagedData
from skylike.service.indexer import read_rejects, write_rejects
from skylike.service.jobs.job import Job
from skylike.service.prepare import Reject

_JOB = TypeAdapter(Job)

_log = structlog.get_logger()


class Records:
    """Jobs in a folder, each a file of its own. Safe from any thread, one for each job.

    Parameters
    ----------
    directory
        Made if it does not exist.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with durable.storing(directory):
            durable.make_folder(directory)
            for unfinished in directory.glob("*.new"):
                unfinished.unlink()

    def all(self) -> list[Job]:
        """Every job, the oldest first; one that cannot be read does not hide others."""
        found = []
        for path in self._directory.glob("*.json"):
            try:
                found.append(_JOB.validate_python(durable.read_sealed(path)))
            except (DamagedData, ValidationError) as error:
                _log.warning("job_unreadable", path=str(path), why=str(error))
        return sorted(found, key=lambda job: job.created)

    def keep(self, job: Job) -> None:
        """Remember a job as it is now, durably.

        Raises
        ------
        NoSpace, StorageFailed
            If the disk does not take it.
        """
        with durable.storing(self._directory):
            told = _JOB.dump_python(job, mode="json")
            durable.write_sealed(self._directory / f"{job.id}.json", told)

    def keep_rejects(self, id: str, rejects: Sequence[Reject]) -> None:
        """Remember what a job left out, durably; raises as `keep`."""
        if rejects:
            with durable.storing(self._directory):
                write_rejects(self._rejects(id), rejects)

    def rejects(self, id: str, start: int, count: int) -> list[Reject]:
        """Some of what a job left out, in the order in which it came across it.

        Raises
        ------
        StorageFailed
            If they cannot be read.
        """
        path = self._rejects(id)
        with durable.storing(path):
            return read_rejects(path, start, count) if path.exists() else []

    def forget(self, id: str) -> None:
        """Remove all that is known of a job, as far as the disk lets us."""
        for path in (self._directory / f"{id}.json", self._rejects(id)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _rejects(self, id: str) -> Path:
        return self._directory / f"{id}.parquet"
