"""The application: endpoints of the contract, and a few that only HTTP has."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Annotated, Any

import grpc
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from skylike.service.config import Settings
from skylike.service.errors import NotFound, SkylikeError
from skylike.service.explorer import Explorer
from skylike.service.gateway import reading
from skylike.service.gateway.callers import Allow, caller_of, require_known
from skylike.service.gateway.comments import comments
from skylike.service.gateway.cone import add_cone_search
from skylike.service.gateway.endpoints import ENDPOINTS, Endpoint
from skylike.service.gateway.events import add_events
from skylike.service.gateway.guard import Guard
from skylike.service.gateway.lanes import Lanes
from skylike.service.gateway.page import HEADERS, lost, page
from skylike.service.gateway.pages import add_pages
from skylike.service.gateway.problems import DESCRIBED, problem_of
from skylike.service.gateway.resolving import add_resolving
from skylike.service.gateway.rpc import Metadata, Rpc
from skylike.service.gateway.schema import reference, schemas
from skylike.service.gateway.sesame import Sesame
from skylike.service.gateway.surround import REQUEST_ID
from skylike.service.gateway.transcode import to_json
from skylike.service.monitoring import CONTENT_TYPE, Monitor
from skylike.v1 import catalog_pb2

_ABOUT = (
    "What in the archive looks like this, what kind is it, and how odd is it. Fields are "
    "those of the contract skylike.v1; numbers of 64 bits are texts, bytes are base64. "
    "Errors are application/problem+json with a reason."
)
_GET_OBJECT = Rpc("CatalogService/GetObject")
_BESIDE_THUMBNAIL = frozenset({"version"})
_LONGEST_VERSION = 21  # characters, for 64 bits
_KEPT = "private, max-age=86400, immutable"
_CHECK, _LIST = Rpc("Health/Check"), Rpc("Health/List")
_SERVING = health_pb2.HealthCheckResponse.SERVING


def application(
    lanes: Lanes,
    monitor: Monitor,
    settings: Settings,
    allow: Allow,
    is_stopping: Callable[[], bool],
    grpc_address: str,
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    lanes
        To the gRPC server.
    monitor
        What knows the metrics.
    settings
        Where it listens, whose web pages may ask, and who resolves names.
    allow
        Raises unless the caller may call the method.
    is_stopping
        Whether what goes on without an end has to end.
    grpc_address
        Where the gRPC server listens for others.
    """
    # The pages that FastAPI makes fetch their scripts from elsewhere.
    app = FastAPI(
        title="skylike",
        description=_ABOUT,
        version="v1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # it would tell which paths there are
    )
    app.state.allow = allow
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=[
                *("Authorization", "Content-Type", "Idempotency-Key", REQUEST_ID)
            ],
            expose_headers=[REQUEST_ID, "Retry-After"],
        )
    app.add_middleware(Guard, settings=settings, monitor=monitor)  # the outermost
    for kind in (SkylikeError, grpc.RpcError, HTTPException):
        app.add_exception_handler(kind, _problem(monitor))
    for endpoint in ENDPOINTS:
        _add(app, endpoint, lanes)
    add_cone_search(app, lanes, monitor)
    add_events(app, lanes, is_stopping)
    resolver = None if settings.resolver_url is None else Sesame(settings.resolver_url)
    add_resolving(app, lanes, resolver)
    add_pages(app, Explorer(grpc_address, "" if resolver is None else resolver.host))

    @app.get("/v1/thumbnail", response_class=Response)
    async def thumbnail(
        request: Request, who: Annotated[Metadata, caller_of(_GET_OBJECT)]
    ) -> Response:
        """A picture of an object, as PNG; who has it already is told so.

        With `version`, that of the collection as an answer told it, and the collection's
        own name, browsers keep it for a day without asking again.
        """
        asked = await reading.from_address(request, _GET_OBJECT, _BESIDE_THUMBNAIL)
        found = await _GET_OBJECT(lanes, asked, who, request.is_disconnected)
        if not found.object.thumbnail_png:
            raise NotFound(f"{asked.id!r} has no thumbnail", reason="no_thumbnail")
        return _cached(request, found.object.thumbnail_png, _is_kept(request, found))

    @app.get("/v1/health/live")
    async def live() -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "SERVING"}

    @app.get("/v1/health/ready")
    async def ready(
        request: Request, who: Annotated[Metadata, caller_of(_CHECK)]
    ) -> JSONResponse:
        """Whether questions are answered; 503 if not."""
        checked = await _CHECK(
            lanes, _CHECK.new_request(), who, request.is_disconnected
        )
        is_ready = checked.status == _SERVING
        status = "SERVING" if is_ready else "NOT_SERVING"
        return JSONResponse({"status": status}, 200 if is_ready else 503)

    @app.get("/v1/health/list", response_class=Response)
    async def health(
        request: Request, who: Annotated[Metadata, caller_of(_LIST)]
    ) -> Response:
        """The health of each service and collection, by name."""
        listed = await _LIST(lanes, _LIST.new_request(), who, request.is_disconnected)
        return await _as_json(listed)

    @app.get("/v1/metrics", response_class=Response)
    async def metrics(
        request: Request, who: Annotated[Metadata, caller_of(_LIST)]
    ) -> Response:
        """Metrics in Prometheus' text format, for those who may list health."""
        await _LIST(lanes, _LIST.new_request(), who, request.is_disconnected)
        # Elsewhere: it waits for lines of the log, and for collections being opened.
        told = await asyncio.to_thread(monitor.metrics)
        return Response(told, media_type=CONTENT_TYPE)

    @app.get("/v1/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return _openapi(app)

    @app.get("/v1/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(_openapi(app)), headers=HEADERS)

    return app


def _add(app: FastAPI, endpoint: Endpoint, lanes: Lanes) -> None:
    async def answer(
        request: Request, who: Annotated[Metadata, caller_of(endpoint.rpc)]
    ) -> Response:
        asked = await endpoint.read(request, endpoint.rpc)
        reply = await endpoint.rpc(lanes, asked, who, request.is_disconnected)
        return await _as_json(reply)

    method = endpoint.rpc.descriptor
    app.add_api_route(
        endpoint.path,
        answer,
        methods=[endpoint.verb],
        name=method.name,
        description=comments().get(method.full_name, ""),
        response_class=Response,
        responses={
            200: {
                "description": comments().get(method.output_type.full_name, ""),
                "content": {reading.JSON: {"schema": reference(method.output_type)}},
            },
            "4XX": DESCRIBED,
        },
        openapi_extra=endpoint.described(),
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    document = app.openapi()
    methods = [endpoint.rpc.descriptor for endpoint in ENDPOINTS]
    messages = [
        one for method in methods for one in (method.input_type, method.output_type)
    ]
    document.setdefault("components", {}).setdefault("schemas", {}).update(
        schemas(messages)
    )
    return document


async def _as_json(reply: Message) -> Response:
    """Made elsewhere, or others would wait while much is written."""
    text = await asyncio.to_thread(to_json, reply)
    return Response(text, media_type=reading.JSON)


def _is_kept(request: Request, found: catalog_pb2.GetObjectResponse) -> bool:
    """Whether the address will be another as soon as the picture may be.

    A write makes a version, so what is asked for by a version that was there may be kept
    under it. An alias may point elsewhere, where versions are counted anew.
    """
    version, context = request.query_params.get("version", ""), found.context
    return (
        request.query_params.get("collection") == context.collection
        and version.isascii()
        and version.isdecimal()
        and len(version) < _LONGEST_VERSION
        and int(version) <= context.collection_version
    )


def _cached(request: Request, png: bytes, is_kept: bool) -> Response:
    """A picture, or that it is still the same."""
    mark = f'"{hashlib.sha256(png).hexdigest()[:32]}"'
    headers = {
        "ETag": mark,
        "Cache-Control": _KEPT if is_kept else "private, no-cache",
        "Vary": "Authorization",
    }
    known = ",".join(request.headers.getlist("if-none-match")).split(",")
    if {"*", mark} & {one.strip().removeprefix("W/") for one in known}:
        return Response(status_code=304, headers=headers)
    return Response(png, headers=headers, media_type="image/png")


def _problem(monitor: Monitor) -> Any:
    async def handle(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):  # no such path, or not by this method
            try:
                require_known(request)
            except SkylikeError as unknown:
                error = unknown
        told = problem_of(error)
        if isinstance(error, SkylikeError):  # others the gRPC server has counted
            monitor.failed(error, str(told.status))
        response = told.response(str(request.state.request_id))
        if isinstance(error, HTTPException):
            if told.status == 404 and "text/html" in request.headers.get("accept", ""):
                response = _lost(request.url.path)
            response.headers.update(error.headers or {})
        return response

    return handle


def _lost(path: str) -> Response:
    """For a browser that shows people what it gets; relative, as a proxy may stand before."""
    back = "../" * (path.count("/") - 1) or "./"
    text = lost("There is no such page", "The address may be mistyped or old.", back)
    return HTMLResponse(text, 404, {**HEADERS, "Vary": "Accept"})
