"""Objects around a place on the sky, as IVOA's Simple Cone Search 1.03 has it.

The table is sent while it is read, a page of objects at a time, whatever its length.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import grpc
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from skylike.service.errors import BadRequest, SkylikeError
from skylike.service.gateway import votable
from skylike.service.gateway.callers import caller_of
from skylike.service.gateway.lanes import Lanes
from skylike.service.gateway.problems import problem_of
from skylike.service.gateway.rpc import Metadata, Rpc
from skylike.service.monitoring import Monitor

MOST_ROWS = 100_000
"""Of one answer."""

PATH = "/v1/collections/{collection}/cone"
_XML = "text/xml"
_COUNT, _LIST = Rpc("CatalogService/CountObjects"), Rpc("CatalogService/ListObjects")
_PAGE = 1000
# What a client reads as the answer to a question that cannot be answered. Others, such
# as a missing key or too many requests, have to be told in HTTP's own way.
_TOLD_INSIDE = (400, 404)
# For which a page waits that is refused, since what was sent cannot be taken back.
_PATIENCE_SECONDS = 30.0
_COLUMNS = {1: votable.LEAST, 2: votable.USUAL, 3: votable.ALL}
_PARAMETERS = {
    "RA": ("number", True, "Right ascension of the middle, degrees, ICRS, 0 to 360."),
    "DEC": ("number", True, "Declination of the middle, degrees, ICRS, -90 to 90."),
    "SR": (
        "number",
        True,
        "Radius, degrees, 0 to 180; 0 asks for the columns, without rows.",
    ),
    "VERB": ("integer", False, "1: few columns, 2 (the default): more, 3: all."),
    "MAXREC": (
        "integer",
        False,
        f"At most so many rows; by default, and at most, {MOST_ROWS}.",
    ),
}


def add_cone_search(app: FastAPI, lanes: Lanes, monitor: Monitor) -> None:
    """Add the endpoint."""

    @app.get(
        PATH,
        response_class=Response,
        responses={200: {"content": {_XML: {"schema": {"type": "string"}}}}},
        openapi_extra={"parameters": [_COLLECTION, *_described()]},
    )
    async def cone_search(
        request: Request, who: Annotated[Metadata, caller_of(_COUNT)]
    ) -> Response:
        """Simple Cone Search 1.03: objects around a place, as a VOTable.

        What is wrong with a question is told in the table, as its INFO Error, with the
        status 200. QUERY_STATUS is OVERFLOW where there are more objects than rows.
        """
        try:
            question = _Question(request.path_params["collection"], _texts(request))
            counted = await _COUNT(
                lanes, question.counting(), who, request.is_disconnected
            )
        except (SkylikeError, grpc.RpcError) as error:
            told = problem_of(error)
            if told.status not in _TOLD_INSIDE:
                raise
            if isinstance(error, SkylikeError):
                monitor.failed(error, str(told.status))
            return Response(votable.failed(told.detail), media_type=_XML)
        return StreamingResponse(_table(question, counted, lanes, who), media_type=_XML)


class _Question:
    """What is asked for; `BadRequest` if it cannot be."""

    def __init__(self, collection: str, texts: Mapping[str, str]) -> None:
        self._collection = collection
        self._ra = _number(texts, "RA", 0, 360) % 360
        self._dec = _number(texts, "DEC", -90, 90)
        self._radius = _number(texts, "SR", 0, 180)
        self.columns = _COLUMNS[_whole(texts, "VERB", 2, range(1, 4))]
        most = _whole(texts, "MAXREC", MOST_ROWS, None)
        self.most = min(most, MOST_ROWS)
        self.is_about_columns = self._radius == 0

    def counting(self) -> Any:
        """A request for how many there are."""
        return self._ask(_COUNT)

    def listing(self) -> Any:
        """A request for the first page of them."""
        message = self._ask(_LIST)
        message.page_size = min(_PAGE, self.most)
        return message

    def _ask(self, rpc: Rpc) -> Any:
        message = rpc.new_request()
        message.collection = self._collection
        message.filter.cone.radius_deg = self._radius
        message.filter.cone.position.ra_deg = self._ra
        message.filter.cone.position.dec_deg = self._dec
        return message


async def _table(
    question: _Question, counted: Any, lanes: Lanes, who: Metadata
) -> AsyncIterator[str]:
    left = 0 if question.is_about_columns else question.most
    is_cut = not question.is_about_columns and counted.num_objects > left
    told = {
        "QUERY_STATUS": "OVERFLOW" if is_cut else "OK",
        "collection": counted.context.collection,
        "collection_version": str(counted.context.collection_version),
        "model_id": counted.context.model_id,
        "server_software": f"skylike-service {counted.context.service_version}",
    }
    yield votable.begun(question.columns, told)
    asked = question.listing()
    # The one that was counted: an alias may point elsewhere by now.
    asked.collection = counted.context.collection
    while left:
        page = await _patiently(lanes, asked, who)
        # Elsewhere, or others would wait for a thousand rows to be written.
        yield await asyncio.to_thread(
            votable.rows, question.columns, page.objects[:left]
        )
        left = max(0, left - len(page.objects))
        asked.page_token = page.next_page_token
        if not page.next_page_token:
            break
    yield votable.END


async def _patiently(lanes: Lanes, asked: Any, who: Metadata) -> Any:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return await _LIST(lanes, asked, who, _stays)
        except (SkylikeError, grpc.RpcError) as error:
            seconds = problem_of(error).retry_seconds
            if seconds is None or time.monotonic() + seconds > until:
                raise
            await asyncio.sleep(seconds)


async def _stays() -> bool:
    """Of one who goes, the whole answer is cancelled."""
    return False


def _texts(request: Request) -> dict[str, str]:
    """What the address says, by names in upper case, as parameters of the VO are."""
    found: dict[str, str] = {}
    for name, text in request.query_params.multi_items():
        if name.upper() in found and name.upper() in _PARAMETERS:
            raise BadRequest(f"{name.upper()} is given twice", reason="bad_form")
        found[name.upper()] = text
    return found


def _number(texts: Mapping[str, str], name: str, low: float, high: float) -> float:
    try:
        number = float(texts.get(name, ""))
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        found = f"{texts[name][:100]!r}" if name in texts else "missing"
        raise BadRequest(
            f"{name} is {found}; decimal degrees from {low:g} to {high:g} are expected",
            reason="bad_position" if name != "SR" else "bad_radius",
        )
    return number


def _whole(
    texts: Mapping[str, str], name: str, default: int, among: range | None
) -> int:
    text = texts.get(name, "") or str(default)
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else -1
    if number < 0 or (among and number not in among):
        raise BadRequest(
            f"{name} is {text[:100]!r}; a whole number is expected, "
            + (f"{among[0]} to {among[-1]}" if among else "0 or more"),
            reason="bad_form",
        )
    return number


_COLLECTION = {
    "name": "collection",
    "in": "path",
    "required": True,
    "description": "The collection.",
    "schema": {"type": "string"},
}


def _described() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": is_required,
            "description": said,
            "schema": {"type": kind},
        }
        for name, (kind, is_required, said) in _PARAMETERS.items()
    ]
