"""What a panel shows: values in the data's unit, or the levels of a thumbnail."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.client.figures.paper import (
    MM_OF_LETTER,
    SMALL,
    Axes,
    Paper,
    as_they_are,
    frame,
    light,
    picture,
    short,
    stretched,
)

BELOW_MM = 8.5
_SHARES = (1.0, 99.7)  # percentiles, as thumbnails have them
_MOST_SHOWN = 600  # pixels of a side: more than print shows
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Pixels of an image.

    Attributes
    ----------
    pixels
        (ny, nx), the first row below; NaN where there is no data. Levels 0 to 1, where the
        service has stretched them.
    unit
        As the header tells it; may be empty.
    told
        What the levels 0 and 1 stand for; None of pixels that are values themselves.
    """

    pixels: NDArray[np.floating]
    unit: str
    told: tuple[float, float] | None = None

    @property
    def limits(self) -> tuple[float, float]:
        """The values that the colours span: 1st and 99.7th percentile; 0, 1 of none.

        Where these are the same, the lowest and the highest.
        """
        if self.told is not None:
            return self.told
        known = self.pixels[np.isfinite(self.pixels)]
        if not known.size:
            return 0.0, 1.0
        low, high = np.percentile(known, _SHARES).tolist()
        if low == high:
            low, high = float(known.min()), float(known.max())
        return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def show(paper: Paper, left: float, top: float, side: float, values: Values) -> Axes:
    """Draw values by asinh in a square, and a colour bar that tells them in their unit.

    `BELOW_MM` millimetres below the square are the bar's.
    """
    low, high = values.limits
    axes = paper.place(left, top, side, side)
    image = axes.imshow(
        _thinned(values.pixels),
        cmap=light(),
        norm=stretched(low, high) if values.told is None else as_they_are(),
        origin="lower",
        interpolation="nearest",
    )
    frame(axes)
    bar = paper.colorbar(
        image,
        cax=paper.place(left, top + side + 1, side, 1.6),
        orientation="horizontal",
    )
    ticks, power = labels(low, high)
    bar.set_ticks([low, high] if values.told is None else [0, 1], labels=ticks)
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=1.5, pad=1.5)
    first, last = bar.ax.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    most = int(side / MM_OF_LETTER) - len(power)
    unit = short(values.unit, most) or "unit not told"
    bar.set_label(f"{power}{unit}", fontsize=SMALL, labelpad=0.5)
    return axes


def show_thumbnail(
    paper: Paper, left: float, top: float, side: float, levels: NDArray[np.float32]
) -> Axes:
    """Draw a thumbnail where the pixels are out of reach, and say so."""
    axes = paper.place(left, top, side, side)
    picture(axes, levels)
    if levels.size:
        axes.set_xlabel("thumbnail, no unit", fontsize=SMALL)
    return axes


def labels(low: float, high: float) -> tuple[list[str], str]:
    """Both ends of a colour bar, in digits that tell them apart, and their power of ten."""
    largest = max(abs(low), abs(high)) or 1.0
    exponent = math.floor(math.log10(largest))
    power = 0 if -1 <= exponent < 4 else exponent
    digits = max(0, 2 - math.floor(math.log10(high - low or largest)) + power)
    ticks = [_number(value / 10.0**power, min(digits, 12)) for value in (low, high)]
    return ticks, f"10{str(power).translate(_SUPERSCRIPT)} " if power else ""


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def _thinned(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Means of what is known of squares, where there are more than can be seen."""
    step = math.ceil(max(pixels.shape) / _MOST_SHOWN)
    if step == 1:
        return pixels
    ny, nx = (max(1, n // step) for n in pixels.shape)
    squares = pixels[: ny * step, : nx * step].reshape(
        ny, min(step, pixels.shape[0]), nx, -1
    )
    known = np.isfinite(squares)
    number = known.sum(axis=(1, 3))
    total = np.where(known, squares, 0).sum(axis=(1, 3))
    return np.asarray(
        np.divide(total, number, np.full(total.shape, np.nan), where=number > 0)
    )
