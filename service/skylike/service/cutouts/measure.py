"""From labelled pixels to a table of sources: where, how bright, how large."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import sep
from numpy.typing import NDArray

from skylike.service.cutouts.detect import Detection
from skylike.service.cutouts.moments import NARROWEST, Members, Moments

_ETA = 0.2
_TOTAL_RADII = 2.0  # Petrosian radii of the aperture that holds the total flux
_RATIO = 1.25
# In semi-major axes: the Petrosian radius is sought between the second and the last.
_SEARCH = 0.64 * np.power(_RATIO, np.arange(12.0))
_FIRST = 10  # of them; most sources need no wider ones
_RINGS = np.linspace(0, _TOTAL_RADII, 5)[1:]  # in Petrosian radii
_LEAST_SHOWN = 0.25  # of a ring; what is hidden of it is filled at most threefold
_LEAST_AXIS = 0.5  # pixels
_COARSE, _EXACT = 3, 0  # samples along the side of a pixel that an aperture cuts
_WIDE = 6.0  # pixels: from this semi-minor axis on fewer samples do
_IF_WIDE = {_COARSE: 1, _EXACT: 11}
_FAINT = 30.0  # signal to noise of the label's pixels
# Half-light radius: circles about the last guess, in natural logarithms of it.
_CIRCLES = np.linspace(-np.log(1.6), np.log(1.6), 5)
_PARABOLA = np.linalg.pinv(np.vander(_CIRCLES, 3))
_LEAST_SLOPE = 0.3
# The pixel's own width, and that sums take the light to be even within a pixel.
_GRID_VARIANCE = 2 / 12


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """What was measured, one row per label in the order of labels.

    Lengths are in pixels and fluxes in the unit of the image. NaN stands where
    something cannot be measured: everything of a label without data but its box and
    area; shape and radius of one whose flux is not positive.

    Attributes
    ----------
    label : (n,) int32
        As in the segmentation; ascending, not always consecutive.
    x, y : (n,) float64
        Centre; that of the first pixel is (0, 0). Windowed centroid, or barycentre
        where that wanders off.
    flux, flux_error : (n,) float64
        Total flux, and its error from the noise of the sky alone, as if the noise
        were independent from pixel to pixel.
    signal_to_noise : (n,) float64
        Their ratio; NaN where there is no noise.
    peak : (n,) float64
        Brightest pixel of the label.
    area : (n,) int64
        Pixels of the label that have data.
    half_light_radius : (n,) float64
        Of the circle that holds half of `flux`, the pixel's own width taken off; 0
        for what is narrower than that.
    semi_major, semi_minor : (n,) float64
        Standard deviation of the label's light along its axes: with the point-spread
        function, without what lies below the threshold.
    ellipticity : (n,) float64
        1 - semi_minor / semi_major.
    theta_deg : (n,) float64
        Direction of the major axis, counter-clockwise from +x, -90 to 90.
    box : (n, 4) int64
        x0, y0, x1, y1 of the label's extent, half-open.
    """

    label: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_error: NDArray[np.float64]
    signal_to_noise: NDArray[np.float64]
    peak: NDArray[np.float64]
    area: NDArray[np.int64]
    half_light_radius: NDArray[np.float64]
    semi_major: NDArray[np.float64]
    semi_minor: NDArray[np.float64]
    ellipticity: NDArray[np.float64]
    theta_deg: NDArray[np.float64]
    box: NDArray[np.int64]


def measure(detection: Detection) -> Sources:
    """Measure every labelled object.

    The total flux is that within two Petrosian radii, as in SDSS (Petrosian 1976,
    ApJ 209, L1; Blanton et al. 2001, AJ 121, 2358; Strauss et al. 2002, AJ 124,
    1810), in ellipses of the label's shape: all of a Gaussian, 99.4 % of an
    exponential disc and 82 % of a de Vaucouleurs profile. What other labels, missing
    data and the image's edge hide of a ring is taken to be as bright as the rest.

    Centroid and shape: Bertin & Arnouts 1996, A&AS 117, 393, and the SExtractor
    manual's windowed positions.

    Parameters
    ----------
    detection
        From `detect` or `from_labels`.

    Returns
    -------
    Sources
        Empty if there are no labels.
    """
    pixels = detection.pixels
    blank = np.isnan(pixels) if np.isnan(pixels.min()) else None
    everything = Members.of(detection.labels)
    values = pixels.ravel()[everything.flat].astype(np.float64)
    known = ~np.isnan(values)
    members, values = everything.only(known), values[known]
    box = _boxes(everything)
    shape = _shape(everything, members, values, box)
    area = members.sum()
    shown = area > 0

    label, peak, light = everything.label, members.maximum(values), members.sum(values)
    numbers = _numbered(detection.labels, everything, blank)
    del everything, members, values, known  # many bytes for every labelled pixel
    x, y = _centre(pixels, blank, detection.labels, label, shape)
    noise = detection.noise_at(x, y)
    apertures = _Apertures(
        pixels,
        numbers,
        np.arange(len(label), dtype=np.int32) + 1,
        x,
        y,
        np.maximum(shape.semi_major, _LEAST_AXIS),
        np.maximum(shape.semi_minor, _LEAST_AXIS),
        shape.theta,
        light < _FAINT * noise * np.sqrt(area),
    )
    petrosian_radius = _petrosian_radius(apertures)
    flux = apertures.light(petrosian_radius * _RINGS[:, np.newaxis], _EXACT)[-1]
    flux_error = noise * np.sqrt(apertures.area(_TOTAL_RADII * petrosian_radius))
    half_light_radius = _half_light_radius(apertures, petrosian_radius, flux)

    def measured(column: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(shown, column, np.nan)

    return Sources(
        label=label,
        x=measured(apertures.x),
        y=measured(apertures.y),
        flux=measured(flux),
        flux_error=measured(flux_error),
        signal_to_noise=_ratio(measured(flux), flux_error),
        peak=peak,
        area=area.astype(np.int64),
        half_light_radius=measured(half_light_radius),
        semi_major=measured(shape.semi_major),
        semi_minor=measured(shape.semi_minor),
        ellipticity=measured(1 - shape.semi_minor / shape.semi_major),
        theta_deg=measured(np.degrees(shape.theta)),
        box=box,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Apertures:
    """Concentric ellipses about each source, of its shape; radii in its axes."""

    pixels: NDArray[np.float32]
    numbers: NDArray[np.int32]
    number: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    semi_major: NDArray[np.float64]
    semi_minor: NDArray[np.float64]
    theta: NDArray[np.float64]
    is_faint: NDArray[np.bool_]

    def area(self, radii: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the ellipses, whole."""
        return np.pi * self.semi_major * self.semi_minor * radii**2

    def light(self, radii: NDArray[np.float64], subpix: int) -> NDArray[np.float64]:
        """Light within `radii`, (m, n) ascending; what is hidden as bright as its ring."""
        sums, areas = np.empty(radii.shape), np.empty(radii.shape)
        for row, radius in enumerate(radii):
            # Of a wide aperture the rim is a small part, of a faint one less than noise.
            is_wide = radius * self.semi_minor > _WIDE
            samples = np.where(is_wide, _IF_WIDE[subpix], subpix)
            samples[self.is_faint] = 1
            for one in np.unique(samples):
                part = samples == one
                sums[row, part], areas[row, part] = self._within(radius, part, int(one))
        rings, seen, whole = (
            np.diff(inside, axis=0, prepend=0)
            for inside in (sums, areas, self.area(radii))
        )
        return np.cumsum(rings * whole / np.maximum(seen, _LEAST_SHOWN * whole), axis=0)

    def _within(
        self, radius: NDArray[np.float64], part: NDArray[np.bool_], subpix: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sum and area inside the ellipses of some sources."""
        shape = (self.x, self.y, self.semi_major, self.semi_minor, self.theta, radius)
        # With unit errors, the variance of a sum is the area that it is over.
        sums, error, _ = sep.sum_ellipse(
            self.pixels,
            *(one[part] for one in shape),
            err=1.0,
            subpix=subpix,
            segmap=self.numbers,
            seg_id=self.number[part],
        )
        return sums, error**2

    def only(self, kept: NDArray[np.bool_]) -> Self:
        """Those of some sources."""
        columns = [field.name for field in fields(self)][2:]
        return replace(self, **{name: getattr(self, name)[kept] for name in columns})

    def circles(self) -> Self:
        """The same about the same centres, round; radii in pixels."""
        one = np.ones_like(self.x)
        return replace(self, semi_major=one, semi_minor=one, theta=0 * one)


def _petrosian_radius(apertures: _Apertures) -> NDArray[np.float64]:
    """Where a ring, 0.8 to 1.25 radii, is a fifth as bright as all within the radius.

    Strauss et al. 2002. The innermost such radius; if there is none, for the light of
    neighbours, the one whose ring comes nearest.
    """
    radius, is_found = _searched(apertures, _SEARCH[:_FIRST])
    rest = ~is_found
    radius[rest] = _searched(apertures.only(rest), _SEARCH)[0]
    return radius


def _searched(
    apertures: _Apertures, search: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The radius between those of `search`, (m,), and whether there is such a one."""
    radii = np.broadcast_to(search[:, np.newaxis], (len(search), len(apertures.x)))
    light, area = apertures.light(radii, _COARSE), apertures.area(radii)
    ring = (light[2:] - light[:-2]) / (area[2:] - area[:-2])
    within = (light / area)[1:-1]
    eta = np.divide(ring, within, out=np.zeros_like(ring), where=within > 0)
    faint = eta < _ETA
    is_found = faint.any(axis=0)
    last = np.where(is_found, faint.argmax(axis=0), eta.argmin(axis=0))
    before = np.maximum(last - 1, 0)
    high, low = (np.take_along_axis(eta, at[np.newaxis], 0)[0] for at in (before, last))
    # Between the two radii, evenly in their logarithm.
    part = np.ones_like(low)
    np.divide(high - _ETA, high - low, out=part, where=(high > _ETA) & (low < _ETA))
    return np.asarray(search[1:-1][last] * _RATIO ** (part - 1)), np.asarray(is_found)


def _half_light_radius(
    apertures: _Apertures,
    petrosian_radius: NDArray[np.float64],
    flux: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Radius of the circle that holds half the flux, in pixels.

    The curve of growth f(r) is read as a parabola of ln(-ln(1 - f)) in ln r, near
    the half: a straight line for a Gaussian, nearly one for a disc. That smooths the
    steps it takes from one row of pixels to the next.
    """
    circles, total = apertures.circles(), np.where(flux > 0, flux, np.nan)
    radius = petrosian_radius * np.sqrt(apertures.semi_major * apertures.semi_minor) / 2
    for subpix in (_COARSE, _COARSE, _EXACT):
        light = circles.light(radius * np.exp(_CIRCLES[:, np.newaxis]), subpix)
        fraction = np.clip(light / total, 1e-3, 1 - 1e-3)
        bend, slope, level = _PARABOLA @ np.log(-np.log1p(-fraction))
        slope = np.maximum(slope, _LEAST_SLOPE)
        lack = np.log(np.log(2)) - level
        step = 2 * lack / (slope + np.sqrt(np.maximum(slope**2 + 4 * bend * lack, 0)))
        radius *= np.exp(np.clip(np.nan_to_num(step), _CIRCLES[0], _CIRCLES[-1]))
    # A Gaussian's half-light radius squared is 2 ln 2 of its variance.
    squared = radius**2 - 2 * np.log(2) * _GRID_VARIANCE
    return np.where(flux > 0, np.sqrt(np.maximum(squared, 0)), np.nan)


def _shape(
    everything: Members,
    members: Members,
    values: NDArray[np.float64],
    box: NDArray[np.int64],
) -> Moments:
    """Moments of the light; of the label's pixels where the light has none.

    A generous mask about a faint source, or one drawn upon sky, may hold no light, or
    have it balanced by noise outside itself.
    """
    light, pixels = Moments.of(members, values), Moments.of(everything)
    x0, y0, x1, y1 = box.T
    sound = (light.x > x0 - 1) & (light.x < x1) & (light.y > y0 - 1) & (light.y < y1)
    return light.where(sound & (light.semi_minor > NARROWEST), pixels)


def _centre(
    pixels: NDArray[np.float32],
    blank: NDArray[np.bool_] | None,
    labels: NDArray[np.int32],
    label: NDArray[np.int32],
    shape: Moments,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Windowed centroid where it stays near the barycentre and upon the label."""
    x, y, _ = sep.winpos(
        pixels,
        shape.x,
        shape.y,
        np.sqrt(shape.semi_major * shape.semi_minor),
        mask=blank,
        subpix=1,  # nothing is cut off at four sigma
    )
    near = np.hypot(x - shape.x, y - shape.y) < shape.semi_major
    stable = near & (_at(labels, x, y) == label)
    return np.where(stable, x, shape.x), np.where(stable, y, shape.y)


def _boxes(members: Members) -> NDArray[np.int64]:
    """x0, y0, x1, y1 of each label, half-open."""
    num_sources = len(members.label)
    low = np.full((2, num_sources), np.iinfo(np.int32).max, np.int32)
    high = np.zeros((2, num_sources), np.int32)
    for axis, coordinate in enumerate((members.x, members.y)):
        np.minimum.at(low[axis], members.row, coordinate)
        np.maximum.at(high[axis], members.row, coordinate + 1)
    return np.concatenate([low, high]).T.astype(np.int64)


def _numbered(
    labels: NDArray[np.int32], members: Members, blank: NDArray[np.bool_] | None
) -> NDArray[np.int32]:
    """Labels 1 .. n, and n + 1 where there is no data.

    sep hides what bears another's number, and reads numbers as float32.
    """
    num_sources = len(members.label)
    if blank is None and np.array_equal(members.label, np.arange(num_sources) + 1):
        return labels
    numbers = np.zeros(labels.shape, np.int32)
    numbers.ravel()[members.flat] = members.row + 1
    if blank is not None:
        numbers[blank] = num_sources + 1
    return numbers


def _at(
    image: NDArray[Any], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[Any]:
    """The image's value in the pixel nearest to each place."""
    column = np.clip(np.rint(x), 0, image.shape[1] - 1).astype(np.int64)
    row = np.clip(np.rint(y), 0, image.shape[0] - 1).astype(np.int64)
    return image[row, column]


def _ratio(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64]
) -> NDArray[np.float64]:
    """NaN where the denominator is not positive."""
    ratio = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=ratio, where=denominator > 0)
