"""Directions and lengths on the sky, at the middle of a picture."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.fits import Image, World

_SHARE = 0.3  # of the picture's width that a scale bar is long at most
_ROUND = (1, 2, 5, 10, 20, 30)
_UNITS = ((3600.0, "°"), (60.0, "\u2032"), (1.0, "″"))
_FINEST = 6  # decimals of an arcsecond
_NEAR = 0.1  # pixels: beside a pole directions turn within a few


@dataclass(frozen=True, slots=True)
class Bar:
    """A round length: in arcseconds, as people write it, and in pixels of the picture."""

    arcsec: float
    label: str
    pixels: float


@dataclass(frozen=True, slots=True)
class Compass:
    """Where north and east are, degrees from up, counter-clockwise; and a scale bar.

    Each is None where the header does not tell.
    """

    north_deg: float | None = None
    east_deg: float | None = None
    bar: Bar | None = None


def compass(image: Image, width: int, step: float) -> Compass:
    """What the header tells of directions and lengths at the middle of an image.

    Parameters
    ----------
    image
        With its box; pixels are not looked at.
    width
        Of the picture.
    step
        Pixels of the image in one of the picture.
    """
    if image.world is None or image.box is None or image.pixel is None:
        return Compass()
    x, y = image.box.centre
    scale = float(image.pixel.scale_arcsec)
    away = math.radians(_NEAR * scale / 3600)
    north, east = _directions(image.world, x, y, away)
    return Compass(north, east, _bar(float(image.pixel.along_x_arcsec) * step, width))


def _directions(
    world: World, x: float, y: float, away: float
) -> tuple[float | None, float | None]:
    """Where pixels lie that are a little north and a little east, as seen from here.

    Parameters
    ----------
    world
        Of the image.
    x, y
        A pixel.
    away
        How far, radians.
    """
    ra, dec = (math.radians(float(angle)) for angle in world.to_sky(x, y))
    here = np.array(
        [math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)]
    )
    north = np.array(
        [-math.sin(dec) * math.cos(ra), -math.sin(dec) * math.sin(ra), math.cos(dec)]
    )
    east = np.array([-math.sin(ra), math.cos(ra), 0.0])
    found: list[float | None] = []
    for way in (north, east):
        ends = [_pixel(world, here + sign * away * way) for sign in (1, -1)]
        dx, dy = ends[0] - ends[1]
        angle = math.degrees(math.atan2(-dx, dy)) % 360.0
        found.append(angle if math.isfinite(angle) else None)
    return found[0], found[1]


def _pixel(world: World, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixel coordinates of a direction of any length."""
    ra = np.degrees(np.arctan2(place[1], place[0])) % 360.0
    dec = np.degrees(np.arctan2(place[2], np.hypot(place[0], place[1])))
    return np.array(world.to_pixels(np.array([ra]), np.array([dec])))[:, 0]


def _bar(scale: float, width: int) -> Bar | None:
    """The longest round length that is not too long; a pixel has `scale` arcseconds."""
    most = _SHARE * width * scale
    if not (math.isfinite(most) and most > 0):
        return None
    for arcsec, sign in _UNITS:
        fitting = [number for number in _ROUND if number * arcsec <= most]
        if fitting:
            return _named(fitting[-1] * arcsec, f"{fitting[-1]}{sign}", scale)
    for decimals in range(1, _FINEST + 1):
        for digit in (5, 2, 1):
            length = digit / 10**decimals
            if length <= most:
                return _named(length, f"{length:.{decimals}f}″", scale)
    return None


def _named(arcsec: float, label: str, scale: float) -> Bar:
    return Bar(float(arcsec), label, float(arcsec) / scale)
