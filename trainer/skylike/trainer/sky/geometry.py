"""The pixel grid an object is drawn on, and the ways to turn it.

Angles are radians, counter-clockwise from the +x (column) axis of the array, unless
a name says otherwise. Lengths are pixels.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.floating[Any]]
"""float32 at run time, which tests check; stubs lose it where scalars take part."""
_RING = 0.5  # px

Parameters = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Frame:
    """Coordinates about the object's centre, on a grid with a margin for the PSF.

    Parameters
    ----------
    x : (1, nx) float32, px
        Columns, zero at the object's centre.
    y : (ny, 1) float32, px
        Rows, zero at the object's centre.
    radius
        Half the shorter side of the visible part, px: the unit of object sizes.
    fwhm
        Geometric mean FWHM of the PSF or beam, px: nothing finer can be seen.
    """

    x: Pixels
    y: Pixels
    radius: float
    fwhm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, margin included."""
        return self.y.shape[0], self.x.shape[1]

    def turned(
        self, angle: float, x0: float = 0.0, y0: float = 0.0
    ) -> tuple[Pixels, Pixels]:
        """Coordinates along and across an axis at `angle` through (x0, y0)."""
        cosine, sine = math.cos(angle), math.sin(angle)
        x, y = self.x - x0, self.y - y0
        return cosine * x + sine * y, cosine * y - sine * x

    def in_plane(self, angle: float, inclination: float) -> tuple[Pixels, Pixels]:
        """Cartesian coordinates in the plane of a thin disc inclined to the sky."""
        along, across = self.turned(angle)
        return along, across / math.cos(inclination)


@dataclass(frozen=True, slots=True)
class Sketch:
    """An object before the telescope: brightness without unit, blur or noise.

    Parameters
    ----------
    image : (ny, nx) float32
        Surface brightness on the frame's grid, never negative.
    angle
        Direction of the major axis, or None where there is none.
    inclination
        Of a disc, radians from face-on.
    parameters
        What the truth table records, by column.
    sharp
        True if it does not pass through the optics (cosmic rays).
    """

    image: Pixels
    angle: float | None = None
    inclination: float | None = None
    parameters: Parameters = field(default_factory=dict)
    sharp: bool = False


def distance(x: Pixels, y: Pixels) -> Pixels:
    """Return the distance from the origin; several times as fast as `np.hypot`."""
    out: Pixels = np.sqrt(x * x + y * y)
    return out


def half_light_radius(image: Pixels, frame: Frame) -> float | None:
    """Radius of the circle about the centre that holds half of the light, px.

    Light outside the frame does not count; None where there is none inside.
    """
    ring = np.rint(distance(frame.x, frame.y) / _RING).astype(np.int64)
    light = np.bincount(ring.ravel(), image.ravel()).cumsum()
    if not light[-1] > 0:
        return None
    outer = (np.arange(len(light)) + 0.5) * _RING
    return float(np.interp(0.5 * light[-1], light, outer))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform between the bounds."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def random_angle(rng: np.random.Generator) -> float:
    """Draw the direction of an axis, uniform over the half circle."""
    return rng.uniform(0.0, math.pi)


def random_inclination(rng: np.random.Generator, most_deg: float) -> float:
    """Draw the inclination of a randomly oriented disc, up to a limit."""
    return math.acos(rng.uniform(math.cos(math.radians(most_deg)), 1.0))
