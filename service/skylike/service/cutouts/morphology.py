"""The shape of one object in numbers, with no model of what it should look like.

Concentration, asymmetry and smoothness (Conselice 2003, ApJS 147, 1), Gini and M20
(Lotz, Primack & Madau 2004, AJ 128, 163; LPM04 below). What these leave open is as
in Rodriguez-Gomez et al. 2019, MNRAS 483, 4140 (RG19 below), so that values compare
with those of their statmorph at its default settings.

Each number rests on those before it. The Petrosian radius about the centroid sets
the circle in which the centre of least asymmetry is sought; about that centre lie
the circles of concentration and smoothness, and the Petrosian ellipse, whose surface
brightness sets the pixels of Gini and M20.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skylike.service.cutouts import asymmetry
from skylike.service.cutouts.petrosian import (
    CORE,
    WHOLE,
    Ellipses,
    petrosian_radius,
    radii_holding,
)
from skylike.service.errors import BadRequest

_STAMP_SIDE = 2.5  # longer sides of the segment
_MIN_HALF_STAMP = 24
_OUTLIER_SIGMA = 10.0
_SKY_BOX_SIDES = (32, 16, 8, 4, 2)
_BLUR = 0.2  # Petrosian radii
_BRIGHTEST = 0.2
_PIXEL_VARIANCE = 1 / 12  # of a uniform distribution as wide as a pixel


@dataclass(frozen=True, slots=True)
class Morphology:
    """The statistics of one object; NaN where one cannot be measured.

    Attributes
    ----------
    concentration
        5 log10(r80 / r20), radii of circles that hold 80% and 20% of the light
        within 1.5 circular Petrosian radii (Conselice 2003).
    asymmetry
        Share of the light that half a turn displaces (LPM04, equation 10).
    smoothness
        Share of the light in structure smaller than a quarter of the circular
        Petrosian radius (LPM04, equation 11): high for clumpy objects. 0 if that is
        less than two pixels.
    gini
        How unevenly pixels share the light, from 0 for all alike to 1 for all light
        in one pixel (LPM04).
    m20
        log10 of the second moment of the brightest pixels, which hold 20% of the
        light, over that of all (LPM04).
    petrosian_radius
        Semi-major axis of the Petrosian ellipse, in pixels.
    half_light_radius
        Of the circle with half of the light within 1.5 circular Petrosian radii, in
        pixels.
    """

    concentration: float = np.nan
    asymmetry: float = np.nan
    smoothness: float = np.nan
    gini: float = np.nan
    m20: float = np.nan
    petrosian_radius: float = np.nan
    half_light_radius: float = np.nan


@dataclass(frozen=True, slots=True, eq=False)
class _Stamp:
    """The object and its surroundings, in units of the brightest pixel.

    `image` is 0 where `valid` is 0, and `light` wherever the object's segment is
    not. `sky` is a box of pixels outside all segments, None if there is none.
    """

    image: NDArray[np.float64]
    valid: NDArray[np.float64]
    light: NDArray[np.float64]
    sky: NDArray[np.float64] | None


def measure(
    pixels: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], label: int
) -> Morphology:
    """Measure one object of an image.

    Parameters
    ----------
    pixels : (ny, nx) float
        Background-subtracted, in any linear unit; not finite where there is no data.
    labels : (ny, nx) int
        Which object each pixel belongs to; 0 for sky.
    label
        The object. Pixels of others are masked, and so are those that stand out from
        their eight neighbours by more than 10 sigma.

    Returns
    -------
    Morphology
        All NaN if the object's flux is not positive, its centre is masked, or it is
        too small or too large for a Petrosian radius. Asymmetry is NaN also if it
        has no minimum near the centroid or the brightest pixel, and both asymmetry
        and smoothness if there is no sky to compare with.

    Raises
    ------
    BadRequest
        ``bad_label`` if no pixel has this label, or if it is 0.
    """
    stamp = _stamp(pixels, labels, label)
    if not stamp.light.sum() > 0:
        return Morphology()
    centroid = _centroid(stamp.light)
    ny, nx = stamp.image.shape
    if not (0 <= centroid[0] < nx and 0 <= centroid[1] < ny):
        return Morphology()
    first_radius = petrosian_radius(stamp.image, stamp.valid, Ellipses(*centroid))
    if np.isnan(first_radius):
        return Morphology()
    brightest = np.unravel_index(stamp.light.argmax(), stamp.light.shape)
    (x, y), least_asymmetry = asymmetry.minimize(
        stamp.image,
        stamp.valid,
        (centroid, (float(brightest[1]), float(brightest[0]))),
        first_radius,
        stamp.sky,
    )
    ellipses = _ellipses(stamp.light, x, y)
    if ellipses is None or not stamp.valid[int(y), int(x)]:
        return Morphology()

    circles = Ellipses(x, y)
    radius = petrosian_radius(stamp.image, stamp.valid, circles)
    r20, r50, r80 = radii_holding((0.2, 0.5, 0.8), stamp.image, circles, WHOLE * radius)
    semi_major_axis = petrosian_radius(stamp.image, stamp.valid, ellipses)
    members = _members(stamp.image, centroid, ellipses, semi_major_axis)
    return Morphology(
        concentration=float(5 * np.log10(r80 / r20)),
        asymmetry=least_asymmetry,
        smoothness=_smoothness(stamp, circles, radius),
        gini=_gini(stamp.image, members),
        m20=_m20(stamp.image, members),
        petrosian_radius=semi_major_axis,
        half_light_radius=r50,
    )


def _stamp(
    pixels: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], label: int
) -> _Stamp:
    """Cut out a square 2.5 times as wide as the object's segment, or 48 pixels.

    The image's edges may cut it short.
    """
    rows, columns = np.nonzero(labels == label)
    if label == 0 or rows.size == 0:
        raise BadRequest(
            f"no object has the label {label}; labels of objects are the values of "
            "the segmentation map other than 0",
            reason="bad_label",
        )
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    half = max(_MIN_HALF_STAMP, int(_STAMP_SIDE * max(height, width) / 2))
    window = tuple(
        slice(max(0, middle - half), middle + half)
        for middle in (int(rows.min()) + height // 2, int(columns.min()) + width // 2)
    )
    labels = np.ascontiguousarray(labels[window])
    image = np.ascontiguousarray(pixels[window], np.float64)
    has_data = np.isfinite(image)
    image = np.where(has_data, image, 0.0)
    # Sums over apertures are in single precision, beyond whose range some units go.
    brightest = np.abs(image).max()
    if brightest > 0:
        image /= brightest
    valid = has_data & ((labels == 0) | (labels == label)) & ~_outliers(image)
    image[~valid] = 0.0
    box = _sky_box(has_data & (labels == 0))
    return _Stamp(
        image=image,
        valid=valid.astype(np.float64),
        light=np.where(labels == label, image, 0.0),
        sky=None if box is None else image[box],
    )


def _outliers(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels 10 sigma from the mean of their eight neighbours (LPM04)."""
    ny, nx = image.shape
    padded = np.pad(image, 1, mode="edge")
    steps = np.stack(
        [
            padded[y : y + ny, x : x + nx] - image
            for y, x in np.ndindex(3, 3)
            if (y, x) != (1, 1)
        ]
    )
    outlying = steps.mean(axis=0) ** 2 > _OUTLIER_SIGMA**2 * steps.var(axis=0)
    return np.asarray(outlying, np.bool_)


