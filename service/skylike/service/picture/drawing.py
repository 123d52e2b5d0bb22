"""Scale bar and compass, drawn into a picture with a pen: no fonts, no library.

Letters are strokes like everything else, so that they are sharp at every size; each stroke
has a dark rim, so that it is seen on black and on white.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from skylike.service.picture.compass import Bar, Compass

_LEAST_SIDE = 72  # there is no room in smaller ones
_LETTER = 1 / 22  # its height, of the picture's shorter side
_LEAST_LETTER, _MOST_LETTER = 7.0, 26.0

Point = tuple[float, float]
Stroke = tuple[Point, ...]

# In units of a sixth of their height, y upwards.
_LETTERS: dict[str, tuple[Stroke, ...]] = {
    "0": (
        ((1, 0), (0, 1.2), (0, 4.8), (1, 6), (3, 6), (4, 4.8), (4, 1.2), (3, 0), (1, 0)),
    ),
    "1": (((0.6, 4.8), (2, 6), (2, 0)),),
    "2": (((0, 4.8), (1, 6), (3, 6), (4, 5), (4, 3.9), (0, 0), (4, 0)),),
    "3": (
        ((0, 5), (1, 6), (3, 6), (4, 5), (4, 4.1), (3, 3.2), (1.6, 3.2)),
        ((3, 3.2), (4, 2.2), (4, 1), (3, 0), (1, 0), (0, 1)),
    ),
    "5": (
        ((3.7, 6), (0.4, 6), (0.2, 3.3), (1.2, 3.8), (3, 3.8), (4, 2.8), (4, 1),
         (3, 0), (1, 0), (0, 0.9)),
    ),
    ".": (((0.5, 0), (0.5, 0.05)),),
    "″": (((0.6, 6), (0.6, 4.6)), ((2.2, 6), (2.2, 4.6))),
    "\u2032": (((0.6, 6), (0.6, 4.6)),),
    "°": (((0, 5), (1.2, 6.2), (2.4, 5), (1.2, 3.8), (0, 5)),),
    "N": (((0, 0), (0, 6), (4, 0), (4, 6)),),
    "E": (((3.8, 0), (0, 0), (0, 6), (3.8, 6)), ((0, 3.1), (3, 3.1))),
}  # fmt: skip
_ADVANCE = {".": 2.2}
_GAP = 5.8


def decorate(picture: NDArray[np.uint8], found: Compass) -> NDArray[np.uint8]:
    """A picture with scale bar, at its lower left, and compass, at its lower right.

    Parameters
    ----------
    picture : (ny, nx, channels)
        The first row above, as it is shown.
    found
        What to draw; what is None is not.

    Returns
    -------
    decorated : (ny, nx, channels)
        The same where there is nothing to draw, or no room.
    """
    ny, nx = picture.shape[:2]
    if min(ny, nx) < _LEAST_SIDE:
        return picture
    letter = min(max(min(ny, nx) * _LETTER, _LEAST_LETTER), _MOST_LETTER)
    strokes: list[Stroke] = []
    if found.bar is not None:
        strokes += _scale_bar(found.bar, letter)
    strokes += _arrows(found, nx, letter)
    return _drawn(picture, strokes, max(1.1, letter / 8))


def _scale_bar(bar: Bar, letter: float) -> list[Stroke]:
    x = y = math.floor(letter) + 0.5  # the middle of a pixel: sharp
    end = x + bar.pixels
    tick = letter / 4
    bracket = ((x, y + tick), (x, y - tick)), ((end, y + tick), (end, y - tick))
    label_x = max(x, x + (bar.pixels - _width(bar.label, letter)) / 2)
    return [
        ((x, y), (end, y)),
        *bracket,
        *_text(bar.label, label_x, y + 0.6 * letter, letter),
    ]


def _arrows(found: Compass, nx: int, letter: float) -> list[Stroke]:
    """North, longer, and east, from one point; in the corner, whatever their directions."""
    strokes: list[Stroke] = []
    for name, angle, length in (
        ("N", found.north_deg, 2.4 * letter),
        ("E", found.east_deg, 1.7 * letter),
    ):
        if angle is None:
            continue
        turn = math.radians(angle)
        dx, dy = -math.sin(turn), math.cos(turn)
        tip = length * dx, length * dy
        strokes.append(((0.0, 0.0), tip))
        if name == "N":
            strokes.append(_head(tip, dx, dy, letter))
        away = length + 0.95 * letter
        left = away * dx - _width(name, letter) / 2
        strokes += _text(name, left, away * dy - letter / 2, letter)
    if not strokes:
        return []
    right = max(x for stroke in strokes for x, _ in stroke)
    below = min(y for stroke in strokes for _, y in stroke)
    x, y = nx - letter - right, letter - below
    return [tuple((px + x, py + y) for px, py in stroke) for stroke in strokes]


def _head(tip: Point, dx: float, dy: float, letter: float) -> Stroke:
    """The head of an arrow in the direction (dx, dy)."""
    side, back = 0.3 * letter, 0.55 * letter
    x, y = tip[0] - back * dx, tip[1] - back * dy
    return (x + side * dy, y - side * dx), tip, (x - side * dy, y + side * dx)


def _width(text: str, letter: float) -> float:
    advances = [_ADVANCE.get(one, _GAP) for one in text[:-1]]
    last = max(px for stroke in _LETTERS[text[-1]] for px, _ in stroke)
    return (sum(advances) + last) * letter / 6


def _text(text: str, x: float, y: float, letter: float) -> Iterable[Stroke]:
    """The strokes of a text whose lower left is at a place."""
    size = letter / 6
    for one in text:
        for stroke in _LETTERS[one]:
            yield tuple((x + px * size, y + py * size) for px, py in stroke)
        x += _ADVANCE.get(one, _GAP) * size


def _drawn(
    picture: NDArray[np.uint8], strokes: Sequence[Stroke], width: float
) -> NDArray[np.uint8]:
    ny, nx = picture.shape[:2]
    pen, rim = (np.zeros((ny, nx)) for _ in range(2))
    for stroke in strokes:
        for start, end in itertools.pairwise(stroke):
            _line(pen, start, end, width / 2)
            _line(rim, start, end, width / 2 + 1.2)
    shown = picture.astype(np.float64) * (1 - 0.75 * rim[..., np.newaxis])
    shown += (255 - shown) * pen[..., np.newaxis]
    return np.rint(shown).astype(np.uint8)


def _line(cover: NDArray[np.float64], start: Point, end: Point, radius: float) -> None:
    """Cover what a round pen covers on its way; x to the right, y upwards from below.

    A pixel is covered by how far it lies within the edge, which smooths it.
    """
    ny, nx = cover.shape
    (x0, y0), (x1, y1) = start, end
    reach = radius + 1
    left, right = (math.floor(min(x0, x1) - reach), math.ceil(max(x0, x1) + reach))
    low, high = (math.floor(min(y0, y1) - reach), math.ceil(max(y0, y1) + reach))
    left, right = max(left, 0), min(right, nx)
    low, high = max(low, 0), min(high, ny)
    if left >= right or low >= high:
        return
    y, x = np.mgrid[low:high, left:right] + 0.5
    dx, dy = x1 - x0, y1 - y0
    length = dx * dx + dy * dy
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0, 1) if length else 0.0
    distance = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
    part = cover[ny - high : ny - low, left:right]
    np.maximum(part, np.clip(radius + 0.5 - distance, 0, 1)[::-1], out=part)
