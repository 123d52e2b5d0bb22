"""Where the pixels of a stamp lie in an image."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadStamp
from skylike.service.fits import Image, Pixel
from skylike.service.stamp.resample import Grid
from skylike.service.stamp.spec import StampSpec

_EQUAL = 0.03  # pixels by which a stamp may be larger or smaller
_ROUNDING = 1e-6


def place(
    pixels: NDArray[np.float32], image: Image, spec: StampSpec
) -> tuple[Grid, Grid]:
    """The grid of a stamp along y and along x, in pixels of the image.

    Parameters
    ----------
    pixels : (channel, ny, nx) float32
        What is taken of the image.
    image
        The image, which knows the size of its pixels on the sky.
    spec
        What the model wants.

    Raises
    ------
    BadStamp
        ``no_wcs`` or ``no_source``, see `make`.
    """
    ny, nx = pixels.shape[1:]
    if spec.scale == "angular":
        return _angular(ny, nx, image.pixel, spec)
    if spec.scale == "source":
        from skylike.service.stamp.source import central_source  # noqa: PLC0415 (1 s)

        source = central_source(pixels)
        step = 2 * (spec.half_light_radii or 1.0) * source.half_light_radius / spec.size
        half = step * spec.size / 2
        # The centre of the first pixel is half a pixel from its edge.
        return (
            Grid(source.y + 0.5 - half, step, spec.size),
            Grid(source.x + 0.5 - half, step, spec.size),
        )
    side = spec.size if spec.fit == "crop" else min(ny, nx)
    step = side / spec.size
    return (
        Grid((ny - side) // 2, step, spec.size),
        Grid((nx - side) // 2, step, spec.size),
    )


def _angular(
    ny: int, nx: int, pixel: Pixel | None, spec: StampSpec
) -> tuple[Grid, Grid]:
    if pixel is None or spec.arcsec_per_pixel is None:
        raise BadStamp(
            "the size of the central pixel on the sky is not known, and the model wants "
            f"{spec.arcsec_per_pixel} arcsec: the file has no WCS, or is not on the sky "
            "there",
            reason="no_wcs",
        )
    # A pixel of the stamp is square on the sky, one of the image perhaps is not.
    step_x = spec.arcsec_per_pixel / float(pixel.along_x_arcsec)
    step_y = spec.arcsec_per_pixel / float(pixel.along_y_arcsec)
    return _central(ny, step_y, spec.size), _central(nx, step_x, spec.size)


def _central(length: int, step: float, count: int) -> Grid:
    """The grid in the middle, pixel by pixel where the pixels are equal."""
    if abs(step - 1) * count < _EQUAL:
        return Grid((length - count) // 2, 1.0, count)
    return Grid((length - step * count) / 2, step, count)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The part of an image that a stamp is made of.

    Attributes
    ----------
    pixels : (channel, height, width) float32
        Those under the grid and inside the image.
    y, x
        Row and column of the image where they begin.
    ny, nx
        How many rows and columns the grid covers, inside the image or not.
    """

    pixels: NDArray[np.float32]
    y: int
    x: int
    ny: int
    nx: int

    @property
    def is_whole(self) -> bool:
        """Whether all of it lies inside the image."""
        return self.pixels.shape[1:] == (self.ny, self.nx)

    def valid_fraction(self) -> float:
        """Share of the pixels under the grid that hold data."""
        area = len(self.pixels) * self.ny * self.nx
        return int(np.count_nonzero(np.isfinite(self.pixels))) / area


def region(pixels: NDArray[np.float32], rows: Grid, columns: Grid) -> Region:
    """The part of an image under a grid."""
    y, x = (math.floor(grid.start + _ROUNDING) for grid in (rows, columns))
    stop_y, stop_x = (math.ceil(grid.stop - _ROUNDING) for grid in (rows, columns))
    first_y, first_x = max(y, 0), max(x, 0)
    inside = pixels[:, first_y : max(stop_y, 0), first_x : max(stop_x, 0)]
    return Region(inside, first_y, first_x, stop_y - y, stop_x - x)
