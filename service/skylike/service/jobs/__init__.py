"""Long work of a running service: one job at a time, in line."""

from skylike.service.jobs.job import Job, State
from skylike.service.jobs.jobs import Jobs
from skylike.service.jobs.work import Compact, Fit, Index, Reindex, Snapshot, Work

__all__ = [
    "Compact",
    "Fit",
    "Index",
    "Job",
    "Jobs",
    "Reindex",
    "Snapshot",
    "State",
    "Work",
]
