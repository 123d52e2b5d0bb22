"""Pixels to longitude and latitude, and back.

The two plane projections that nearly all images use are computed here, in
microseconds; everything else is left to astropy.
"""

import functools
import importlib
import math
import re
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from skylike.service.fits.header import Header
from skylike.service.fits.warned import recorded

Floats = NDArray[np.float64] | float
Matrix = tuple[float, float, float, float]
_P = ParamSpec("_P")
_T = TypeVar("_T")

CELESTIAL = re.compile(r"(RA--|DEC-|.LON|.LAT|..LN|..LT)")
LATITUDE = re.compile(r"(DEC-|.LAT|..LT)")
_PLAIN = (
    ("DEC--TAN", "RA---TAN"),
    ("DEC--SIN", "RA---SIN"),
    ("GLAT-TAN", "GLON-TAN"),
    ("GLAT-SIN", "GLON-SIN"),
)
_UNIT = re.compile(r"CUNIT\d")
_SINGLE = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA|PV|PS)(\d)((?:_\d+)?)")
_DOUBLE = re.compile(r"(CD|PC)(\d)_(\d)")
_DISTORTION = re.compile(r"(A|B|AP|BP)_(ORDER|\d+_\d+)")
_FRAME = ("LONPOLE", "LATPOLE", "RADESYS", "EQUINOX")
_OLD_NAMES = {"RADECSYS": "RADESYS", "EPOCH": "EQUINOX"}
# The polynomials of the digitised photographic plates, which have no CTYPE.
PLATE = "PLTRAH"
_PLATE = re.compile(r"AMD[XY]\d+|PLT\w+|PPO\d|CNPIX\d|[XY]PIXELSZ")
_PLATE_NEEDED = (
    "PLTRAH", "PLTRAM", "PLTRAS", "PLTDECD", "PLTDECM", "PLTDECS", "CNPIX1", "CNPIX2",
    "XPIXELSZ", "YPIXELSZ", "PPO3", "PPO6",
    "AMDX1", "AMDX2", "AMDX3", "AMDY1", "AMDY2", "AMDY3",
)  # fmt: skip
_ORDERS = ("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER")
_LARGEST_ORDER = 9  # SIP has digits for its powers
# The standard knows only ``deg``; others are seen in the wild.
_DEGREES = ("", "deg", "degree", "degrees")


# One position by numpy takes ten times as long.
_SCALAR = types.SimpleNamespace(
    arctan2=math.atan2,
    cos=math.cos,
    degrees=math.degrees,
    hypot=math.hypot,
    radians=math.radians,
    sin=math.sin,
    sqrt=math.sqrt,
    where=lambda condition, yes, no: yes if condition else no,
)


def functions(value: Floats) -> Any:
    """The functions for a single number, or for an array."""
    return _SCALAR if isinstance(value, float) else np