def _sky_box(sky: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """The largest box of nothing but sky, the first one in reading order.

    Its side is 32 pixels or, if need be, halved down to 2. As in RG19's code it
    does not touch the last row or column.
    """
    others = np.pad(~sky[:-1, :-1], ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    for side in _SKY_BOX_SIDES:
        in_rows = others[side:] - others[:-side]
        corners = np.argwhere(in_rows[:, side:] == in_rows[:, :-side])
        if len(corners):
            y, x = corners[0].tolist()
            return slice(y, y + side), slice(x, x + side)
    return None


def _centroid(light: NDArray[np.float64]) -> tuple[float, float]:
    """The first moments (x, y)."""
    y, x = np.ogrid[: light.shape[0], : light.shape[1]]
    total = light.sum()
    return float((light * x).sum() / total), float((light * y).sum() / total)


def _ellipses(light: NDArray[np.float64], x: float, y: float) -> Ellipses | None:
    """Ellipses with the shape of the second moments about a point.

    Moments of a line too thin for the pixels get the variance of a pixel added
    until they have an area, as in SExtractor (Bertin & Arnouts 1996, A&AS 117, 393).
    """
    rows, columns = np.ogrid[: light.shape[0], : light.shape[1]]
    dx, dy = columns - x, rows - y
    xx, xy, yy = (
        (light * area).sum() / light.sum() for area in (dx**2, dx * dy, dy**2)
    )
    if xx <= 0 or yy <= 0:
        return None
    while xx * yy - xy**2 < _PIXEL_VARIANCE**2:
        xx, yy = xx + _PIXEL_VARIANCE, yy + _PIXEL_VARIANCE
    minor, major = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    angle = np.arctan2(2 * xy, xx - yy) / 2
    return Ellipses(x, y, float(np.sqrt(minor / major)), float(angle))


def _smoothness(stamp: _Stamp, circles: Ellipses, radius: float) -> float:
    """What a boxcar smooths away between 0.25 and 1.5 Petrosian radii, less the sky's.

    LPM04, equation 11; the core is left out because every nucleus is steep.
    """
    if stamp.sky is None or np.isnan(radius):
        return np.nan
    inner, outer = CORE * radius, WHOLE * radius

    def smoothed_away(image: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth = ndimage.uniform_filter(image, int(CORE * radius))
        return np.maximum(image - smooth, 0.0)

    light, rough = (
        np.diff(sums)[0]
        for sums in circles.sums_of_two(
            stamp.image, smoothed_away(stamp.image), [inner, outer]
        )
    )
    if not light > 0:
        return np.nan
    sky = smoothed_away(stamp.sky).mean() * circles.area_between(inner, outer)
    return float((rough - sky) / light)


def _members(
    image: NDArray[np.float64],
    centroid: tuple[float, float],
    ellipses: Ellipses,
    radius: float,
) -> NDArray[np.bool_]:
    """The object's pixels for Gini and M20; none if it has no edge in the image.

    Those at least as bright as the Petrosian ellipse about the centroid, and
    connected with the brightest, once a Gaussian of 0.2 Petrosian radii has blurred
    the image (LPM04; RG19 on the pieces that it may leave).
    """
    if np.isnan(radius):
        return np.zeros(image.shape, np.bool_)
    smooth = ndimage.gaussian_filter(image, _BLUR * radius, mode="constant")
    edges = radius - 0.5, radius + 0.5
    centered = replace(ellipses, x=centroid[0], y=centroid[1])
    ring = float(np.diff(centered.sums(smooth, edges))[0])
    bright = smooth >= ring / centered.area_between(*edges)
    if bright.all():
        return ~bright
    pieces, _ = ndimage.label(bright, np.ones((3, 3)))
    members: NDArray[np.bool_] = bright & (pieces == pieces.flat[smooth.argmax()])
    return members


def _gini(image: NDArray[np.float64], members: NDArray[np.bool_]) -> float:
    """Sum of (2 i - n - 1) |f_i| over (n - 1) times the sum of |f_i|, i by rank.

    Absolute values, since noise around zero would raise it (LPM04). Masked pixels
    inside the object count as 0, here and in M20, as in RG19's code.
    """
    flux = np.sort(np.abs(image[members]))
    if flux.size < 2 or flux[-1] == 0:
        return np.nan
    weight = np.linspace(-1, 1, flux.size)
    return float((weight * flux).sum() / flux.sum())


def _m20(image: NDArray[np.float64], members: NDArray[np.bool_]) -> float:
    """log10 of the sum of f r^2, brightest 20% over all; r from the first moment."""
    flux = image[members]
    if not flux.sum() > 0:
        return np.nan
    x, y = _centroid(np.where(members, image, 0.0))
    rows, columns = np.nonzero(members)
    moment = flux * ((columns - x) ** 2 + (rows - y) ** 2)
    ascending = np.sort(flux)
    share = ascending.cumsum() / flux.sum()
    faintest = ascending[np.argmax(share >= 1 - _BRIGHTEST)]
    total = moment.sum()
    brightest = moment[flux >= faintest].sum()
    # One pixel at the first moment itself has no second moment but rounding errors.
    if not brightest > np.finfo(np.float64).eps * total > 0:
        return np.nan
    return float(np.log10(brightest / total))
