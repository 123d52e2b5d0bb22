"""World coordinates: where the pixels lie on the sky, in ICRS whatever the header's."""

import functools
import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.fits.header import Header
from skylike.service.fits.projection import (
    CELESTIAL,
    PLATE,
    Floats,
    Projection,
    Zenithal,
    functions,
    general,
    linear_matrix,
    zenithal,
)
from skylike.service.fits.warned import recorded

_FIRST_EQUINOX, _LAST_EQUINOX = 1500.0, 2500.0  # precession formulae hold there
_ARCSEC = math.degrees(1) * 3600  # in a radian

Vector = tuple[Floats, Floats, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Pixel coordinates to ICRS and back.

    Pixel coordinates are 0-based, x first; the centre of the first pixel is (0, 0).

    Attributes
    ----------
    projection
        Between pixels and the sphere of the header.
    frame
        What turns that sphere: a (3, 3) rotation to ICRS, an astropy frame where it
        is no rotation, or None where it is ICRS.
    """

    projection: Projection
    frame: Any

    def to_sky(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Right ascension and declination of pixels.

        Parameters
        ----------
        x, y : (n,) float64, or float
            Pixel coordinates, 0-based.

        Returns
        -------
        ra, dec : (n,) float64, or float, degrees ICRS
            NaN off the sky; 0 <= ra < 360.
        """
        lon, lat = self.projection.to_sphere(x, y)
        if isinstance(self.frame, np.ndarray):
            lon, lat = _turned(self.frame, lon, lat)
        elif self.frame is not None:
            with recorded():
                lon, lat = _degrees(_sky(lon, lat, self.frame).icrs)
        return lon % 360.0 % 360.0, lat  # -1e-17 % 360 is 360

    def to_pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Pixel coordinates of positions.

        Parameters
        ----------
        ra, dec : (n,) float64, degrees ICRS

        Returns
        -------
        x, y : (n,) float64, 0-based
            NaN where the projection does not show the position.
        """
        lon, lat = ra, dec
        if isinstance(self.frame, np.ndarray):
            lon, lat = _turned(self.frame.T, lon, lat)
        elif self.frame is not None:
            with recorded():
                lon, lat = _degrees(_sky(lon, lat, "icrs").transform_to(self.frame))
        return self.projection.to_pixels(lon, lat)

    def pixel_at(self, x: Floats, y: Floats) -> "Pixel":
        """What the pixels around points are on the sky.

        Parameters
        ----------
        x, y : (n,) float64, or float
            Pixel coordinates, 0-based.

        Returns
        -------
        Pixel
            Its numbers are NaN where a part of the pixel is off the sky.
        """
        if isinstance(self.projection, Zenithal):  # computed in a tenth of the time
            (root, along_x, along_y), is_mirrored = self.projection.pixel_at(x, y)
            return Pixel(
                _ARCSEC * root, _ARCSEC * along_x, _ARCSEC * along_y, is_mirrored
            )
        middles = ((x - 0.5, y), (x + 0.5, y), (x, y - 0.5), (x, y + 0.5))
        lon, lat = self.projection.to_sphere(*np.array(middles).swapaxes(0, 1))
        west, east, south, north = (
            _direction(*place)
            for place in zip(np.asarray(lon), np.asarray(lat), strict=True)
        )
        across, up = _difference(east, west), _difference(north, south)
        normal = _cross(across, up)
        m = functions(normal[0])
        return Pixel(
            scale_arcsec=_ARCSEC * m.sqrt(m.sqrt(_product(normal, normal))),
            along_x_arcsec=_ARCSEC * m.sqrt(_product(across, across)),
            along_y_arcsec=_ARCSEC * m.sqrt(_product(up, up)),
            is_mirrored=_product(normal, west) > 0,
        )


@dataclass(frozen=True, slots=True)
class Pixel:
    """What a pixel is on the sky, or what each of several are.

    Attributes
    ----------
    scale_arcsec
        Square root of its area.
    along_x_arcsec, along_y_arcsec
        Its sizes.
    is_mirrored
        Whether East is right when North is up.
    """

    scale_arcsec: Floats
    along_x_arcsec: Floats
    along_y_arcsec: Floats
    is_mirrored: bool | NDArray[np.bool_]


def read_world(header: Header, axes: tuple[int, int]) -> tuple[World | None, list[str]]:
    """The world coordinates of an image.

    Parameters
    ----------
    header
        Where the cards are.
    axes
        Which FITS axes, from 1, are the columns and the rows of the image.

    Returns
    -------
    world
        None where the header has no celestial coordinates for both axes.
    mended
        What astropy had to mend in the header; a sentence each.

    Raises
    ------
    Exception
        ValueError for a number that is none, and whatever astropy raises for
        coordinates that contradict themselves.
    """
    ctypes = [header.text(f"CTYPE{axis}").upper() for axis in axes]
    has_plate = ctypes == ["", ""] and PLATE in header
    if not has_plate and not all(CELESTIAL.match(ctype) for ctype in ctypes):
        return None, []
    for keyword in header.among(_numbers(axes)):
        if header.number(keyword) is None:
            raise ValueError(f"{keyword} is {header.text(keyword)!r}, not a number")
    foreign = filter(header.number, header.among(_between(axes)))
    notes = [f"{keyword} is left out" for keyword in foreign]
    matrix = linear_matrix(header, axes, ctypes)
    if matrix is None and not has_plate:
        raise ValueError("no card gives the size of a pixel on the sky")
    is_rotation, rotation = _rotation_to_icrs(header, ctypes)
    plain = zenithal(header, axes, ctypes, matrix) if is_rotation else None
    if plain is not None:
        return World(plain, rotation), notes
    found, mended = general(header, axes)
    mended = notes + mended
    if not found.wcs.has_celestial:
        return None, mended
    if is_rotation:
        return World(found, rotation), mended
    if not ctypes[0].startswith(("RA--", "DEC-")) and not has_plate:
        raise ValueError(f"the axis {ctypes[0]} has no fixed place on the sky")
    utils = importlib.import_module("astropy.wcs.utils")
    return World(found, utils.wcs_to_celestial_frame(found.wcs)), mended


@functools.cache
def _numbers(axes: tuple[int, int]) -> frozenset[str]:
    """The cards that must hold numbers if they are there."""
    names = ("CRVAL", "CRPIX", "CDELT", "CROTA")
    single = {f"{name}{axis}" for name in names for axis in axes}
    double = {f"{name}{i}_{j}" for name in ("CD", "PC") for i in axes for j in axes}
    return frozenset(single | double | {"LONPOLE", "LATPOLE", "EQUINOX"})


@functools.cache
def _between(axes: tuple[int, int]) -> frozenset[str]:
    """The cards that tie the sky to an axis that is not of the image."""
    others = set(range(1, 5)).difference(axes)
    return frozenset(
        f"{name}{i}_{j}" for name in ("CD", "PC") for i in axes for j in others
    )


def _direction(lon: Floats, lat: Floats) -> Vector:
    m = functions(lon)
    lam, phi = m.radians(lon), m.radians(lat)
    across = m.cos(phi)
    return across * m.cos(lam), across * m.sin(lam), m.sin(phi)


def _difference(to: Vector, start: Vector) -> Vector:
    return to[0] - start[0], to[1] - start[1], to[2] - start[2]


def _cross(a: Vector, b: Vector) -> Vector:
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def _product(a: Vector, b: Vector) -> Floats:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _rotation_to_icrs(header: Header, ctypes: list[str]) -> tuple[bool, Floats | None]:
    """Whether the frame is a rotation of ICRS, and which; None for none at all.

    FITS standard 4.0, section 8.3: without RADESYS the equinox tells, and without an
    equinox it is ICRS.
    """
    if ctypes[0].startswith("GL"):
        return True, _rotation("galactic")
    if ctypes[0].startswith("SL"):
        return True, _rotation("supergalactic")
    equinox = header.number("EQUINOX") or header.number("EPOCH")
    if equinox is not None and not _FIRST_EQUINOX <= equinox <= _LAST_EQUINOX:
        raise ValueError(f"the equinox {equinox:g} is no year")
    name = (header.text("RADESYS") or header.text("RADECSYS")).upper()
    if not name:
        name = "ICRS" if equinox is None else "FK4" if equinox < 1984 else "FK5"
    if ctypes[0].startswith("EL"):
        if name.startswith("FK4"):
            return True, _rotation("ecliptic", f"B{equinox or 1950.0}")
        if name == "ICRS":  # it has no equinox
            equinox = 2000.0
        return True, _rotation("ecliptic", f"J{equinox or 2000.0}")
    if not ctypes[0].startswith(("RA--", "DEC-")) or name not in ("ICRS", "FK5"):
        return False, None
    return True, None if name == "ICRS" else _rotation("fk5", f"J{equinox or 2000.0}")


@functools.lru_cache(maxsize=64)
def _rotation(frame: str, equinox: str = "") -> Floats:
    """The axes of a frame in ICRS, as columns, as astropy has them."""
    coordinates = importlib.import_module("astropy.coordinates")  # slow
    axes = coordinates.CartesianRepresentation(np.eye(3))
    if frame == "galactic":
        found = coordinates.Galactic(axes)
    elif frame == "supergalactic":
        found = coordinates.Supergalactic(axes)
    elif frame == "ecliptic":
        found = coordinates.BarycentricMeanEcliptic(axes, equinox=equinox)
    else:
        found = coordinates.FK5(axes, equinox=equinox)
    rotation: Floats = found.transform_to(coordinates.ICRS()).cartesian.xyz.value
    return rotation


def _turned(
    rotation: NDArray[np.float64], lon: Floats, lat: Floats
) -> tuple[Floats, Floats]:
    m = functions(lon)
    axes = _direction(lon, lat)
    x, y, z = (_product(row, axes) for row in rotation.tolist())
    return m.degrees(m.arctan2(y, x)), m.degrees(m.arctan2(z, m.hypot(x, y)))


def _sky(lon: Floats, lat: Floats, frame: Any) -> Any:
    coordinates = importlib.import_module("astropy.coordinates")
    return coordinates.SkyCoord(lon, lat, unit="deg", frame=frame)


def _degrees(sky: Any) -> tuple[Floats, Floats]:
    return sky.spherical.lon.deg, sky.spherical.lat.deg
