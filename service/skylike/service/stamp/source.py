"""The source in the middle of an image, and how large it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.cutouts import detect, measure
from skylike.service.errors import BadStamp
from skylike.service.fits import mean_plane


@dataclass(frozen=True, slots=True)
class CentralSource:
    """Centre in 0-based pixels, half-light radius in pixels."""

    x: float
    y: float
    half_light_radius: float


def central_source(pixels: NDArray[np.float32]) -> CentralSource:
    """Measure the source that lies in the middle.

    Parameters
    ----------
    pixels : (channel, ny, nx) float32
        In any unit; NaN where there is no data. Sources are found in the sum of the
        channels, each divided by the standard deviation of its pixels.

    Returns
    -------
    CentralSource
        The source whose pixels hold the centre, else the one whose centre is nearest
        to it.

    Raises
    ------
    BadStamp
        ``no_source`` if none lies within a quarter of the image from its centre, or
        it is no wider than a pixel.
    """
    detection = detect(_together(pixels))
    ny, nx = detection.labels.shape
    middle_x, middle_y = (nx - 1) / 2, (ny - 1) / 2
    sources = measure(detection)
    away = np.hypot(sources.x - middle_x, sources.y - middle_y)
    at_middle = detection.labels[round(middle_y), round(middle_x)]
    away[(sources.label == at_middle) & (at_middle > 0)] = 0
    away[~(sources.half_light_radius > 0)] = np.inf
    if not len(away) or not np.nanmin(away) <= min(ny, nx) / 4:
        raise BadStamp(
            "there is no source in the middle of the image, and the model measures "
            "everything in its size: cut out another part",
            reason="no_source",
        )
    i = int(np.nanargmin(away))
    return CentralSource(
        float(sources.x[i]), float(sources.y[i]), float(sources.half_light_radius[i])
    )


def _together(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(pixels) == 1:
        only: NDArray[np.float32] = pixels[0]
        return only
    # Before the mean, or a band in a larger unit would hide the others.
    known = [plane[np.isfinite(plane)].astype(np.float64) for plane in pixels]
    spread = np.array([values.std() if values.size else 1.0 for values in known])
    spread[spread == 0] = 1
    scaled: NDArray[np.float64] = pixels / spread[:, np.newaxis, np.newaxis]
    return mean_plane(scaled)
