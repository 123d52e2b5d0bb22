"""From an HTTP request to a message of the contract.

A body is JSON, a form with a file, or the bytes of a FITS file; what else there is to
say of a file stands in the form or the address.
"""

import asyncio
import re
from collections.abc import Iterable
from typing import Any

from fastapi import Request
from google.protobuf.descriptor import Descriptor
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from skylike.service.errors import BadRequest, TooLarge
from skylike.service.gateway.rpc import Rpc
from skylike.service.gateway.transcode import read_json, read_texts
from skylike.v1 import catalog_pb2

JSON = "application/json"
FORM = "multipart/form-data"
MOST_JSON_BYTES = 8 * 2**20
"""Of a body of JSON, which becomes many times as much in memory."""

FITS = ("application/fits", "image/fits", "application/octet-stream")

_OF_CUTOUT = ("hdu", "name", "axis_kind", "stokes")
_OF_OBJECT = ("id", "position", "epoch_mjd", "source", "attributes", "labels")
_OF_WRITE = ("collection", "replace", "options")
_OF_QUESTION = (
    *("collection", "k", "thumbnails", "options"),
    *("attribute", "labels", "confidence", "filter", "page_size", "page_token"),
    "layout",
    *("stretch", "plane", "side", "decorations"),
)

_IDEMPOTENCY_KEY = "idempotency-key"
_NAME = "request_id"
# A string of RFC 9651, as the draft has it, or a bare word, as most send it.
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')


async def from_address(
    request: Request, rpc: Rpc, beside: frozenset[str] = frozenset()
) -> Any:
    """A message whose fields stand in the address, beside what is no field."""
    async for chunk in request.stream():
        if chunk:
            raise BadRequest(
                "this request has no body: put what it says into the address",
                reason="bad_form",
            )
    message = rpc.new_request()
    said = _once([*_said(request), *request.path_params.items()])
    read_texts({name: said[name] for name in said if name not in beside}, message)
    _name_request(request, message)
    return message


async def from_json(request: Request, rpc: Rpc) -> Any:
    """A message that is the body."""
    if _media_type(request) != JSON:
        raise _unreadable(request, JSON)
    if request.query_params:
        raise BadRequest(
            "beside a body of JSON the address says nothing: put it into the body",
            reason="bad_form",
        )
    message = rpc.new_request()
    # Elsewhere, or others would wait while much is read.
    await asyncio.to_thread(read_json, await _json_body(request), message)
    _name_request(request, message)
    return message


async def from_file(request: Request, rpc: Rpc) -> Any:
    """A message as JSON, or about one file that is the body or in a form."""
    match _media_type(request):
        case "application/json":
            return await from_json(request, rpc)
        case "multipart/form-data":
            try:
                message = await _from_form(request, rpc)
            except HTTPException as error:  # of who reads forms
                raise BadRequest(str(error.detail), reason="bad_form") from error
        case "application/fits" | "image/fits" | "application/octet-stream":
            message = await asyncio.to_thread(
                _about, await request.body(), _once(_said(request)), rpc
            )
        case _:
            raise _unreadable(request, JSON, FORM, *FITS)
    _name_request(request, message)
    return message


def beside_file(message: Any) -> list[tuple[Any, tuple[str, ...]]]:
    """The parts of a message about one file, and the fields that are said beside it.

    The first is the cutout. Each field has another name.
    """
    if isinstance(message, catalog_pb2.AddObjectsRequest):
        new = message.objects.add()
        return [(new.cutout, _OF_CUTOUT), (new, _OF_OBJECT), (message, _OF_WRITE)]
    there = message.DESCRIPTOR.fields_by_name
    of_question = tuple(name for name in _OF_QUESTION if name in there)
    return [(message.query.cutout, _OF_CUTOUT), (message, of_question)]


def can_be_named(message: Descriptor) -> bool:
    """Whether a request can have a name, by which it is done once."""
    if _NAME in message.fields_by_name:
        return True
    options = message.fields_by_name.get("options")
    return (
        options is not None
        and options.message_type is catalog_pb2.WriteOptions.DESCRIPTOR
    )


async def _json_body(request: Request) -> bytes:
    too_large = TooLarge(
        f"a body of JSON has at most {MOST_JSON_BYTES} bytes: send a file as it is, and "
        "many objects in several requests"
    )
    if int(request.headers.get("content-length", "0")) > MOST_JSON_BYTES:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_JSON_BYTES:
            raise too_large
    return bytes(body)


async def _from_form(request: Request, rpc: Rpc) -> Any:
    async with request.form(max_files=1, max_fields=20) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise BadRequest(
                "the form has no file: send the FITS file as the part 'file'",
                reason="bad_form",
            )
        # There is one file at most.
        parts = [
            (name, text) for name, text in form.multi_items() if isinstance(text, str)
        ]
        texts = {"name": file.filename or "", **_once([*_said(request), *parts])}
        return await asyncio.to_thread(_about, await file.read(), texts, rpc)


def _about(fits: bytes, texts: dict[str, str], rpc: Rpc) -> Any:
    message = rpc.new_request()
    parts = beside_file(message)
    known = {name for _, names in parts for name in names}
    if unknown := sorted(texts.keys() - known):
        raise BadRequest(
            f"beside a file nothing is called {unknown[0][:100]!r}; there are: "
            f"{', '.join(sorted(known))}",
            reason="bad_form",
        )
    parts[0][0].fits = fits
    for part, names in parts:
        read_texts({name: texts[name] for name in names if name in texts}, part)
    return message


def _name_request(request: Request, message: Any) -> None:
    """Take the caller's name for a request from the header that is made for it."""
    keys = request.headers.getlist(_IDEMPOTENCY_KEY)
    if not keys:
        return
    if not can_be_named(message.DESCRIPTOR):
        raise BadRequest(
            "an Idempotency-Key is for writes of objects and starts of jobs: without "
            "one, look whether this was done before you send it again",
            reason="bad_request_id",
        )
    quoted = _QUOTED.fullmatch(keys[0])
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else keys[0]
    named = message if _NAME in message.DESCRIPTOR.fields_by_name else message.options
    known = {key, *keys[1:], *filter(None, [named.request_id])}
    if not key or len(known) > 1:
        raise BadRequest(
            "the request has several names, or an empty one: one Idempotency-Key, or "
            "request_id, is enough",
            reason="bad_request_id",
        )
    named.request_id = key


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _said(request: Request) -> list[tuple[str, str]]:
    """What the address says."""
    return request.query_params.multi_items()


def _once(said: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Texts by their names; `BadRequest` if there is another under one of them."""
    found: dict[str, str] = {}
    for name, text in said:
        if name in found:
            raise BadRequest(
                f"{name[:100]!r} is said twice: once is enough, in the address or beside "
                "the file",
                reason="bad_form",
            )
        found[name] = text
    return found


def _unreadable(request: Request, *expected: str) -> BadRequest:
    found = _media_type(request) or "nothing"
    return BadRequest(
        f"the body is {found[:100]!r}; expected {', '.join(expected)}",
        reason="bad_form",
    )
