"""Who asks, and whether it may, before anything of the request is read."""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from skylike.service.gateway.rpc import Metadata, Rpc
from skylike.service.gateway.surround import REQUEST_ID

Allow: TypeAlias = Callable[[str, Metadata], object]
"""Raises unless a method may be called by who brings such metadata."""

# Whoever may read anything may hear which paths there are.
_LEAST = Rpc("CatalogService/ListCollections")

_bearer = HTTPBearer(
    auto_error=False, description="An API key, where keys are asked for."
)


def caller_of(rpc: Rpc) -> Any:
    """Who asks for a method, as the gRPC server wants to know it.

    That server sees no call before its end, so each is allowed here already, by the
    application's ``state.allow``.
    """

    def caller(
        request: Request,
        key: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Metadata:
        return _allowed(request, rpc, "" if key is None else key.credentials)

    return Depends(caller)


def require_known(request: Request) -> None:
    """Raise if keys are asked for, and the caller has none that counts."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    _allowed(request, _LEAST, secret if scheme.lower() == "bearer" else "")


def _allowed(request: Request, rpc: Rpc, secret: str) -> Metadata:
    who: Metadata = ((REQUEST_ID, str(request.state.request_id)),)
    if not (secret.isascii() and secret.isprintable()):  # no key of ours
        secret = "?"
    if secret:
        who += (("authorization", f"Bearer {secret}"),)
    request.app.state.allow(rpc.path, who)
    return who
