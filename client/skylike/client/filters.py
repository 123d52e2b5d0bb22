"""Which objects may be found: conditions, joined by ``&``, ``|`` and ``~``.

>>> bright = Between("magnitude", high=18) & ~Flagged(["EDGE"])
>>> near = bright & Cone(150.1, 2.2, radius_deg=0.5)

What is unknown of an object fulfils no condition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skylike.client.types import Attribute


class Filter:
    """A condition, or several together."""

    __slots__ = ()

    def __and__(self, other: "Filter") -> "All":
        """Both hold."""
        return All((*_parts(self, All), *_parts(other, All)))

    def __or__(self, other: "Filter") -> "AnyOf":
        """One of them holds."""
        return AnyOf((*_parts(self, AnyOf), *_parts(other, AnyOf)))

    def __invert__(self) -> "Filter":
        """It does not hold."""
        return self.filter if isinstance(self, Not) else Not(self)


@dataclass(frozen=True, slots=True)
class Cone(Filter):
    """Within a radius on the sky (ICRS), the edge included."""

    ra_deg: float
    dec_deg: float
    radius_deg: float


@dataclass(frozen=True, slots=True)
class OneOf(Filter):
    """An attribute has one of some values; one value means equality.

    An attribute may also be what every object has: ``id``, ``ra``, ``dec``,
    ``epoch_mjd``, ``valid_fraction``. One that no object has is refused.
    """

    name: str
    values: Sequence[Attribute]


@dataclass(frozen=True, slots=True)
class Between(Filter):
    """An attribute, as of `OneOf`, is a number from `low` to `high`; None: no bound."""

    name: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Observed(Filter):
    """The epoch is from `low_mjd` to `high_mjd`; None: no bound."""

    low_mjd: float | None = None
    high_mjd: float | None = None


@dataclass(frozen=True, slots=True)
class Flagged(Filter):
    """All of these quality flags are set, such as ``EDGE``."""

    flags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Labelled(Filter):
    """People call it so."""

    label: str


@dataclass(frozen=True, slots=True)
class WithIds(Filter):
    """It is one of these."""

    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class All(Filter):
    """Each of them holds; none always does."""

    filters: Sequence[Filter]


@dataclass(frozen=True, slots=True)
class AnyOf(Filter):
    """One of them holds; none never does."""

    filters: Sequence[Filter]


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """It does not hold."""

    filter: Filter


def _parts(one: Filter, kind: type[All] | type[AnyOf]) -> Sequence[Filter]:
    """Of a list its parts, so that chains stay flat: filters have a greatest depth."""
    return one.filters if isinstance(one, kind) else (one,)
