"""Filters: which objects may be found. Data alone; `evaluate` applies them.

What is unknown fulfils no condition, so `Not` of a condition holds for it. Numbers are
compared as numbers, whole or not; text and truth values only with their like. Attributes
may be what every object has, too: ``id``, ``ra``, ``dec``, ``epoch_mjd``, ``valid_fraction``.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from skylike.service.errors import BadRequest
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag

MAX_DEPTH = 16
MAX_TERMS = 100_000  # conditions, values and ids of one filter
_LARGEST = 2**1000

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Cone:
    """Within a radius on the sky, the edge included; degrees, ICRS, 0 to 180."""

    position: SkyPosition
    radius_deg: float

    def __post_init__(self) -> None:
        ra, dec = self.position.ra_deg, self.position.dec_deg
        if not (0 <= ra < 360 and -90 <= dec <= 90 and 0 <= self.radius_deg <= 180):
            raise _bad(
                f"a cone of {self.radius_deg} degrees around ra {ra}, dec {dec}; "
                "0 <= ra < 360, -90 <= dec <= 90 and 0 <= radius <= 180 are expected"
            )


@dataclass(frozen=True, slots=True)
class Equals:
    """An attribute has a value."""

    name: str
    value: Value

    def __post_init__(self) -> None:
        _check_value(self.name, self.value)


@dataclass(frozen=True, slots=True)
class OneOf:
    """An attribute has one of some values."""

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        for value in self.values:
            _check_value(self.name, value)


@dataclass(frozen=True, slots=True)
class Between:
    """A number is not below, and not above; None leaves an end open."""

    name: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _check_ends(self.name, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Observed:
    """The epoch is not before, and not after; MJD, None leaves an end open."""

    low_mjd: float | None = None
    high_mjd: float | None = None

    def __post_init__(self) -> None:
        _check_ends("epoch", self.low_mjd, self.high_mjd)


@dataclass(frozen=True, slots=True)
class Flagged:
    """Has all of these flags."""

    flags: Flag


@dataclass(frozen=True, slots=True)
class Labelled:
    """Has a label."""

    label: str


@dataclass(frozen=True, slots=True)
class WithIds:
    """Is one of these."""

    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class All:
    """Fulfils each part; none are always fulfilled."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Fulfils a part; none never are."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """Does not fulfil the part."""

    part: "Filter"


Filter = (
    Cone
    | Equals
    | OneOf
    | Between
    | Observed
    | Flagged
    | Labelled
    | WithIds
    | All
    | AnyOf
    | Not
)


def check(wanted: Filter) -> None:
    """Raise `BadRequest` (``bad_filter``) if a filter is too deep or too long."""
    terms = 0
    for depth, part in _walk(wanted, 1):
        if depth > MAX_DEPTH:
            raise _bad(f"deeper than {MAX_DEPTH} levels")
        match part:
            case OneOf(values=values):
                terms += len(values)
            case WithIds(ids=ids):
                terms += len(ids)
            case _:
                terms += 1
        if terms > MAX_TERMS:
            raise _bad(f"longer than {MAX_TERMS} conditions and values")


def names(wanted: Filter) -> set[str]:
    """The attributes that a filter asks for."""
    parts = (part for _, part in _walk(wanted, 1))
    return {one.name for one in parts if isinstance(one, Equals | OneOf | Between)}


def _walk(part: Filter, depth: int) -> Iterator[tuple[int, Filter]]:
    yield depth, part
    if depth > MAX_DEPTH:
        return
    match part:
        case All(parts=parts) | AnyOf(parts=parts):
            for inner in parts:
                yield from _walk(inner, depth + 1)
        case Not(part=inner):
            yield from _walk(inner, depth + 1)


def _check_value(name: str, value: Value) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise _bad(f"attribute {name!r} compared with {value}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise _bad(f"attribute {name!r} compared with {value}, which exceeds 64 bits")


def _check_ends(name: str, low: float | None, high: float | None) -> None:
    for end in (low, high):
        if isinstance(end, int) and abs(end) > _LARGEST:
            raise _bad(f"{name!r} compared with a number of more than 1000 bits")
        if end is not None and math.isnan(end):
            raise _bad(f"{name!r} compared with NaN")


def _bad(what: str) -> BadRequest:
    return BadRequest(f"The filter is no filter: {what}.", reason="bad_filter")
