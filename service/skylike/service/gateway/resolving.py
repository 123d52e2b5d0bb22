"""Where a name is on the sky, by a resolver elsewhere that the settings name."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI, Request

from skylike.service.errors import BadRequest, NotFound
from skylike.service.gateway import sesame
from skylike.service.gateway.callers import caller_of
from skylike.service.gateway.lanes import Lanes
from skylike.service.gateway.problems import DESCRIBED
from skylike.service.gateway.rpc import Metadata, Rpc

PATH = "/v1/resolve"
MOST_CHARACTERS = 100
"""Of a name."""

# What costs least of what needs a key that may read: it counts against the key's rate.
_COUNTED = Rpc("CatalogService/ListAliases")
_NAME = {
    "name": "name",
    "in": "query",
    "required": True,
    "description": "Such as M 51, as SIMBAD, NED or VizieR have it.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS},
}


@dataclass(frozen=True)
class Place:
    """A place on the sky, ICRS, in degrees."""

    ra_deg: float
    dec_deg: float


@dataclass(frozen=True)
class Resolved:
    """A name, and where it is."""

    name: str
    position: Place


def add_resolving(app: FastAPI, lanes: Lanes, resolver: sesame.Sesame | None) -> None:
    """Add the endpoint, which without a resolver says that there is none."""

    @app.get(
        PATH,
        responses={"4XX": DESCRIBED, "502": DESCRIBED},
        openapi_extra={"parameters": [_NAME]},
    )
    async def resolve(
        request: Request, who: Annotated[Metadata, caller_of(_COUNTED)]
    ) -> Resolved:
        """The position that a name has, ICRS, by the resolver of the setting resolver_url.

        NOT_CONFIGURED where the service has none, UNKNOWN_NAME where it knows none.
        """
        if resolver is None:
            raise NotFound(
                "this service looks up no names: its setting resolver_url names no "
                "resolver",
                reason="not_configured",
            )
        name = _name(request)
        await _COUNTED(lanes, _COUNTED.new_request(), who, request.is_disconnected)
        answer = asyncio.wrap_future(resolver.ask(name))
        try:
            # Its thread keeps its place until its connection is ended as well.
            ra, dec = await asyncio.wait_for(answer, sesame.SECONDS)
        except TimeoutError as error:
            raise sesame.unreachable(resolver.host) from error
        return Resolved(name, Place(ra, dec))


def _name(request: Request) -> str:
    texts = request.query_params.multi_items()
    if [name for name, _ in texts] != ["name"]:
        raise BadRequest(
            "one parameter is expected, and no other: name", reason="bad_form"
        )
    name = texts[0][1].strip()
    if not (0 < len(name) <= MOST_CHARACTERS and name.isprintable()):
        raise BadRequest(
            f"a name has 1 to {MOST_CHARACTERS} characters, all of them printable",
            reason="bad_name",
        )
    return name
