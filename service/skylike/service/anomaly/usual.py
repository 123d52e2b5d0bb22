"""Which number about an object stands out, against its neighbours and the archive.

Robust z scores: the distance from the median in units of 1.4826 MAD, the standard
deviation of a Gaussian with that median absolute deviation. Where more than half are
equal the MAD is 0; the mean absolute deviation takes its place, the object itself among
them, times 1.2533: so the scale is 0 only where nothing differs, whatever the unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

_MAD_UNIT, _MEAN_UNIT = 1.4826, 1.2533  # of a Gaussian: 1 / 0.6745, sqrt(pi / 2)
_FEWEST = 5  # numbers that a z score is made from
_LEAST = 3.0  # z that stands out
_MOST = 5  # attributes told


class Spread(NamedTuple):
    """How some numbers are spread: how many there are, and what is usual."""

    num: int
    median: float
    mad: float
    mean_deviation: float

    @classmethod
    def of(cls, numbers: NDArray[np.float64]) -> Self:
        """That of numbers; those that are not finite do not count."""
        known = numbers[np.isfinite(numbers)]
        if not len(known):
            return cls(0, np.nan, np.nan, np.nan)
        median = float(np.median(known))
        away = np.abs(known - median)
        return cls(len(known), median, float(np.median(away)), float(away.mean()))

    def z(self, value: float) -> float | None:
        """How far a value is from the median; None of too few numbers."""
        if self.num < _FEWEST:
            return None
        away = value - self.median
        scale = _MAD_UNIT * self.mad
        if scale == 0:
            whole = self.num * self.mean_deviation + abs(away)
            scale = _MEAN_UNIT * whole / (self.num + 1)
        return away / scale if away else 0.0


class Outstanding(NamedTuple):
    """An attribute that stands out.

    Attributes
    ----------
    name
    value
        Of the object.
    median_of_neighbors, z_of_neighbors
        What is usual among its neighbours, and how far it is from that; None where too
        few of them have the attribute.
    median_of_archive, z_of_archive
        The same of the whole archive.
    """

    name: str
    value: float
    median_of_neighbors: float | None
    z_of_neighbors: float | None
    median_of_archive: float | None
    z_of_archive: float | None


@dataclass(frozen=True, eq=False)
class Usual:
    """What numbers are usual in an archive, by attribute."""

    spreads: Mapping[str, Spread]

    def outstanding(
        self,
        known: Mapping[str, Any],
        neighbors: Sequence[Mapping[str, Any]],
    ) -> tuple[Outstanding, ...]:
        """At most five attributes with a z of 3 or more, the most outstanding first.

        Parameters
        ----------
        known
            Attributes of the object; only numbers count.
        neighbors
            Those of its neighbours.
        """
        found = []
        for name, value in sorted(known.items()):
            if not is_number(value):
                continue
            theirs = [float(one[name]) for one in neighbors if is_number(one.get(name))]
            near = Spread.of(np.array(theirs, np.float64))
            usual = self.spreads.get(name, Spread.of(np.empty(0)))
            z_near, z_usual = near.z(float(value)), usual.z(float(value))
            largest = max(abs(z_near or 0.0), abs(z_usual or 0.0))
            if largest >= _LEAST:
                told = Outstanding(
                    name,
                    float(value),
                    None if z_near is None else near.median,
                    z_near,
                    None if z_usual is None else usual.median,
                    z_usual,
                )
                found.append((-largest, told))
        found.sort()
        return tuple(told for _, told in found[:_MOST])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, for storage."""
        return {
            "names": np.array(list(self.spreads), np.str_),
            "spreads": np.array(list(self.spreads.values()), np.float64).reshape(-1, 4),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What is usual, of `to_arrays`."""
        lines = zip(arrays["names"].tolist(), arrays["spreads"].tolist(), strict=True)
        return cls({name: Spread(int(n), *rest) for name, (n, *rest) in lines})


def is_number(value: Any) -> bool:
    """Whether an attribute is a finite number, and not a truth value."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )
