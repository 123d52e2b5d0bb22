"""From an HTTP request to a message of the contract.

A body is JSON, a form with a file, or the bytes of a FITS file; what else there is to
say of a file stands in the address.
"""

from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from skylike.service.errors import BadRequest
from skylike.service.gateway.rpc import Rpc
from skylike.service.gateway.transcode import read_json, read_texts

JSON = "application/json"
FORM = "multipart/form-data"
FITS = ("application/fits", "image/fits", "application/octet-stream")

# Of a file, beside what stands in the address.
OF_CUTOUT = ("hdu", "name", "axis_kind", "stokes")


async def from_address(request: Request, rpc: Rpc) -> Any:
    """A message whose fields stand in the address."""
    message = rpc.new_request()
    read_texts(_texts(request) | request.path_params, message)
    return message


async def from_json(request: Request, rpc: Rpc) -> Any:
    """A message that is the body."""
    if _media_type(request) != JSON:
        raise _unreadable(request, JSON)
    _refuse_texts(request)
    message = rpc.new_request()
    read_json(await request.body(), message)
    return message


async def from_question(request: Request, rpc: Rpc) -> Any:
    """A message with a query: as JSON, or about a file that is the body or in a form."""
    match _media_type(request):
        case "application/json":
            return await from_json(request, rpc)
        case "multipart/form-data":
            return await _from_form(request, rpc)
        case "application/fits" | "image/fits" | "application/octet-stream":
            return _about(await request.body(), _texts(request), rpc)
        case _:
            raise _unreadable(request, JSON, FORM, *FITS)


async def _from_form(request: Request, rpc: Rpc) -> Any:
    async with request.form(max_files=1, max_fields=20) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise BadRequest(
                "the form has no file: send the FITS file as the part 'file'",
                reason="bad_form",
            )
        said = {name: text for name, text in form.items() if isinstance(text, str)}
        texts = {"name": file.filename or "", **_texts(request), **said}
        return _about(await file.read(), texts, rpc)


def _about(fits: bytes, texts: dict[str, str], rpc: Rpc) -> Any:
    message = rpc.new_request()
    cutout = message.query.cutout
    cutout.fits = fits
    of_cutout = {name: texts.pop(name) for name in OF_CUTOUT if name in texts}
    read_texts(of_cutout, cutout)
    read_texts(texts, message)
    return message


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _texts(request: Request) -> dict[str, str]:
    """What the address says; nothing twice."""
    found = dict(request.query_params)
    if len(found) < len(request.query_params.multi_items()):
        raise BadRequest("the address says something twice", reason="bad_form")
    return found


def _refuse_texts(request: Request) -> None:
    if request.query_params:
        raise BadRequest(
            "beside a body of JSON the address says nothing: put it into the body",
            reason="bad_form",
        )


def _unreadable(request: Request, *expected: str) -> BadRequest:
    found = _media_type(request) or "nothing"
    return BadRequest(
        f"the body is {found[:100]!r}; expected {', '.join(expected)}",
        reason="bad_form",
    )
