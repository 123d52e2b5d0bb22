"""The adaptive threshold: what of a picture is emission, judged by its own noise.

A Gaussian is fitted to the core of the distribution of pixels, which is background in
most pictures of the sky; what lies k sigma above its mean is emission. (A mean and
standard deviation of all pixels would grow with the emission itself.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_BINS = 64
_PIXELS_IN_A_BIN = 8  # or more, in the mean
_FEWEST_PIXELS = 64  # of which the shape of a distribution is seen
_STEPS = 8
_ROUNDS = 3  # with finer bins each time: emission may reach far beyond the core
_REACH = 5.0  # sigma on both sides, in the later ones
_CORE = 1.5  # sigma on both sides
_FEWEST = 4  # bins
_EMPTY = 0.5  # share of the pixels that have the lowest value
_SMOOTHING = np.array([0.25, 0.5, 0.25])
_SMOOTHED = 0.5  # variance of that, in squared bins
_SAME = 0.05  # of a step: what rounding makes of it
_IN_A_SQUARE = 4  # pixels of 3 x 3, with the one in the middle


@dataclass(frozen=True, slots=True)
class Core:
    """The Gaussian of the background: `mean` and `sigma` in units of the pixels."""

    mean: float
    sigma: float

    def threshold(self, k: float) -> float:
        """What emission exceeds."""
        return self.mean + k * self.sigma


def core(pixels: NDArray[np.number]) -> Core:
    """Fit the core of the distribution of pixels.

    The logarithm of a Gaussian is a parabola, which is fitted to that of the counts
    with the counts as weights (Guo 2011, IEEE Signal Process. Mag. 28, 134), within 1.5
    sigma of the mean, until it rests. The lowest and the highest value are left out:
    what is clipped stands there. Where more than half of the pixels have the lowest one,
    and the core of the others reaches down to it, it is the background, and not clipped:
    photons that were counted, a sky that was set to 0.

    Parameters
    ----------
    pixels
        Any shape and unit; what is not finite does not count. Whole numbers, and others
        that occur in steps only, are counted by their steps.

    Returns
    -------
    Core
        By median and absolute deviations where no parabola fits, and of few pixels; sigma
        is 0 of pixels that are all alike, both are 0 of none.
    """
    known = np.asarray(pixels, np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return Core(0.0, 0.0)
    lowest, highest = known.min(), known.max()
    inner = known[(known > lowest) & (known < highest)]
    if inner.size < _FEWEST_PIXELS:
        return _by_median(known)
    found = _fitted(inner)
    if np.count_nonzero(known == lowest) > _EMPTY * known.size and (
        found is None or found.mean - _REACH * found.sigma < lowest
    ):
        below = known[known < highest]
        found = _fitted(below) if _step(below) else None
        return found or _by_median(known)
    return found or _by_median(inner)


def _fitted(inner: NDArray[np.float64]) -> Core | None:
    """The Gaussian; None where there is none."""
    step = _step(inner)
    low, high = np.percentile(inner, (0.5, 99.5))
    found = None
    for _ in range(_ROUNDS):
        counted = _counted(inner, float(low), float(high), step)
        better = None if counted is None else _parabola(*counted)
        if better is None:
            break
        found = better
        low, high = found.mean - _REACH * found.sigma, found.mean + _REACH * found.sigma
    return found


def _step(inner: NDArray[np.float64]) -> float:
    """The distance of values that occur in steps only, as integers do; 0 of others."""
    low, high = np.percentile(inner, (5, 95))
    distinct = np.unique(inner[(inner >= low) & (inner <= high)])
    if len(distinct) < 2:
        return 0.0
    apart = np.diff(distinct)
    steps = apart / apart.min()
    return float(apart.min()) if (np.abs(steps - np.rint(steps)) < _SAME).all() else 0.0


def _counted(
    inner: NDArray[np.float64], low: float, high: float, step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """Middles, counts and width of bins; None where all values are alike."""
    bins = min(_MOST_BINS, inner.size // _PIXELS_IN_A_BIN)
    width = (high - low) / bins
    if step:
        width = step * max(1, np.ceil(width / step))
        first = inner[0]  # any value: from it all others lie whole steps away
        low = first + (np.floor((low - first) / step) - 0.5) * step
    if not width > 0:
        return None
    edges = low + width * np.arange(int(np.ceil((high - low) / width)) + 2)
    counts = np.histogram(inner, edges)[0].astype(np.float64)
    counts = np.convolve(counts, _SMOOTHING, "same")
    return (edges[:-1] + edges[1:]) / 2, counts, width


def _parabola(
    centres: NDArray[np.float64], counts: NDArray[np.float64], width: float
) -> Core | None:
    mode = int(counts.argmax())
    # The half of the peak on the side of fainter pixels tells its width.
    below = np.flatnonzero(counts[: mode + 1] < counts[mode] / 2)
    reach = mode - below[-1] if below.size else mode
    mean, sigma = centres[mode], max(reach, 1) * width / 1.1774
    for _ in range(_STEPS):
        near = (np.abs(centres - mean) <= _CORE * sigma) & (counts > 0)
        if near.sum() < _FEWEST:
            near = (np.abs(centres - mean) <= _FEWEST * width) & (counts > 0)
        if near.sum() < _FEWEST:
            return None
        x = (centres[near] - mean) / width
        a, b, _ = np.polyfit(x, np.log(counts[near]), 2, w=counts[near])
        if not a < 0:
            return None
        moved, sigma = -b / (2 * a) * width, np.sqrt(-1 / (2 * a)) * width
        mean += moved
        if not centres[0] <= mean <= centres[-1]:
            return None
        if abs(moved) < 0.01 * sigma:
            break
    variance = float(sigma) ** 2 - _SMOOTHED * float(width) ** 2
    return Core(float(mean), variance**0.5) if variance > 0 else None


def _by_median(known: NDArray[np.float64]) -> Core:
    middle = float(np.median(known))
    return Core(middle, float(1.4826 * np.median(np.abs(known - middle))))


def emission(levels: NDArray[np.float32], k: float) -> NDArray[np.bool_]:
    """Which pixels of a thumbnail are emission: (ny, nx).

    Those above the threshold, of which at least three of the eight neighbours are, too: single
    ones are noise.

    Parameters
    ----------
    levels
        (ny, nx) or (ny, nx, 3), 0 to 1, in steps of 1/255. Colours are judged by their
        mean.
    k
        Sigma above the mean.
    """
    grey = whole(levels)
    above = grey > core(grey).threshold(k)
    around = np.pad(above.astype(np.uint8), 1)
    ny, nx = above.shape
    in_square = sum(around[i : i + ny, j : j + nx] for i in range(3) for j in range(3))
    return np.asarray(above & (in_square >= _IN_A_SQUARE))


def whole(levels: NDArray[np.float32]) -> NDArray[np.int64]:
    """Levels of a thumbnail as whole numbers, which rounding has left apart: (ny, nx).

    0 to 255; of colours their sum, 0 to 765.
    """
    whole = np.rint(255 * levels).astype(np.int64)
    return whole.sum(axis=2) if whole.ndim == 3 else whole
