"""A job told as server-sent events, as browsers' EventSource and curl read them."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any

import grpc
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from skylike.service.errors import Overloaded
from skylike.service.gateway import reading
from skylike.service.gateway.callers import caller_of
from skylike.service.gateway.endpoints import parameter
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


class Watches:
    """All watches of jobs that go on.

    Parameters
    ----------
    channel
        To the gRPC server; each watch takes one of its streams for as long as it lasts.
    most
        So many at the same time.
    is_stopping
        Whether they have to end.
    """

    def __init__(
        self, channel: grpc.Channel, most: int, is_stopping: Callable[[], bool]
    ) -> None:
        self.is_stopping = is_stopping
        self._channel = channel
        self._most = most
        self._number = 0

    async def begin(self, request: Any, who: Metadata) -> AsyncGenerator[Any, None]:
        """What is told of a job; None whenever there was nothing for a while.

        Raises
        ------
        Overloaded
            ``too_many_watches``.
        grpc.RpcError
            As the server says.
        """
        if self._number >= self._most:
            raise Overloaded(
                f"{self._most} jobs are watched already, which is all at the same time",
                reason="too_many_watches",
            )
        self._number += 1
        try:
            async with aclosing(_WATCH.stream(self._channel, request, who)) as replies:
                async for reply in replies:
                    yield reply
        finally:
            self._number -= 1


def add_events(app: FastAPI, watches: Watches) -> None:
    """Add the endpoint."""

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
        replies = watches.begin(asked, who)
        first = await _first(replies)
        state = job_pb2.JobState.Name(first.job.state)
        if first.job.state in _HAS_ENDED and _is_known(request, state):
            await replies.aclose()
            return Response(status_code=204)  # EventSource asks no more then
        return StreamingResponse(
            _events(first, replies, watches.is_stopping, str(request.state.request_id)),
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
