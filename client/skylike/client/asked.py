"""What was asked, beside the answer: so that an export tells where it comes from."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from skylike.client import looked, maps, ranked, taught, types

_T = TypeVar(
    "_T",
    bound=types.Answer | ranked.Listed | taught.Told | looked.Inspection | maps.Drawn,
)


def told(answer: _T, rpc: str, request: Message, server: str) -> _T:
    """The answer, with what was asked, whom and when, in its context.

    Parameters
    ----------
    rpc
        The method's path.
    request
        Its bytes, such as an upload, are told as their sha256.
    server
        HOST:PORT.
    """
    asked = types.Asked(
        server=server,
        method=rpc.rpartition("/")[2],
        request=_plain(request),
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    return replace(answer, context=replace(answer.context, asked=asked))


def _plain(message: Message) -> dict[str, Any]:
    """The fields that are set, by name."""
    return {field.name: _value(value) for field, value in message.ListFields()}


def _value(value: Any) -> Any:
    match value:
        case Message():
            return _plain(value)
        case bytes():
            return f"sha256:{hashlib.sha256(value).hexdigest()}"
        case str() | int() | float():
            return value
    assert isinstance(value, Iterable)  # no request that is told has a map
    return tuple(_value(one) for one in value)
