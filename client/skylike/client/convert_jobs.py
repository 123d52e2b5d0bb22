"""Messages about jobs to results."""

import json

from skylike.client import types
from skylike.client.convert import given, time_of
from skylike.v1 import job_pb2


def job(message: job_pb2.Job) -> types.Job:
    """A job."""
    return types.Job(
        id=message.job_id,
        kind=message.kind,
        state=types.JobState(
            job_pb2.JobState.Name(message.state).removeprefix("JOB_STATE_").lower()
        ),
        stage=message.stage,
        done=message.done,
        total=message.total,
        rate=message.rate,
        seconds_left=given(message, "seconds_left"),
        seconds=message.seconds,
        result=json.loads(message.result_json or "{}"),
        reason=message.reason.lower(),
        message=message.message,
        collection=message.collection,
        created=time_of(message.create_time),
        started=time_of(message.start_time) if message.HasField("start_time") else None,
        ended=time_of(message.end_time) if message.HasField("end_time") else None,
        num_rejects=message.num_rejects,
    )


def job_reject(message: job_pb2.JobReject) -> types.JobReject:
    """An image that a job left out."""
    return types.JobReject(message.image, message.reason.lower(), message.message)
