"""A job told as server-sent events, as browsers' EventSource and curl read them."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any

import grpc
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from skylike.service.gateway import reading
from skylike.service.gateway.callers import caller_of
from skylike.service.gateway.endpoints import parameter
from skylike.service.gateway.lanes import Lanes
from skylike.service.gateway.problems import problem_of
from skylike.service.gateway.rpc import LOOK_SECONDS, Metadata, Rpc
from skylike.service.gateway.transcode import to_json
from skylike.v1 import job_pb2

PATH = "/v1/jobs/{job_id}/events"
_MEDIA_TYPE = "text/event-stream"
_WATCH = Rpc("JobService/WatchJob")
_HAS_ENDED = (
    job_pb2.JOB_STATE_DONE,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
)
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["job", "problem"]},
        "id": {"type": "string", "description": "The state of the job."},
        "data": {"type": "string", "contentMediaType": reading.JSON},
    },
}
# So that no proxy takes the connection for a dead one.
_QUIET_SECONDS = 15.0


def add_events(app: FastAPI, lanes: Lanes, is_stopping: Callable[[], bool]) -> None:
    """Add the endpoint; what it tells ends when the gateway is stopping."""

    @app.get(
        PATH,
        response_class=Response,
        responses={
            200: {"content": {_MEDIA_TYPE: {"schema": _EVENT}}},
            204: {"description": "It has ended, as the last event told."},
        },
        openapi_extra={
            "parameters": [
                parameter(PATH, field) for field in _WATCH.descriptor.input_type.fields
            ]
        },
    )
    async def watch(
        request: Request, who: Annotated[Metadata, caller_of(_WATCH)]
    ) -> Response:
        """A job now, and again whenever something about it changes, until it has ended.

        Each event is called job, holds a Job, and has the state as its id.
        """
        asked = await reading.from_address(request, _WATCH)
        replies = _WATCH.stream(lanes, asked, who)
        first = await _first(replies)
        state = job_pb2.JobState.Name(first.job.state)
        if first.job.state in _HAS_ENDED and _is_known(request, state):
            await replies.aclose()
            return Response(status_code=204)  # EventSource asks no more then
        return StreamingResponse(
            _events(first, replies, is_stopping, str(request.state.request_id)),
            media_type=_MEDIA_TYPE,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


async def _first(replies: Any) -> Any:
    async for reply in replies:
        if reply is not None:
            return reply
    raise RuntimeError("a job was watched, and nothing told of it")


def _is_known(request: Request, state: str) -> bool:
    return request.headers.get("last-event-id") == state


async def _events(
    first: Any, replies: Any, is_stopping: Callable[[], bool], request_id: str
) -> AsyncIterator[str]:
    yield _event(first.job)
    quiet = 0.0
    async with aclosing(replies):
        try:
            async for reply in replies:
                quiet = 0.0 if reply else quiet + LOOK_SECONDS
                if reply is not None:
                    yield _event(reply.job)
                elif quiet >= _QUIET_SECONDS:
                    quiet = 0.0
                    yield ": still there\n\n"
                if is_stopping():
                    return
        except grpc.RpcError as error:
            body = problem_of(error).body(request_id)
            yield f"event: problem\ndata: {json.dumps(body)}\n\n"


def _event(job: Any) -> str:
    state = job_pb2.JobState.Name(job.state)
    return f"event: job\nid: {state}\ndata: {to_json(job)}\n\n"
