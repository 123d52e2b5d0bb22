"""A frame of any size as a picture that a person can take in."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.errors import BadCutout
from skylike.service.fits import Axes, Frame, Image, mean_plane
from skylike.service.picture.compass import Compass, compass
from skylike.service.picture.drawing import decorate
from skylike.service.picture.png import encoded
from skylike.service.picture.stretch import Stretch, levels
from skylike.service.stamp.resample import Grid, resample

LARGEST_SIDE = 1024
_MOST_LOOKED_AT = 2**22  # pixels of a frame that is too large to be read
_MOST_READ = 2**28
_MOST_PLANES = 16
_READ_AT_ONCE = 2**22
# Of compressed images: a small file may have tiles enough for minutes.
_MOST_DECODED = 2**31


@dataclass(frozen=True, slots=True)
class Picture:
    """What is seen.

    Attributes
    ----------
    png
        8 bit, grey or colour; the first row of the image below, blank pixels black.
    low, high
        What is black and white, in the image's unit; None where there is nothing to see.
    compass
        Directions and scale.
    valid_fraction
        Share of the pixels that hold data, as far as they were looked at.
    is_flat
        Whether all of those have one value.
    """

    png: bytes
    low: float | None
    high: float | None
    compass: Compass
    valid_fraction: float
    is_flat: bool


def look(
    about: Image,
    pixels: NDArray[np.float32],
    step: float,
    side: int,
    stretch: Stretch = Stretch.ASINH,
    *,
    decorations: bool = False,
) -> Picture:
    """Draw pixels that `seen` or `glimpsed` gives.

    Parameters
    ----------
    about
        What is known of the image; its own pixels are not looked at.
    pixels : (1 or 3, ny, nx) float32
        Grey, or red, green and blue; NaN where there is no data.
    step
        Pixels of the image in one of these.
    side
        Pixels of the picture's longer side.
    stretch
        From brightness to grey.
    decorations
        Whether to draw directions and a scale bar.
    """
    ny, nx = pixels.shape[1:]
    coarser = max(ny, nx) / side
    rows, columns = (Grid(0, coarser, max(1, round(n / coarser))) for n in (ny, nx))
    light, ends = levels(resample(pixels, rows, columns)[:, ::-1], stretch)
    lowest, highest = (f.reduce(pixels, axis=None) for f in (np.fmin, np.fmax))
    is_flat = not lowest < highest
    low, high = [float(lowest)] * 2 if is_flat else ends.mean(axis=0).tolist()
    found = compass(about, columns.count, step * coarser)
    picture = np.rint(255 * np.moveaxis(light, 0, -1)).astype(np.uint8)
    if decorations:
        picture = decorate(picture, found)
    is_known = math.isfinite(low)
    return Picture(
        encoded(np.ascontiguousarray(picture)),
        low if is_known else None,
        high if is_known else None,
        found,
        float(np.count_nonzero(np.isfinite(pixels)) / pixels.size),
        is_flat,
    )


def seen(image: Image, plane: int | None) -> NDArray[np.float32]:
    """What is looked at of an image: one plane, three bands, or the mean of all.

    Returns
    -------
    pixels : (1 or 3, ny, nx) float32
    """
    if plane is not None:
        return image.pixels[plane : plane + 1]
    if image.axes is Axes.BANDS and len(image.pixels) >= 3:
        return image.pixels[:3]
    return mean_plane(image.pixels)[np.newaxis]


def glimpsed(
    frame: Frame, plane: int | None, side: int
) -> tuple[NDArray[np.float32], float]:
    """The same of a frame that is too large to be read, from some of its pixels.

    Rows and columns are looked at in equal distances, some for each pixel of the picture;
    of a long cube, some planes.

    Parameters
    ----------
    frame
        Of any size.
    plane
        Which; None as in `seen`.
    side
        Pixels of the picture's longer side.

    Returns
    -------
    pixels : (1 or 3, ny, nx) float32
    step
        Pixels of the frame in one of these.

    Raises
    ------
    BadCutout
        As `Frame.read`; ``size_limit`` also where too many tiles would be decoded.
    """
    box, (planes, _, width) = frame.box, frame.shape
    is_colour = frame.about.axes is Axes.BANDS and planes >= 3
    if plane is not None:
        channels = [plane]
    elif is_colour:
        channels = [0, 1, 2]
    else:
        channels = sorted(
            {round(one) for one in np.linspace(0, planes - 1, _MOST_PLANES)}
        )
    step = max(box.nx, box.ny) / side
    counts = [max(1, round(n / step)) for n in (box.ny, box.nx)]
    cells = counts[0] * counts[1] * (3 if is_colour else 1)
    each = math.isqrt(max(1, _MOST_LOOKED_AT // cells))
    lines = _MOST_READ // (width * counts[0] * len(channels))
    each = max(1, min(each, math.floor(step), lines))
    ys = _spread(box.y0, box.ny, counts[0] * each)
    xs = _spread(box.x0, box.nx, counts[1] * each)
    _require_few_tiles(frame, channels, ys)
    found = (_at(frame, channel, ys, xs) for channel in channels)
    if is_colour or len(channels) == 1:
        return np.stack(list(found)), step / each
    return _mean(found, (len(ys), len(xs)))[np.newaxis], step / each


def _require_few_tiles(
    frame: Frame, channels: list[int], ys: NDArray[np.int64]
) -> None:
    inside = ys[(ys >= 0) & (ys < frame.shape[1])].tolist()
    count = sum(frame.decoded_for(channel, inside) for channel in channels)
    if count > _MOST_DECODED:
        raise BadCutout(
            f"what is looked at of it lies in tiles of {count} pixels; at most "
            f"{_MOST_DECODED} are decoded: give a section such as [1:1000,1:1000]",
            reason="size_limit",
        )


def _spread(start: int, length: int, count: int) -> NDArray[np.int64]:
    """The middles of equal parts."""
    middles = start + (np.arange(count) + 0.5) * length / count
    return np.floor(middles).astype(np.int64)


def _at(
    frame: Frame, channel: int, ys: NDArray[np.int64], xs: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Pixels at some rows and columns, NaN beyond the frame."""
    _, ny, nx = frame.shape
    found = np.full((len(ys), len(xs)), np.nan, np.float32)
    inside = (xs >= 0) & (xs < nx)
    there = np.flatnonzero((ys >= 0) & (ys < ny))
    lines = max(1, min(_READ_AT_ONCE, frame.options.limits.pixels) // nx)
    for at in range(0, len(there), lines):
        caller.check()
        some = there[at : at + lines]
        rows = frame.rows(channel, ys[some].tolist())
        found[np.ix_(some, np.flatnonzero(inside))] = rows[:, xs[inside]]
    return found


def _mean(
    planes: Iterator[NDArray[np.float32]], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """As `mean_plane`, of planes that are there one after the other."""
    total, count = np.zeros(shape), np.zeros(shape, np.int64)
    for plane in planes:
        known = np.isfinite(plane)
        total += np.where(known, plane, 0)
        count += known
    mean = np.full(shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.astype(np.float32)
