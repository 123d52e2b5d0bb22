"""Level and noise of the sky across an image."""

import math
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from skylike.service.cutouts.moments import Members, Moments

_SMALLEST_MESH, _LARGEST_MESH = 32, 128
_WINGS = 5.0  # how far they reach, in standard deviations of an object's pixels
_LEAST_SKY = 0.5  # of the image
_LEAST_NOISE = 0.1  # of the typical noise of the image
_CUT_SIGMA = 3.0
_STEP = 4  # pixels between samples of the noise
_ROWS = 64  # divided by their noise at once
_ROUNDING = 4 * float(np.finfo(np.float32).eps)


def subtract_sky(
    image: NDArray[np.float32], hidden: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | float]:
    """Subtract the sky, and tell its noise.

    Mode and clipped standard deviation in meshes, median-filtered, with splines
    between: Bertin & Arnouts 1996, A&AS 117, 393, section 3. The meshes are up to 128
    pixels wide, to stay larger than most galaxies.

    Parameters
    ----------
    image : (ny, nx) float32
        In any unit; NaN where there is no data. It is not changed.
    hidden : (ny, nx) bool
        Pixels not to look at, the NaN among them; None if there are none.

    Returns
    -------
    frame : (ny, nx) float32
        The image without its sky; NaN where there is no data.
    noise : (my, mx) float32, or a number
        Standard deviation of the sky in every fourth row and column, for
        `divide_by_noise` and `noise_at`, above 0; the number 0 if the image is
        constant or all NaN.
    """
    low = float(np.fmin.reduce(image, axis=None))
    high = float(np.fmax.reduce(image, axis=None))
    if not high - low > _ROUNDING * max(abs(low), abs(high)):
        return image - np.float32(low), 0.0
    height, width = image.shape
    # Nothing of the image's size lives longer than it must, here and below.
    sky = _background(image, hidden, (_mesh(width), _mesh(height)))
    level = sky.globalback
    if hidden is not None and level == 0 and sky.globalrms == 1:
        # What sep says if no mesh is half known. The known pixels make one mesh.
        known = image[~hidden][np.newaxis]
        sky = _background(known, None, (known.size, 1))
        level = sky.globalback
        noise = np.full([len(_knots(n)) for n in image.shape], sky.rms()[0, 0])
        frame = image - np.float32(level)
    else:
        noise = sky.rms()[np.ix_(*map(_knots, image.shape))]
        frame = sky.back()
        np.subtract(image, frame, out=frame)
    if noise.any():
        # Meshes without noise, and the splines between, must not make it 0.
        np.maximum(noise, np.float32(_LEAST_NOISE * sky.globalrms), out=noise)
        return frame, noise
    # An image that was cut, or never had noise: what is left begins at the cut. That
    # the cut was at three sigma is a guess; it tells where the threshold comes to lie.
    left = np.abs(frame)
    left = left[left > _ROUNDING * abs(level)]
    if not left.size:
        return frame, 0.0
    noise.fill(np.quantile(left, 0.1) / _CUT_SIGMA)
    return frame, noise


def divide_by_noise(
    frame: NDArray[np.float32], noise: NDArray[np.float32] | float
) -> None:
    """Put an image in units of its noise, in place; 0 if it has none, being constant.

    Parameters
    ----------
    frame : (ny, nx) float32
        Without sky; NaN stays where there is noise.
    noise : (my, mx) float32, or a number
        Of `subtract_sky`; taken as linear between the samples, which in a large image
        is within 0.1 % of the splines between meshes.
    """
    if isinstance(noise, float):
        frame[...] = frame / noise if noise else 0
        return
    before, after, part = _between_knots(frame.shape[1])
    lines = noise[:, before] * (1 - part) + noise[:, after] * part
    before, after, part = _between_knots(frame.shape[0])
    for start in range(0, len(frame), _ROWS):
        rows = np.s_[start : start + _ROWS]
        share = part[rows, np.newaxis]
        frame[rows] /= lines[before[rows]] * (1 - share) + lines[after[rows]] * share


def noise_at(
    noise: NDArray[np.float32] | float,
    shape: tuple[int, int],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The noise at places in the image of this shape.

    Parameters
    ----------
    noise : (my, mx) float32, or a number
        Of `subtract_sky`; linear between the samples.
    shape
        Of the image.
    x, y : (n,) float64, pixels
        Beyond the image the noise is as at its edge.

    Returns
    -------
    (n,) float64
    """
    if isinstance(noise, float):
        return np.full(np.shape(x), noise, np.float64)
    places = [
        np.interp(place, knots := _knots(length), np.arange(len(knots)))
        for place, length in zip((y, x), shape, strict=True)
    ]
    between = ndimage.map_coordinates(noise, places, order=1, mode="nearest")
    return between.astype(np.float64)


def hide_objects(
    labels: NDArray[np.int32], blank: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """What is not sky: objects, their wings beyond the threshold, and blank pixels.

    Parameters
    ----------
    labels : (ny, nx) int32
        0 for the sky.
    blank : (ny, nx) bool
        Where there is no data; None if nowhere.

    Returns
    -------
    hidden : (ny, nx) bool, or None
        None where objects leave less than half of the image: too little to tell the
        sky under them.
    """
    objects = Moments.of(Members.of(labels))
    hidden = labels > 0
    sep.mask_ellipse(
        hidden,
        objects.x,
        objects.y,
        objects.semi_major,
        objects.semi_minor,
        objects.theta,
        _WINGS,
    )
    if np.count_nonzero(hidden) > (1 - _LEAST_SKY) * hidden.size:
        return None
    if blank is not None:
        hidden |= blank
    return hidden


def _mesh(length: int) -> int:
    """Side of equal meshes: larger than most objects, four or more to an image.

    A mesh cut off by the image's edge would be too small to tell its sky.
    """
    side = min(_LARGEST_MESH, max(_SMALLEST_MESH, length // 4))
    return math.ceil(length / max(1, round(length / side)))


def _background(
    image: NDArray[np.float32], hidden: NDArray[np.bool_] | None, mesh: tuple[int, int]
) -> Any:
    """Of sep, which reads only arrays that it might write to; it keeps none."""
    own = np.array(image, np.float32, order="C")
    return sep.Background(own, mask=hidden, bw=mesh[0], bh=mesh[1])


def _knots(length: int) -> NDArray[np.int64]:
    """Pixels along an axis in which the noise is kept, the first and last among them."""
    return np.minimum(np.arange(0, length + _STEP - 1, _STEP), length - 1)


def _between_knots(
    length: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Of each pixel of an axis, the knots about it, and its part of the way."""
    knots = _knots(length)
    place = np.interp(np.arange(length), knots, np.arange(len(knots)))
    before = place.astype(np.int64)
    after = np.minimum(before + 1, len(knots) - 1)
    return before, after, (place - before).astype(np.float32)
