"""Pages of long lists (AIP-158)."""

import base64
import copy
import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from skylike.service.engine import Mark
from skylike.service.errors import BadRequest

_DEFAULT = 100
_MOST = 1000
_LONGEST_ROW = 19  # digits
_DIGITS = 16  # of a digest


def cut(names: Sequence[str], size: int, token: str) -> tuple[slice, str]:
    """Which part of sorted names a page holds, and the token of the next.

    A token names the last name of its page, so that pages stay in step while names
    come and go.

    Raises
    ------
    BadRequest
        If the size is negative, or the token was not made here.
    """
    start = bisect_right(names, _decode(token)) if token else 0
    stop = start + size_of(size)
    is_last = stop >= len(names)
    return slice(start, stop), "" if is_last else _encode(names[stop - 1])


def size_of(size: int) -> int:
    """How many things a page holds; `BadRequest` if the size is negative."""
    if size < 0:
        raise BadRequest(
            f"page_size is {size}; it cannot be negative", reason="bad_page_size"
        )
    return min(size or _DEFAULT, _MOST)


def token_of(row: int | None) -> str:
    """The token of the page behind a row; empty where there is none."""
    return "" if row is None else _encode(str(row))


def row_of(token: str) -> int:
    """The row behind which a page begins; `BadRequest` if the token is none of ours."""
    return number(_decode(token)) if token else 0


def digest_of(request: Any, *but: str) -> str:
    """Of the question that a list answers: all of a request but these fields and the page."""
    asked = copy.deepcopy(request)
    for name in ("page_size", "page_token", *but):
        asked.ClearField(name)
    content = asked.SerializeToString(deterministic=True)
    called = request.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(called + b"\0" + content).hexdigest()[:_DIGITS]


def token_in(collection: str, row: int | None, digest: str) -> str:
    """The token of the page behind a row of a collection; empty where there is none."""
    return "" if row is None else token_of_texts(collection, row, digest=digest)


def row_in(token: str, digest: str) -> tuple[str, int]:
    """The collection in which a list goes on, and the row behind which.

    Raises
    ------
    BadRequest
        If the token is none of ours, or belongs to another question.
    """
    collection, row = texts_of(token, 2, digest)
    return collection, number(row)


def token_of_mark(mark: Mark, digest: str) -> str:
    """The token of the page behind a mark, in a list that was asked for by a digest."""
    return token_of_texts(*mark, digest=digest)


def mark_of(token: str, digest: str) -> Mark:
    """The mark behind which a page begins.

    Raises
    ------
    BadRequest
        If the token is none of ours, or belongs to another question.
    """
    collection, fit_version, place, ratings = texts_of(token, 4, digest)
    return Mark(collection, number(fit_version), number(place), number(ratings))


def token_of_texts(*texts: str | int, digest: str) -> str:
    """A token that says some texts without a slash, for a question of a digest."""
    return _encode("/".join([*map(str, texts), digest]))


def texts_of(token: str, count: int, digest: str) -> list[str]:
    """The texts of a token, so many; raises as `mark_of`."""
    *texts, asked = _decode(token).split("/")
    if len(texts) != count:
        raise foreign()
    if asked != digest:
        raise BadRequest(
            "the page token was made for another question: repeat the request as it was, "
            "or begin with the first page",
            reason="bad_page_token",
        )
    return texts


def number(text: str) -> int:
    """A number of a token; raises `foreign` for what is none."""
    if not (text.isascii() and text.isdecimal() and len(text) < _LONGEST_ROW):
        raise foreign()
    return int(text)


def _encode(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode("ascii")


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise foreign() from error


def foreign() -> BadRequest:
    """The error for a token that was not made here."""
    return BadRequest(
        "the page token was not made by this service: send next_page_token as it came, "
        "or nothing for the first page",
        reason="bad_page_token",
    )
