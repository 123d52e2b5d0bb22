"""A page of a paper: sizes in millimetres, one look, and a caption that travels along.

The only module that imports matplotlib, and nothing of it that has a state: no pyplot,
no display; whatever its settings are, figures look the same, and leave them as they were.
"""

import io
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes as Axes  # for those that draw
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, FuncNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from skylike.client.errors import BadInput
from skylike.client.tables.text import printable
from skylike.client.tables.writing import put

COLUMN_MM, PAGE_MM = 88.0, 180.0  # of Astronomy & Astrophysics
MM = 1 / 25.4  # inches
SMALL, NORMAL = 6.0, 7.0  # points, as they are printed
# Of small digits and capitals, of which names of catalogues are made.
MM_OF_LETTER = 1.4
SCREEN_DPI = 150

# Okabe & Ito (2008), "Color Universal Design": told apart by all kinds of eyes.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
GREY = "#999999"
LIGHT = "inferno"  # of pixels: even in lightness, also where colours look alike
SCALE = "cividis"  # of numbers

_ENDINGS = {".png": "png", ".pdf": "pdf"}
_LOOK = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": NORMAL,
    "axes.titlesize": NORMAL,
    "axes.labelsize": NORMAL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "axes.titlepad": 3,
    "axes.labelpad": 2,
    "axes.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "text.parse_math": False,  # names of objects are no formulas
    "pdf.fonttype": 42,  # text stays text, in fonts that journals take
}


class Paper(Figure):
    """A figure of matplotlib with its caption.

    Attributes
    ----------
    width_mm, height_mm
        As it is printed.
    kind
        What it shows, as ``skylike figure`` calls it.
    caption
        What a reader has to know: what was done, with which parameters, of how many.
    numbers
        What the caption tells and more, ready for JSON.
    """

    def __init__(
        self,
        width_mm: float,
        height_mm: float,
        *,
        kind: str,
        caption: str,
        numbers: Mapping[str, Any],
    ) -> None:
        with _look():
            super().__init__(figsize=(width_mm * MM, height_mm * MM))
        FigureCanvasAgg(self)
        self.width_mm, self.height_mm = width_mm, height_mm
        self.kind = kind
        self.caption = caption
        self.numbers = dict(numbers)

    def place(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose frame lies so many millimetres from the left and upper edge."""
        bounds = (
            left / self.width_mm,
            1 - (top + height) / self.height_mm,
            width / self.width_mm,
            height / self.height_mm,
        )
        return self.add_axes(bounds)

    def write(self, path: str | PathLike[str], *, dpi: float = 300) -> None:
        """Write the figure, with its caption inside, and beside it as JSON.

        Parameters
        ----------
        path
            The ending tells the format: ``.png`` or ``.pdf``. ``map.pdf`` comes with
            ``map.json``: kind, caption, numbers.
        dpi
            Dots per inch, of what is not drawn as lines and text.

        Raises
        ------
        BadInput
            ``bad_format`` for another ending, ``io_error`` where it cannot be written.
        """
        target = Path(path)
        form = format_of(target)
        maker = f"skylike {version('skylike')}, matplotlib {matplotlib.__version__}"
        title = f"skylike figure {self.kind}"
        told: dict[str, dict[str, Any]] = {
            "png": {"Title": title, "Description": self.caption, "Software": maker},
            "pdf": {
                "Title": title,
                "Subject": self.caption,
                "Creator": maker,
                "CreationDate": None,  # the same figure is the same file
            },
        }
        stream = io.BytesIO()
        self.savefig(stream, format=form, dpi=dpi, metadata=told[form])
        put(target, stream.getvalue())
        beside = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        put(target.with_suffix(".json"), beside.encode())

    def to_dict(self) -> dict[str, Any]:
        """What is written beside the figure."""
        return {"figure": self.kind, "caption": self.caption, "numbers": self.numbers}

    def draw(self, renderer: Any) -> None:
        """As figures do, with the look of this one."""
        with _look():
            super().draw(renderer)

    def savefig(self, fname: Any, **how: Any) -> None:
        """As figures do, with the look of this one."""
        with _look():
            super().savefig(fname, **how)

    def _repr_png_(self) -> bytes:
        """For notebooks, which need no other setting then."""
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=SCREEN_DPI)
        return stream.getvalue()


@contextmanager
def _look() -> Iterator[None]:
    """Everything that is not set here is matplotlib's default, not the user's."""
    with matplotlib.style.context(["default", _LOOK]), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


look = _look()
"""Decorates what draws: what it makes has the look of figures."""


def format_of(path: Path) -> str:
    """The format that a file's ending tells; raises as `Paper.write`."""
    form = _ENDINGS.get(path.suffix.lower())
    if form is None:
        known = " or ".join(_ENDINGS)
        raise BadInput(f"{path}: a figure's file ends in {known}", reason="bad_format")
    return form


def decoded(png: bytes) -> NDArray[np.float32]:
    """Levels 0 to 1 of a thumbnail: (ny, nx) grey or (ny, nx, 3); (0, 0) of none."""
    if not png:
        return np.zeros((0, 0), np.float32)
    levels = matplotlib.image.imread(io.BytesIO(png), format="png")
    if levels.ndim == 3:
        levels = levels[..., :3]
    return np.asarray(levels, np.float32)


def stretched(low: float, high: float) -> Normalize:
    """From values to colours by asinh, as thumbnails are made (Lupton et al. 1999)."""
    softening = 0.1 * (high - low)
    return FuncNorm(
        (
            lambda value: np.arcsinh((np.asarray(value) - low) / softening),
            lambda level: low + softening * np.sinh(np.asarray(level)),
        ),
        low,
        high,
    )


def as_they_are() -> Normalize:
    """From levels 0 to 1, which are stretched already, to colours."""
    return Normalize(0, 1)


def light() -> Colormap:
    """Colours of pixels; grey where there is no data."""
    return matplotlib.colormaps[LIGHT].with_extremes(bad="0.75")


def frame(axes: Axes, color: str = "black", width: float = 0.5) -> None:
    """Leave nothing of axes but a frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=color, linewidth=width)


def picture(axes: Axes, levels: NDArray[np.float32]) -> None:
    """Show a thumbnail in a frame, or that there is none."""
    frame(axes)
    if not levels.size:
        axes.text(
            0.5, 0.5, "no picture", transform=axes.transAxes, ha="center", va="center",
            fontsize=SMALL, color=GREY,
        )  # fmt: skip
        axes.set_aspect("equal")
        return
    axes.imshow(levels, cmap=LIGHT, vmin=0, vmax=1, interpolation="nearest")


def colors(name: str, levels: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Red, green, blue of levels 0 to 1 in a colour map: (..., 3)."""
    return np.asarray(matplotlib.colormaps[name](levels))[..., :3]


def short(text: str, most: int) -> str:
    """A name that fits, disarmed; the middle is left out."""
    text = printable(text)
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"
