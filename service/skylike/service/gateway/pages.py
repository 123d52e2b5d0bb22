"""The explorer's pages, which need no key: what they ask for does."""

import asyncio
import re

from fastapi import FastAPI, Request, Response

from skylike.service.explorer import Explorer

_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")


def add_pages(app: FastAPI, explorer: Explorer) -> None:
    """Add an address for each of its files."""

    async def send(request: Request) -> Response:
        file = explorer[request.scope["route"].path]
        is_packed = bool(_GZIP.search(request.headers.get("accept-encoding", "")))
        mark = f'"{file.mark}{"-gzip" if is_packed else ""}"'
        headers = {**file.headers, "ETag": mark}
        known = request.headers.get("if-none-match", "").split(",")
        if mark in {one.strip().removeprefix("W/") for one in known}:
            return Response(status_code=304, headers=headers)
        if not is_packed:
            return Response(file.content, headers=headers)
        # Elsewhere: a large one takes a moment, the first time.
        content = await asyncio.to_thread(file.packed)
        return Response(content, headers={**headers, "Content-Encoding": "gzip"})

    for address in explorer.addresses:
        app.add_api_route(address, send, methods=["GET"], include_in_schema=False)
