"""Each query beside its nearest, with scores."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skylike.client import Analysis
from skylike.service import fits, thumbnail

_NEAREST = 6


def draw(
    out: Path,
    answers: Sequence[tuple[Path, Analysis]],
    archive: Path,
    kinds: Mapping[Path, str],
) -> None:
    """Write a PNG: one row per query, the query on the left.

    Parameters
    ----------
    out
        The file to write.
    answers
        Queries and what was answered, with thumbnails.
    archive
        Folder below which the ids of what was found are.
    kinds
        Of files, shown where known.
    """
    figure = Figure(
        figsize=(1.5 * (_NEAREST + 1), 1.85 * len(answers) + 0.3), layout="constrained"
    )
    grid = figure.subplots(len(answers), _NEAREST + 1, squeeze=False)
    for row, (path, answer) in zip(grid, answers, strict=True):
        for cell in row:
            cell.set_axis_off()
        _show(row[0], thumbnail.render(fits.read(path)))
        kind = kinds.get(path, "")
        row[0].set_title(f"query\n{kind or path.name[:18]}", fontsize=8, weight="bold")
        for cell, hit in zip(row[1:], answer.hits, strict=False):
            _show(cell, hit.object.thumbnail_png)
            name = kinds.get(archive / hit.id, hit.id[:18])
            cell.set_title(f"{hit.score:.2f}\n{name}", fontsize=8)
    figure.savefig(out, dpi=110)


def _show(cell: Axes, png: bytes) -> None:
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")
    cell.imshow(pixels, cmap="inferno", vmin=0, vmax=1)
