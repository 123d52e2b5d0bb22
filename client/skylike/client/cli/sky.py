"""Places and angles on the sky, as people type them."""

import re
from typing import Any

import click

DEGREES = {"deg": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600}

# 10:00:24.5, 10h00m24.5s or 150d06m: whole, then minutes, then seconds.
_SEXAGESIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d{1,3})(?P<unit>[:hd°])"
    r"(?:(?P<minutes>\d{1,2}(?:\.\d*)?)(?:[:m']|$)(?P<seconds>\d{1,2}(?:\.\d*)?)?[s\"]?)?"
)
_WITH_UNIT = re.compile(
    r"\s*(?P<number>\d+\.?\d*|\.\d+)\s*(?P<unit>deg|arcmin|arcsec)\s*"
)


class _Coordinate(click.ParamType[float]):
    """Degrees, or sexagesimal: then ``:`` parts what `colon_degrees` says."""

    low = 0.0
    high = 360.0
    colon_degrees = 15.0
    units = "hd:°"
    example = "150.1025 (degrees), 10:00:24.6 or 10h00m24.6s (hours)"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Read it; what is none is wrong usage."""
        degrees = self._degrees(str(value).strip())
        if degrees is None:
            self.fail(f"{value!r} is no {self.name}; write {self.example}", param, ctx)
        if not self.low <= degrees <= self.high:
            self.fail(
                f"{value!r} is {degrees:g} degrees; a {self.name} is {self.low:g} to "
                f"{self.high:g}",
                param,
                ctx,
            )
        return degrees

    def _degrees(self, text: str) -> float | None:
        match = _SEXAGESIMAL.fullmatch(text)
        if match is None:
            try:
                return float(text)
            except ValueError:
                return None
        minutes, seconds = (float(match[one] or 0) for one in ("minutes", "seconds"))
        if match["unit"] not in self.units or max(minutes, seconds) >= 60:
            return None
        size = int(match["whole"]) + minutes / 60 + seconds / 3600
        each = {":": self.colon_degrees, "h": 15.0}.get(match["unit"], 1.0)
        return (-size if match["sign"] == "-" else size) * each


class RightAscension(_Coordinate):
    """ICRS; colons part hours, minutes, seconds."""

    name = "right ascension"


class Declination(_Coordinate):
    """ICRS; colons part degrees, minutes, seconds."""

    name = "declination"
    low, high = -90.0, 90.0
    colon_degrees = 1.0
    units = "d:°"
    example = "2.2053 (degrees), +02:12:19 or +02d12m19s"


class Radius(click.ParamType[float]):
    """An angle with its unit; gives degrees."""

    name = "radius"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Read it; one without a unit is wrong usage."""
        match = _WITH_UNIT.fullmatch(str(value))
        degrees = float(match["number"]) * DEGREES[match["unit"]] if match else None
        if degrees is None:
            self.fail(
                f"{value!r} is no radius; write 5arcsec, 0.5arcmin or 0.1deg",
                param,
                ctx,
            )
        if not 0 < degrees <= 180:
            self.fail(f"{value!r} is not above 0 and up to 180 degrees", param, ctx)
        return degrees


PLACE = (RightAscension(), Declination())
"""The type of an option that takes RA and DEC."""
