"""From an image to its objects: sky off, pixels above the noise, one label each."""

import math
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from skylike.service.cutouts.sky import (
    divide_by_noise,
    hide_objects,
    noise_at,
    subtract_sky,
)
from skylike.service.errors import BadRequest

THRESHOLD = 1.5
MIN_AREA = 5
DEBLEND_CONTRAST = 0.005

_KERNEL = np.outer((1, 2, 1), (1, 2, 1)).astype(np.float32) / 16
_MAX_SUB_OBJECTS = 32767  # sep numbers them in 16 bits
_SEP_LIMITS = threading.Lock()


class Method(StrEnum):
    """How pixels above the noise become objects.

    ``SEP`` splits blends where a branch of the tree of isophotes holds enough flux
    (SExtractor: Bertin & Arnouts 1996, A&AS 117, 393; SEP: Barbary 2016, JOSS 1,
    58). ``WATERSHED`` finds such branches too and splits them along the valleys
    between (photutils); it is some ten times slower. ``DBSCAN`` groups pixels by
    position and brightness (Ester et al. 1996, KDD-96, 226): it keeps filaments,
    shells and arms whole, and with them blends.
    """

    SEP = "sep"
    WATERSHED = "watershed"
    DBSCAN = "dbscan"


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """An image without its sky, and which pixel belongs to which object.

    Attributes
    ----------
    pixels : (ny, nx) float32
        Sky subtracted, in the unit of the image; NaN where there is no data.
    labels : (ny, nx) int32
        0 for the sky, else the label of the object.
    noise : (my, mx) float32, or a number
        Standard deviation of the sky, in the unit of the image, sampled every few
        pixels: `noise_at` tells it anywhere. Above 0, but the number 0 for an image
        that is constant or all NaN.
    num_sources
        How many different labels there are.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.int32]
    noise: NDArray[np.float32] | float
    num_sources: int

    def noise_at(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The noise at places, each (n,), in pixels; outside as at the edge."""
        return noise_at(self.noise, self.pixels.shape, x, y)


def detect(
    pixels: NDArray[np.float32],
    *,
    method: Method = Method.SEP,
    threshold: float = THRESHOLD,
    min_area: int = MIN_AREA,
    deblend_contrast: float = DEBLEND_CONTRAST,
) -> Detection:
    """Find the objects of an image.

    Pixels count that lie `threshold` times the local noise above the local sky after
    smoothing with the kernel (1 2 1) x (1 2 1). The smoothing lowers white noise to
    0.375 of itself, so that 1.5 is four sigma of what is thresholded: SExtractor's
    default, at which 4 million pixels of white noise show no object. Noise that is
    correlated between neighbours, as resampling makes it, wants 2.

    The sky is measured twice, the second time without the objects and their wings;
    else it would take a tenth of a faint disc with it.

    Parameters
    ----------
    pixels : (ny, nx)
        In any unit; NaN where there is no data. It is not changed.
    method
        How pixels become objects.
    threshold
        In standard deviations of the local noise, above 0.
    min_area
        Pixels of the smallest object.
    deblend_contrast
        Part of a blend's flux that a peak must hold to become an object of its own,
        0 to 1; 1 splits nothing. Without meaning for ``DBSCAN``.

    Returns
    -------
    Detection
        Labels are 1 .. n; none for an image that is constant or all NaN.

    Raises
    ------
    BadRequest
        ``not_an_image``, ``bad_threshold``, ``bad_min_area``,
        ``bad_deblend_contrast``; ``too_many_pixels`` where more are above the
        threshold than dbscan can group, ``too_crowded`` where more objects hang
        together than sep can split.
    """
    _check_options(threshold, min_area, deblend_contrast)
    image, blank = _checked(pixels)
    significance, noise = subtract_sky(image, blank)
    if isinstance(noise, float):
        labels = np.zeros(image.shape, np.int32)
        return Detection(significance, labels, noise, 0)
    # The noise varies so slowly that it may be divided by before the smoothing.
    divide_by_noise(significance, noise)
    match method:
        case Method.SEP:
            labels = _extract(
                significance, blank, threshold, min_area, deblend_contrast
            )
        case Method.WATERSHED:
            from skylike.service.cutouts import watershed  # noqa: PLC0415 (2 s)

            smoothed = smooth(significance)
            cut = np.full_like(smoothed, threshold)
            labels = watershed.split(smoothed, cut, min_area, deblend_contrast)
        case Method.DBSCAN:
            from skylike.service.cutouts import dbscan  # noqa: PLC0415 (0.3 s)

            labels = dbscan.group(smooth(significance), threshold, min_area)
    del significance  # before another of its size is made
    return _labelled(image, labels, blank, int(labels.max()))