def _quiet(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let arrays overflow without a word: a header's numbers are as large as they like.

    Single numbers do so by themselves, and would wait for numpy's setting.
    """

    @functools.wraps(method)
    def quiet(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        if isinstance(args[1], float):
            return method(*args, **kwargs)
        with np.errstate(over="ignore", invalid="ignore"):
            return method(*args, **kwargs)

    return quiet


class Projection(Protocol):
    """Between 0-based pixels and degrees of longitude and latitude."""

    def to_sphere(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude, NaN off the sphere."""

    def to_pixels(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Pixels, NaN where the projection does not show the position."""


def linear_matrix(
    header: Header, axes: tuple[int, int], ctypes: list[str]
) -> Matrix | None:
    """Degrees of longitude, then of latitude, per pixel of x and y.

    None where the cards do not tell of both axes. FITS standard 4.0, section 8.1.
    """
    steps = [header.number(f"CDELT{axis}") for axis in axes]
    names = [f"{a}_{b}" for a in axes for b in axes]
    has_cd, has_pc = (
        any(f"{kind}{name}" in header for name in names) for kind in ("CD", "PC")
    )
    if not has_cd and (steps.count(None) == 1 or (None in steps and not has_pc)):
        return None
    x, y = (1.0 if step is None else step for step in steps)
    values = [x, 0.0, 0.0, y]
    if has_cd:
        values = [header.number(f"CD{name}") or 0.0 for name in names]
    elif has_pc:
        turns = [header.number(f"PC{name}") for name in names]
        values = [
            (default if turn is None else turn) * step
            for turn, step, default in zip(
                turns, (x, x, y, y), (1, 0, 0, 1), strict=True
            )
        ]
    if LATITUDE.match(ctypes[0]):
        values = values[2:] + values[:2]
    return values[0], values[1], values[2], values[3]


def determinant(matrix: Matrix) -> float:
    """The area that a pixel becomes, with its sign."""
    a, b, c, d = matrix
    return a * d - b * c


def is_regular(matrix: Matrix) -> bool:
    """Whether a pixel has an area on the sky."""
    return 0 < abs(determinant(matrix)) < math.inf


@dataclass(frozen=True, slots=True)
class Zenithal:
    """The gnomonic (TAN) and the orthographic (SIN) projection.

    Calabretta & Greisen 2002, A&A 395, 1077: sections 5.1.3 and 5.1.5, with the
    pole of the native system at the reference point (section 2.4).
    """

    x0: float
    y0: float
    lon0: float
    lat0: float
    matrix: Matrix
    is_gnomonic: bool

    @_quiet
    def to_sphere(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude in degrees; NaN off the sphere."""
        m = functions(x)
        a, b, c, d = self.matrix
        dx, dy = x - self.x0, y - self.y0
        east, north = a * dx + b * dy, c * dx + d * dy
        squared = east * east + north * north
        if self.is_gnomonic:
            towards = 1 / m.sqrt(1 + squared)
            east, north = east * towards, north * towards
        else:
            towards = m.sqrt(m.where(squared <= 1, 1 - squared, math.nan))
        sin, cos = math.sin(self.lat0), math.cos(self.lat0)
        ahead = towards * cos - north * sin  # along the equator, below the reference
        lon = m.degrees(m.arctan2(east, ahead) + self.lon0)
        lat = m.arctan2(towards * sin + north * cos, m.hypot(east, ahead))
        return lon, m.degrees(lat)

    @_quiet
    def to_pixels(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Pixels; NaN for what lies behind the plane."""
        away, phi = np.radians(lon) - self.lon0, np.radians(lat)
        sin, cos = math.sin(self.lat0), math.cos(self.lat0)
        ahead, up = np.cos(phi) * np.cos(away), np.sin(phi)
        towards = ahead * cos + up * sin
        towards = np.where(towards > 0, towards, np.nan)
        scale = 1 / towards if self.is_gnomonic else np.where(towards > 0, 1, np.nan)
        east = np.cos(phi) * np.sin(away) * scale
        north = (up * cos - ahead * sin) * scale
        a, b, c, d = self.matrix
        area = determinant(self.matrix)
        x = (d * east - b * north) / area + self.x0
        return x, (a * north - c * east) / area + self.y0

    @_quiet
    def pixel_at(
        self, x: Floats, y: Floats
    ) -> tuple[tuple[Floats, Floats, Floats], bool]:
        """Root of the area, size along x and y, in radians, and if it is mirrored.

        By the derivatives of the projections: a step s at the place r of the plane is
        as long as sqrt(s² / q - (r s)² / q²), q = 1 + r², in the gnomonic one, and as
        sqrt(s² + (r s)² / q), q = 1 - r², in the orthographic one; NaN off the sphere.
        """
        m = functions(x)
        a, b, c, d = self.matrix
        dx, dy = x - self.x0, y - self.y0
        east, north = a * dx + b * dy, c * dx + d * dy
        squared = east * east + north * north
        along_x, along_y = east * a + north * c, east * b + north * d
        area = abs(determinant(self.matrix))
        if self.is_gnomonic:
            q = 1 + squared
            squares = (
                area / (q * m.sqrt(q)),
                (a * a + c * c) / q - (along_x / q) * (along_x / q),
                (b * b + d * d) / q - (along_y / q) * (along_y / q),
            )
        else:
            q = m.where(squared < 1, 1 - squared, math.nan)
            squares = (
                area / m.sqrt(q),
                a * a + c * c + along_x * along_x / q,
                b * b + d * d + along_y * along_y / q,
            )
        # Far away, differences may round to less than nothing.
        root, along_x, along_y = (
            m.sqrt(m.where(square >= 0, square, math.nan)) for square in squares
        )
        sizes = root, along_x, along_y
        return sizes, determinant(self.matrix) > 0


def zenithal(
    header: Header, axes: tuple[int, int], ctypes: list[str], matrix: Matrix | None
) -> Zenithal | None:
    """The projection if it is plain: no distortion, no turned pole, degrees."""
    if matrix is None or not is_regular(matrix):
        return None
    if tuple(sorted(ctypes)) not in _PLAIN:
        return None
    if any(header.text(f"CUNIT{axis}").lower() not in _DEGREES for axis in axes):
        return None
    if any(header.number(f"CROTA{axis}") for axis in axes):
        return None
    if header.has_any("PV", "PS"):
        return None
    x0, y0 = (header.number(f"CRPIX{axis}") or 0.0 for axis in axes)
    lon0, lat0 = (header.number(f"CRVAL{axis}") or 0.0 for axis in axes)
    if LATITUDE.match(ctypes[0]):
        lon0, lat0 = lat0, lon0
    if abs(lat0) > 90:
        return None
    pole = header.number("LONPOLE")
    if pole is None:  # Calabretta & Greisen 2002, section 2.2
        pole = 0.0 if lat0 == 90 else 180.0
    if pole != 180:
        return None
    a, b, c, d = map(math.radians, matrix)
    return Zenithal(
        x0=x0 - 1,
        y0=y0 - 1,
        lon0=math.radians(lon0),
        lat0=math.radians(lat0),
        matrix=(a, b, c, d),
        is_gnomonic=ctypes[0].endswith("TAN"),
    )


@dataclass(frozen=True, slots=True, eq=False)
class General:
    """Every other projection: an `astropy.wcs.WCS` of two axes."""

    wcs: Any

    @_quiet
    def to_sphere(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude in degrees; NaN off the sphere."""
        with recorded():
            try:
                world = self.wcs.all_pix2world(x, y, 0)
            except Exception:  # parameters that the projection cannot have
                nowhere = np.full(np.shape(x), np.nan)
                return nowhere, nowhere
        lon, lat = world[self.wcs.wcs.lng], world[self.wcs.wcs.lat]
        is_sky = np.isfinite(lon) & np.isfinite(lat)
        return np.where(is_sky, lon, np.nan), np.where(is_sky, lat, np.nan)

    @_quiet
    def to_pixels(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Pixels; NaN where the projection does not show the position."""
        pair = (lon, lat) if self.wcs.wcs.lng == 0 else (lat, lon)
        with recorded():
            try:
                x, y = self.wcs.all_world2pix(*pair, 0, quiet=True)
            except Exception:  # as above
                nowhere = np.full(np.shape(lon), np.nan)
                return nowhere, nowhere
        return np.asarray(x), np.asarray(y)


def general(header: Header, axes: tuple[int, int]) -> tuple[General, list[str]]:
    """The projection as astropy understands it, and what it had to mend.

    Raises
    ------
    Exception
        Anything: the world coordinates of real files break in many ways.
    """
    # Without the number of axes the parser takes the largest that it meets.
    cards = [b"NAXIS   = 2".ljust(80)]
    cards += [
        renumbered(header, keyword, axes)
        for keyword in header.keywords()
        if not _PLATE.fullmatch(keyword)
    ]
    if PLATE in header:
        cards += _plate(header, axes)
    is_meant = any(header.text(f"CTYPE{axis}").endswith("-SIP") for axis in axes)
    for keyword in _ORDERS if is_meant else ():
        if keyword in header and header.get(keyword) not in range(_LARGEST_ORDER + 1):
            raise ValueError(f"{keyword} is {header.text(keyword)!r}")
    wcs = importlib.import_module("astropy.wcs")  # slow, and seldom needed
    with recorded() as mended:
        # As text: parsed cards would have to be written again.
        found = General(wcs.WCS(b"".join(cards).decode("latin-1"), naxis=2))
    return found, mended


def _plate(header: Header, axes: tuple[int, int]) -> list[bytes]:
    """The cards of a plate solution; the parser needs all of them, well written."""
    lacking = [key for key in _PLATE_NEEDED if header.number(key) is None]
    if lacking and any(header.text(f"CTYPE{axis}") for axis in axes):
        return []
    if lacking:
        raise ValueError(f"the plate solution lacks {', '.join(lacking[:3])}")
    sign = "-" if header.text("PLTDECSN").startswith("-") else "+"
    numbers = {
        keyword: header.number(keyword)
        for keyword in header.keywords()
        if _PLATE.fullmatch(keyword)
    }
    cards = [f"PLTDECSN= '{sign:8}'"] + [
        f"{keyword:8}= {number!r}"
        for keyword, number in numbers.items()
        if number is not None
    ]
    return [card.encode().ljust(80) for card in cards]


def renumbered(header: Header, keyword: str, axes: Sequence[int]) -> bytes:
    """A card as if `axes` were the axes 1, 2 and so on; empty if it is of no use.

    Coordinates of other axes break in ways of their own, and headers can hold
    hundreds of thousands of other cards, on which astropy takes seconds.
    """
    card = header.card(keyword)
    if keyword in _FRAME or (PLATE in header and _PLATE.fullmatch(keyword)):
        return card
    if _UNIT.fullmatch(keyword) and header.text(keyword).lower() in _DEGREES[1:]:
        card = f"{keyword:8}= 'deg     '".ljust(80).encode()
    if keyword in _OLD_NAMES:
        new = _OLD_NAMES[keyword]
        return b"" if new in header else new.ljust(8).encode() + card[8:]
    if _DISTORTION.fullmatch(keyword):
        # Coefficients are left behind in images that no longer speak of distortion.
        is_meant = any(header.text(f"CTYPE{axis}").endswith("-SIP") for axis in axes)
        return card if is_meant else b""
    numbers = {str(axis): str(i + 1) for i, axis in enumerate(axes)}
    if (match := _SINGLE.fullmatch(keyword)) and match[2] in numbers:
        name = f"{match[1]}{numbers[match[2]]}{match[3]}"
    elif (match := _DOUBLE.fullmatch(keyword)) and {match[2], match[3]} <= set(numbers):
        name = f"{match[1]}{numbers[match[2]]}_{numbers[match[3]]}"
    else:
        return b""
    return name.ljust(8).encode() + card[8:]
