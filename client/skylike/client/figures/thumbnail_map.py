"""The map of thumbnails: every object where it lies among those like it."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skylike.client.figures import layout as layouts
from skylike.client.figures.paper import (
    COLUMN_MM,
    LIGHT,
    Axes,
    Paper,
    colors,
    decoded,
    frame,
    look,
)
from skylike.client.figures.sample import Sample
from skylike.client.figures.threshold import emission
from skylike.client.figures.words import of_sample, origin_of
from skylike.client.tables.text import printable

_COVERED = 2.0  # area of all thumbnails over that of the map
_MARGIN_MM = 5.0  # for the names of the axes
_LEAST_MM, _MOST_MM = 3.0, 11.0
_ROOM = 1.1  # of a thumbnail, in its sides
_LEAST_HEIGHT = 0.3  # of the frame, over its width


@look
def thumbnail_map(
    sample: Sample,
    *,
    layout: Literal["tsne", "pca"] = "tsne",
    perplexity: float = 30.0,
    metric: str = "cosine",
    seed: int = 0,
    k_sigma: float = 3.0,
    width_mm: float = COLUMN_MM,
) -> Paper:
    """Draw thumbnails where their vectors lie on a plane, without their background.

    Pixels of low emission are transparent, by the adaptive threshold of `threshold`; what
    has more light above it lies on top. A picture that its emission fills has no background, and
    is drawn whole.

    Parameters
    ----------
    sample
        What to draw, by `gather`. Objects without thumbnails are points.
    layout
        ``tsne``, or the first two principal components.
    perplexity, metric, seed
        Of t-SNE; see `layout.tsne`. The figure's own, whatever drew the sample.
    k_sigma
        How far above the background emission is.
    width_mm
        As it is printed; it is as high as the places demand, in their proportions.
    """
    numbers: dict[str, Any] = {**origin_of(sample), "layout": layout}
    if layout == "pca":
        axes_of = layouts.principal(sample.vectors, 2)
        places = axes_of.project(sample.vectors)
        numbers |= {"explained": axes_of.explained.tolist()}
        first, second = (f"{share:.0%}" for share in axes_of.explained)
        how = (
            f"the first two principal components ({first} and {second} of the variance)"
        )
    else:
        found = layouts.tsne(
            sample.vectors, perplexity=perplexity, seed=seed, metric=metric
        )
        places = found.places
        numbers |= {
            "perplexity": found.perplexity,
            "tsne_seed": seed,
            "metric": metric,
            "divergence": found.divergence,
        }
        how = f"t-SNE (perplexity {found.perplexity:.3g}, {metric} distances, seed {seed})"

    pictures = [decoded(one.thumbnail_png) for one in sample.objects]
    cut = [_cut(levels, k_sigma) for levels in pictures]
    brightness = np.array([light for _, _, light in cut])
    num_whole = sum(is_whole for _, is_whole, _ in cut)
    num_without = sum(not levels.size for levels in pictures)
    numbers |= {
        "k_sigma": k_sigma,
        "num_drawn_whole": num_whole,
        "num_without_thumbnail": num_without,
        "objects": [
            {"id": one.id, "x": x, "y": y, "light": light}
            for one, (x, y), light in zip(
                sample.objects, places.tolist(), brightness.tolist(), strict=True
            )
        ],
    }
    caption = (
        f"Map of {of_sample(sample)} by {how}. Of each thumbnail, pixels below "
        f"μ + {k_sigma:g} σ are transparent, where μ and σ are those of a Gaussian fitted to "
        "the core of its pixels; those with more light above that lie on top."
    )
    if num_whole:
        caption += f" {num_whole} that have no such background are drawn whole."
    if num_without:
        caption += f" {num_without} without thumbnails are points."

    frame_mm = width_mm - _MARGIN_MM - 0.5
    side = _side(frame_mm, len(places)) / frame_mm
    unit, height = _unit(places, side)
    high_mm = height * frame_mm
    paper = Paper(
        width_mm, high_mm + _MARGIN_MM + 0.5,
        kind="map", caption=printable(caption), numbers=numbers,
    )  # fmt: skip
    axes = paper.place(_MARGIN_MM, 0.5, frame_mm, high_mm)
    for number in np.argsort(brightness, kind="stable").tolist():
        rgba = cut[number][0]
        x, y = unit[number].tolist()
        if rgba.size:
            ny, nx = rgba.shape[:2]
            half = np.array([nx, ny]) / max(nx, ny) * side / 2
            extent = (x - half[0], x + half[0], y - half[1], y + half[1])
            axes.imshow(rgba, extent=extent, interpolation="antialiased")
        else:
            axes.plot(x, y, ".", color="0.6", markersize=2)
    _finish(axes, layout, height)
    return paper


def _cut(
    levels: NDArray[np.float32], k: float
) -> tuple[NDArray[np.float32], bool, float]:
    """A thumbnail in colours with its mask; whether nothing is masked; its light."""
    if not levels.size:
        return np.zeros((0, 0, 4), np.float32), False, -1.0
    mask = emission(levels, k)
    is_whole = not mask.any()
    if is_whole:
        mask = np.ones_like(mask)
    rgb = levels if levels.ndim == 3 else colors(LIGHT, levels)
    rgba = np.concatenate([rgb, mask[..., None]], axis=2).astype(np.float32)
    grey = levels.mean(axis=2) if levels.ndim == 3 else levels
    # Filled ones lie below: they would hide what has a shape.
    return rgba, is_whole, 0.0 if is_whole else float(grey[mask].sum() / mask.size)


def _side(width_mm: float, number: int) -> float:
    """Of a thumbnail, in millimetres: larger the fewer there are."""
    side = width_mm * np.sqrt(_COVERED / number)
    return float(np.clip(side, _LEAST_MM, min(_MOST_MM, width_mm / 4)))


def _unit(
    places: NDArray[np.float64], side: float
) -> tuple[NDArray[np.float64], float]:
    """Places in a frame as wide as 1, in their proportions, thumbnails and all; its height.

    It is not lower than the names of its axes.
    """
    low, high = places.min(axis=0), places.max(axis=0)
    span = float((high - low).max()) or 1.0
    scaled = (places - (low + high) / 2) / span * (1 - _ROOM * side)
    height = max(_LEAST_HEIGHT, float(np.ptp(scaled[:, 1])) + _ROOM * side)
    return scaled + np.array([0.5, height / 2]), height


def _finish(axes: Axes, layout: str, height: float) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, height)
    axes.set_aspect("equal")
    frame(axes)
    first, second = ("PC 1", "PC 2") if layout == "pca" else ("t-SNE 1", "t-SNE 2")
    axes.set_xlabel(first)
    axes.set_ylabel(second)
