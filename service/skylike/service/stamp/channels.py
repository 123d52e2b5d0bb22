"""The channels a model wants, from what a file holds."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadStamp
from skylike.service.fits import Axes, Image, mean_plane
from skylike.service.stamp.spec import Collapse, StampSpec

_SIGMA_PER_MAD = 1.4826022185056018
_LINE_SIGMA = 3.0


def select(image: Image, spec: StampSpec) -> NDArray[np.float32]:
    """The image's channels as the model wants them.

    Bands are taken by name. A spectral cube becomes the channels by `spec.collapse`,
    or, where that is empty, the means of as many equal parts of it.

    Parameters
    ----------
    image
        Any size; NaN where there is no data.
    spec
        What the model wants.

    Returns
    -------
    pixels : (channel, ny, nx) float32
        NaN where no plane has data.

    Raises
    ------
    BadStamp
        ``band_mismatch`` if the channels are not those of the model.
    """
    if image.axes is Axes.SPECTRAL and spec.axes is not Axes.BANDS:
        if spec.collapse:
            return np.stack([collapse(image, how) for how in spec.collapse])
        return _rebinned(image.pixels, len(spec.channels))
    if image.axes is spec.axes:
        if image.axes is Axes.IMAGE or image.bands == spec.channels:
            return image.pixels
        if set(spec.channels) <= set(image.bands):
            return image.pixels[[image.bands.index(name) for name in spec.channels]]
    found = ", ".join(image.bands) or f"{image.pixels.shape[0]} channel(s)"
    raise BadStamp(
        f"the file holds {image.axes.value} ({found}); the model wants "
        f"{spec.axes.value} ({', '.join(spec.channels)})",
        reason="band_mismatch",
    )


def _rebinned(cube: NDArray[np.float32], num_channels: int) -> NDArray[np.float32]:
    """Mean of the valid planes in each of `num_channels` equal parts of a cube."""
    if len(cube) < num_channels:
        raise BadStamp(
            f"the cube has {len(cube)} planes; the model wants at least {num_channels}",
            reason="band_mismatch",
        )
    return np.stack([mean_plane(part) for part in np.array_split(cube, num_channels)])


def collapse(image: Image, how: Collapse) -> NDArray[np.float32]:
    """One plane of a spectral cube I(v).

    ==============  ==============================================================
    ``moment0``     the integral, sum I |dv|; of missing planes the mean is taken
    ``moment1``     the mean coordinate, sum I v / sum I, above 3 sigma
    ``moment2``     the width, sqrt(sum I (v - moment1)^2 / sum I), above 3 sigma
    ``peak``        the highest value
    ``continuum``   the median, which a line narrower than half the cube leaves alone
    ==============  ==============================================================

    Parameters
    ----------
    image
        A cube; without `spectral` its planes are numbered from 0.
    how
        Which of the above.

    Returns
    -------
    plane : (ny, nx) float32
        NaN where no plane has data; moments 1 and 2 also where nothing is above 3
        sigma of the cube about its continuum, or where there is no width.

    References
    ----------
    Moments as in CASA's immoments and in Walter et al. 2008, AJ 136, 2563, section 3;
    the cut keeps noise, whose sum is near zero, out of the quotients.
    """
    return _PLANES[how](image.pixels, _coordinates(image))


def _coordinates(image: Image) -> NDArray[np.float64]:
    if image.spectral is None:
        return np.arange(len(image.pixels), dtype=np.float64)
    return image.spectral


def _moment_0(cube: NDArray[np.float32], v: NDArray[np.float64]) -> NDArray[np.float32]:
    width = abs(float(v[-1] - v[0])) * len(v) / max(len(v) - 1, 1)
    return np.asarray(mean_plane(cube) * np.float64(width or 1.0), np.float32)


def _moment_1(cube: NDArray[np.float32], v: NDArray[np.float64]) -> NDArray[np.float32]:
    line = _line(cube)
    return _first(line, v).astype(np.float32)


def _moment_2(cube: NDArray[np.float32], v: NDArray[np.float64]) -> NDArray[np.float32]:
    line = _line(cube)
    away = v[:, np.newaxis, np.newaxis] - _first(line, v)
    variance = _ratio((line * np.nan_to_num(away) ** 2).sum(axis=0), line.sum(axis=0))
    return np.sqrt(variance).astype(np.float32)


def _first(line: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    return _ratio(np.tensordot(v, line, axes=1), line.sum(axis=0))


def _line(cube: NDArray[np.float32]) -> NDArray[np.float64]:
    """What stands above 3 sigma of the noise about the continuum, else 0."""
    above = cube.astype(np.float64) - _continuum(cube)
    known = np.abs(above[np.isfinite(above)])
    sigma = _SIGMA_PER_MAD * float(np.median(known)) if known.size else 0.0
    return np.where(above > _LINE_SIGMA * sigma, above, 0.0)


def _peak(cube: NDArray[np.float32], *_: Any) -> NDArray[np.float32]:
    highest = np.where(np.isfinite(cube), cube, -np.inf).max(axis=0)
    return np.where(np.isfinite(highest), highest, np.nan).astype(np.float32)


def _continuum(cube: NDArray[np.float32], *_: Any) -> NDArray[np.float32]:
    median = np.full(cube.shape[1:], np.nan, np.float32)
    has_data = np.isfinite(cube).any(axis=0)
    median[has_data] = np.nanmedian(cube[:, has_data], axis=0)
    return median


def _ratio(total: NDArray[Any], count: NDArray[Any]) -> NDArray[np.float64]:
    """NaN where there is nothing to divide by."""
    result = np.full(count.shape, np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result


_PLANES: dict[Collapse, Callable[..., NDArray[np.float32]]] = {
    "moment0": _moment_0,
    "moment1": _moment_1,
    "moment2": _moment_2,
    "peak": _peak,
    "continuum": _continuum,
}