def from_labels(pixels: NDArray[np.float32], labels: NDArray[Any]) -> Detection:
    """Take objects that somebody else has labelled; sky and noise as in `detect`.

    Parameters
    ----------
    pixels : (ny, nx)
        In any unit; NaN where there is no data. It is not changed.
    labels : (ny, nx) integer or bool
        0 for the sky; labels need not be consecutive. A mask is one object.

    Returns
    -------
    Detection

    Raises
    ------
    BadRequest
        ``not_an_image``; ``bad_labels``: not integer, negative, beyond int32 or not
        of the image's shape.
    """
    image, blank = _checked(pixels)
    labels = np.asarray(labels)
    if labels.shape != image.shape or labels.dtype.kind not in "biu":
        raise BadRequest(
            f"labels are {labels.dtype} of shape {labels.shape}; expected integers "
            f"or a mask of the image's shape, {image.shape}",
            reason="bad_labels",
        )
    if labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        raise BadRequest(
            f"labels run from {labels.min()} to {labels.max()}; expected 0 for the "
            "sky and positive 32-bit integers: number the objects anew",
            reason="bad_labels",
        )
    labels = np.array(labels, np.int32, order="C")
    return _labelled(image, labels, blank, len(np.setdiff1d(labels, 0)))


def smooth(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image as it is compared with the threshold; NaN, and what lies outside, is 0.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Sky subtracted.

    Returns
    -------
    (ny, nx) float32
    """
    blank = np.isnan(pixels)
    known = np.where(blank, np.float32(0), pixels) if blank.any() else pixels
    smoothed = ndimage.convolve(known, _KERNEL, mode="constant")
    smoothed[blank] = 0
    return np.asarray(smoothed)


def check_threshold(threshold: float) -> None:
    """Refuse what is no number of standard deviations above 0: ``bad_threshold``."""
    if not (math.isfinite(threshold) and threshold > 0):
        raise BadRequest(
            f"the threshold is in sigma and above 0; received {threshold}",
            reason="bad_threshold",
        )


def _check_options(threshold: float, min_area: int, deblend_contrast: float) -> None:
    check_threshold(threshold)
    if min_area < 1:
        raise BadRequest(
            f"an object has at least 1 pixel; received min_area {min_area}",
            reason="bad_min_area",
        )
    if not 0 <= deblend_contrast <= 1:
        raise BadRequest(
            f"the deblending contrast is 0 to 1; received {deblend_contrast}",
            reason="bad_deblend_contrast",
        )


def _checked(
    pixels: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """The image, not always a copy, and where it is NaN; None if nowhere."""
    image = np.asarray(pixels, np.float32, order="C")
    if image.ndim != 2 or not image.size:
        raise BadRequest(
            f"the image has shape {image.shape}; expected (ny, nx), one plane",
            reason="not_an_image",
        )
    return image, np.isnan(image) if np.isnan(image.min()) else None


def _labelled(
    image: NDArray[np.float32],
    labels: NDArray[np.int32],
    blank: NDArray[np.bool_] | None,
    num_sources: int,
) -> Detection:
    """With the sky as it is between the labels."""
    hidden = hide_objects(labels, blank)
    frame, noise = subtract_sky(image, blank if hidden is None else hidden)
    return Detection(frame, labels, noise, num_sources)


def _extract(
    significance: NDArray[np.float32],
    blank: NDArray[np.bool_] | None,
    threshold: float,
    min_area: int,
    deblend_contrast: float,
) -> NDArray[np.int32]:
    """Detect and deblend by sep, with larger buffers if the field is crowded."""
    # Without an error sep would find objects among the masked pixels.
    error = None if blank is None else np.ones(blank.shape, np.uint8)
    # The limits belong to the process: nobody else may extract while they differ.
    with _SEP_LIMITS:
        limits = sep.get_extract_pixstack(), sep.get_sub_object_limit()
        try:
            while True:
                try:
                    _, labels = sep.extract(
                        significance,
                        threshold,
                        err=error,
                        mask=blank,
                        minarea=min_area,
                        filter_kernel=_KERNEL,
                        filter_type="conv",  # "matched" thresholds the smoothed noise
                        deblend_cont=deblend_contrast,
                        segmentation_map=True,
                    )
                    return np.asarray(labels, np.int32)
                except Exception as failure:  # sep raises no class of its own
                    _raise_limits(failure, significance.size)
        finally:
            sep.set_extract_pixstack(limits[0])
            sep.set_sub_object_limit(limits[1])


def _raise_limits(error: Exception, num_pixels: int) -> None:
    """Make room for what overflowed; the error again if it was nothing of the kind."""
    if "pixel buffer full" in str(error):
        sep.set_extract_pixstack(min(4 * sep.get_extract_pixstack(), num_pixels + 2))
    elif "deblending overflow" not in str(error):
        raise error
    elif sep.get_sub_object_limit() < _MAX_SUB_OBJECTS:
        sep.set_sub_object_limit(_MAX_SUB_OBJECTS)
    else:
        raise BadRequest(
            f"more than {_MAX_SUB_OBJECTS:,} objects hang together: raise the "
            "threshold or the deblending contrast",
            reason="too_crowded",
        ) from error
