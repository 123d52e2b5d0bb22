"""Who asks, as the gRPC server wants to know it: that decides who may ask what."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from skylike.service.gateway.rpc import Metadata
from skylike.service.gateway.surround import REQUEST_ID

_bearer = HTTPBearer(
    auto_error=False, description="An API key, where keys are asked for."
)


def _caller(
    request: Request,
    key: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Metadata:
    named = (REQUEST_ID, str(request.state.request_id))
    secret = "" if key is None else key.credentials
    if not (secret.isascii() and secret.isprintable()):  # no key of ours
        secret = "?"
    return (named, ("authorization", f"Bearer {secret}")) if secret else (named,)


Caller: TypeAlias = Annotated[Metadata, Depends(_caller)]
