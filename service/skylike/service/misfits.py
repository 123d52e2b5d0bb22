"""What is wrong with settings, in words: which one, what it is, what it has to be."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "tuple": "a list",
}
_LONGEST = 80


def told(
    error: ValidationError, settings: type[BaseModel], named: Callable[[str], str]
) -> str:
    """All that is wrong.

    Parameters
    ----------
    error
        What pydantic found.
    settings
        The model of the settings.
    named
        What a person who gave the setting calls it, such as ``--max-calls``.
    """
    problems = error.errors(include_url=False)
    return "; ".join(_told(one, settings, named) for one in problems)


def likely(name: str, known: Collection[str]) -> str:
    """The name that may be meant, as a question; empty if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}? " if near else ""


def _told(
    problem: ErrorDetails, settings: type[BaseModel], named: Callable[[str], str]
) -> str:
    context = problem.get("ctx", {})
    why = str(context["error"]) if "error" in context else ""
    if not problem["loc"]:  # several settings that do not go together
        return why or problem["msg"]
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        known = settings.model_fields
        return (
            f"{named(name)} is not a setting: {likely(name, known)}"
            f"There are {', '.join(sorted(known))}"
        )
    field = settings.model_fields[name]
    wanted = why or f"it has to be {_wanted(problem, field.metadata)}"
    value = repr(problem["input"])
    if len(value) > _LONGEST:
        value = f"{value[:_LONGEST]}..."
    return f"{named(name)} is {value}: {wanted}{_default(field.default)}"


def _wanted(problem: ErrorDetails, bounds: Iterable[Any]) -> str:
    kind = _KINDS.get(problem["type"].partition("_")[0], "")
    limits = _limits(bounds)
    return " ".join(filter(None, (kind, limits))) or problem["msg"]


def _limits(bounds: Iterable[Any]) -> str:
    found: Mapping[str, Any] = {
        name: getattr(bound, name)
        for bound in bounds
        for name in ("ge", "le")
        if hasattr(bound, name)
    }
    match found:
        case {"ge": low, "le": high}:
            return f"from {low} to {high}"
        case {"ge": low}:
            return f"{low} or more"
    return ""


def _default(value: Any) -> str:
    return "" if value is None or value == () else f"; by default it is {value}"
