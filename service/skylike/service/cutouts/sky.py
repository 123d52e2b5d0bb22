"""Level and noise of the sky across an image."""

import math

import numpy as np
import sep
from numpy.typing import NDArray

from skylike.service.cutouts.moments import Members, Moments

_SMALLEST_MESH, _LARGEST_MESH = 32, 128
_WINGS = 5.0  # how far they reach, in standard deviations of an object's pixels
_LEAST_SKY = 0.5  # of the image
_LEAST_NOISE = 0.1  # of the typical noise of the image
_CUT_SIGMA = 3.0
_ROUNDING = 4 * float(np.finfo(np.float32).eps)


def subtract_sky(
    frame: NDArray[np.float32], hidden: NDArray[np.bool_] | None
) -> NDArray[np.float32] | float:
    """Subtract the sky in place.

    Mode and clipped standard deviation in meshes, median-filtered, with splines
    between: Bertin & Arnouts 1996, A&AS 117, 393, section 3. The meshes are up to 128
    pixels wide, to stay larger than most galaxies.

    Parameters
    ----------
    frame : (ny, nx) float32
        The image, in any unit; changed.
    hidden : (ny, nx) bool
        Pixels not to look at, the NaN among them; None if there are none.

    Returns
    -------
    noise : (ny, nx) float32, or a number
        Standard deviation of the sky, above 0; the number 0 if the image is constant
        or all NaN.
    """
    low = float(np.fmin.reduce(frame, axis=None))
    high = float(np.fmax.reduce(frame, axis=None))
    if not high - low > _ROUNDING * max(abs(low), abs(high)):
        frame -= np.float32(low)
        return 0.0
    height, width = frame.shape
    sky = sep.Background(frame, mask=hidden, bw=_mesh(width), bh=_mesh(height))
    level = sky.globalback
    if hidden is not None and level == 0 and sky.globalrms == 1:
        # What sep says if no mesh is half known. The known pixels make one mesh.
        known = frame[~hidden][np.newaxis]
        sky = sep.Background(known, bw=known.size, bh=1)
        level = sky.globalback
        frame -= np.float32(level)
        noise = np.full(frame.shape, sky.rms()[0, 0])
    else:
        sky.subfrom(frame)
        noise = np.asarray(sky.rms(), np.float32)
    if noise.any():
        # Meshes without noise, and the splines between, must not make it 0.
        np.maximum(noise, np.float32(_LEAST_NOISE * sky.globalrms), out=noise)
        return noise
    # An image that was cut, or never had noise: what is left begins at the cut. That
    # the cut was at three sigma is a guess; it tells where the threshold comes to lie.
    deviation = np.abs(frame)
    left = deviation[deviation > _ROUNDING * abs(level)]
    if not left.size:
        return 0.0
    noise.fill(np.quantile(left, 0.1) / _CUT_SIGMA)
    return noise


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
