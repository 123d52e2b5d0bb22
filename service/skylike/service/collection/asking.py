"""Whether a filter can be asked of a collection: misspelt, it would find nothing."""

import difflib
from collections.abc import Iterable, Set

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
    there = _known(missing, columns)
    if there is not None:
        raise BadRequest(
            unknown(min(missing - there), there), reason="unknown_attribute"
        )


def check_attribute(name: str, columns: Iterable[Columns]) -> None:
    """See that some object has an attribute; raises as `check_filter`."""
    there = _known({name}, columns)
    if there is not None:
        raise BadRequest(_nobody_has(name, there), reason="unknown_attribute")


def _known(wanted: Set[str], columns: Iterable[Columns]) -> set[str] | None:
    """All attributes there are, if one that is wanted is not among them."""
    there: set[str] = set()
    num_objects = 0
    for some in columns if wanted else ():
        num_objects += len(some)
        there |= some.attributes
        if wanted <= there:
            return None
    return there if num_objects else None


def unknown(name: str, there: set[str]) -> str:
    """What to say of what no object has, of the attributes there are and all facts."""
    if name.lower() in _ELSEWHERE:
        return (
            f"No object of the collection has an attribute {name!r}: flags and labels "
            "have conditions of their own in filters."
        )
    return _nobody_has(name, there | _FACTS)


def _nobody_has(name: str, known: Set[str]) -> str:
    told = f"No object of the collection has an attribute {name[:_LONGEST]!r}"
    near = difflib.get_close_matches(name[:_LONGEST], known, n=3)
    if near:
        return f"{told}; is it {' or '.join(map(repr, near))}?"
    if not known:
        return f"{told}, nor any other."
    listed = ", ".join(one[:_LONGEST] for one in sorted(known)[:_MOST_TOLD])
    more = ", ..." if len(known) > _MOST_TOLD else ""
    return f"{told}; there are: {listed}{more}."
