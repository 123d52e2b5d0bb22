"""Pages of long lists (AIP-158)."""

import base64
from bisect import bisect_right
from collections.abc import Sequence

from skylike.service.errors import BadRequest

_DEFAULT = 100
_MOST = 1000


def cut(names: Sequence[str], size: int, token: str) -> tuple[slice, str]:
    """Which part of sorted names a page holds, and the token of the next.

    A token names the last name of its page, so that pages stay in step while names
    come and go.

    Raises
    ------
    BadRequest
        If the size is negative, or the token was not made here.
    """
    if size < 0:
        raise BadRequest(
            f"page_size is {size}; it cannot be negative", reason="bad_page_size"
        )
    start = bisect_right(names, _decode(token)) if token else 0
    stop = start + min(size or _DEFAULT, _MOST)
    is_last = stop >= len(names)
    return slice(start, stop), "" if is_last else _encode(names[stop - 1])


def _encode(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode("ascii")


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise BadRequest(
            "the page token was not made by this service: send next_page_token as it "
            "came, or nothing for the first page",
            reason="bad_page_token",
        ) from error
