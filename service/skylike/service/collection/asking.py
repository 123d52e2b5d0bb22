"""Whether a filter can be asked of a collection: misspelt, it would find nothing."""

import difflib
from collections.abc import Iterable

from skylike.service.columns import FACTS, Columns, Filter, check, names
from skylike.service.errors import BadRequest

_FACTS = frozenset((*FACTS, "id"))
_ELSEWHERE = ("flag", "flags", "label", "labels")
_MOST_TOLD = 20
_LONGEST = 80  # characters of a name that are looked at


def check_filter(wanted: Filter, columns: Iterable[Columns]) -> None:
    """See that some object may fulfil each part of a filter.

    Parameters
    ----------
    wanted
        The filter.
    columns
        Of all objects there are.

    Raises
    ------
    BadRequest
        ``bad_filter`` if it is too deep or too long; ``unknown_attribute`` if there are
        objects, and none of them has one of the attributes.
    """
    check(wanted)
    missing = names(wanted) - _FACTS
    there: set[str] = set()
    num_objects = 0
    for some in columns if missing else ():
        num_objects += len(some)
        there |= some.attributes
        missing -= some.attributes
        if not missing:
            break
    if missing and num_objects:
        raise BadRequest(unknown(min(missing), there), reason="unknown_attribute")


def unknown(name: str, there: set[str]) -> str:
    """What to say of an attribute that no object has, of those there are."""
    told = f"No object of the collection has an attribute {name[:_LONGEST]!r}"
    if name.lower() in _ELSEWHERE:
        return f"{told}: flags and labels have conditions of their own in filters."
    known = there | _FACTS
    near = difflib.get_close_matches(name[:_LONGEST], known, n=3)
    if near:
        return f"{told}; is it {' or '.join(map(repr, near))}?"
    listed = ", ".join(one[:_LONGEST] for one in sorted(known)[:_MOST_TOLD])
    more = ", ..." if len(known) > _MOST_TOLD else ""
    return f"{told}; there are: {listed}{more}."
