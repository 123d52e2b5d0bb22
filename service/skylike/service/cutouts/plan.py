"""Ways to say which objects of a frame are wanted, and what each finds there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skylike.service import fits
from skylike.service.cutouts import targets
from skylike.service.cutouts.detect import (
    DEBLEND_CONTRAST,
    MIN_AREA,
    THRESHOLD,
    Detection,
    Method,
    detect,
    from_labels,
)
from skylike.service.cutouts.measure import measure
from skylike.service.cutouts.morphology import measure as measure_morphology
from skylike.service.cutouts.targets import Size, Target
from skylike.service.errors import BadInput, BadRequest
from skylike.service.fits import Axes, Box, Frame, selector
from skylike.service.fits.table import read_table

_MOST_LABELS = 2**24 - 1  # float32 tells all integers up to here apart


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The objects of one frame.

    Attributes
    ----------
    targets
        What to cut, each with its attributes.
    labels : (ny, nx) int32 or None
        Which pixel belongs to which object, where that is known.
    origin
        Column and row of the frame where `labels` begin.
    num_left_out
        Rows of a catalogue without a position or size, or off the frame; objects
        without data, or without a size in arcsec.
    """

    targets: list[Target]
    labels: NDArray[np.int32] | None = None
    origin: tuple[int, int] = (0, 0)
    num_left_out: int = 0


class Plan(Protocol):
    """A way to find objects."""

    def find(self, frame: Frame) -> Found:
        """The objects of a frame.

        Raises
        ------
        BadInput
            If the plan does not fit the frame.
        """


@dataclass(frozen=True, slots=True)
class Boxes:
    """The boxes that somebody gives."""

    boxes: tuple[Box, ...]

    def find(self, frame: Frame) -> Found:
        """Every box, whatever lies in it; `cut` tells those that miss the frame."""
        return Found(targets.from_boxes(self.boxes))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rows of a table, see `read_table` and `targets.from_catalogue`."""

    path: str | Path
    size: Size | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def find(self, frame: Frame) -> Found:
        """The rows whose square touches the frame."""
        table = read_table(self.path)
        world = frame.about.world
        try:
            rows = targets.from_catalogue(table, world, self.size, self.names)
        except BadInput as error:
            raise BadInput(f"{self.path}: {error}", reason=error.reason) from error
        inside = [row for row in rows if row.box.touches(frame.box)]
        num_rows = len(next(iter(table.values())))
        return Found(inside, num_left_out=num_rows - len(inside))


@dataclass(frozen=True, slots=True)
class Mask:
    """The labels of a segmentation image, or the islands of a mask.

    Attributes
    ----------
    path
        FITS file of the shape of the frame or of its section, perhaps with a selector:
        0 for the sky; of an image with one other value every island is an object, else
        every value is one.
    size
        Of the cutouts; None for as large as each needs.
    with_morphology
        Whether to measure concentration, asymmetry, smoothness, Gini and M20.
    band
        Which band to measure; None for the first.
    """

    path: str | Path
    size: Size | None = None
    with_morphology: bool = False
    band: str | None = None

    def find(self, frame: Frame) -> Found:
        """The objects of the mask, measured in the frame."""
        labels = self._labels(frame)
        detection = from_labels(measured_plane(frame, self.band), labels)
        return _measured(detection, frame, self.size, self.with_morphology)

    def _labels(self, frame: Frame) -> NDArray[np.int32]:
        found = fits.read(self._source(), replace(frame.options, hdu=None))
        box, shape = frame.box, found.pixels.shape
        if shape == (1, box.ny, box.nx):
            box = Box(0, 0, box.nx, box.ny)
        elif shape != (1, *frame.shape[1:]):
            raise BadInput(
                f"{self.path}: the mask has the shape {shape[1:]}, the image "
                f"{frame.shape[1:]}; they must be equal",
                reason="shape_mismatch",
            )
        values = np.nan_to_num(found.pixels[0])
        is_label = (values >= 0) & (values <= _MOST_LABELS) & (values % 1 == 0)
        if not is_label.all():
            raise BadInput(
                f"{self.path}: the labels of a mask are whole numbers from 0 to "
                f"{_MOST_LABELS}",
                reason="bad_labels",
            )
        labels: NDArray[np.int32] = values.astype(np.int32)
        if len(np.unique(labels[labels > 0])) == 1:
            ndimage.label(labels, np.ones((3, 3)), output=labels)
        return labels[box.y0 : box.y1, box.x0 : box.x1]

    def _source(self) -> str | Path:
        """The file, with its only image where that is named like a mask."""
        if isinstance(self.path, str) and selector.locate(self.path)[1]:
            return self.path
        images = [hdu for hdu in fits.contents(self.path).hdus if hdu.shape]
        return f"{self.path}[{images[0].number}]" if len(images) == 1 else self.path


@dataclass(frozen=True, slots=True)
class Detect:
    """What stands above the noise, see `detect`.

    Attributes
    ----------
    size, with_morphology, band
        As for `Mask`.
    """

    method: Method = Method.SEP
    threshold: float = THRESHOLD
    min_area: int = MIN_AREA
    deblend_contrast: float = DEBLEND_CONTRAST
    size: Size | None = None
    with_morphology: bool = False
    band: str | None = None

    def find(self, frame: Frame) -> Found:
        """The objects above the noise."""
        detection = detect(
            measured_plane(frame, self.band),
            method=self.method,
            threshold=self.threshold,
            min_area=self.min_area,
            deblend_contrast=self.deblend_contrast,
        )
        return _measured(detection, frame, self.size, self.with_morphology)


def measured_plane(frame: Frame, band: str | None) -> NDArray[np.float32]:
    """The plane of a frame, or of its section, in which objects are measured.

    Parameters
    ----------
    frame
        Its section is read; without one all of it, and kept.
    band
        One of its bands; None for the first. A spectral cube is measured in the mean
        over its planes.

    Returns
    -------
    plane : (ny, nx) float32
        NaN where there is no data.
    """
    bands = frame.about.bands
    if band is not None and band not in bands:
        raise BadRequest(
            f"there is no band {band!r}; there are: {', '.join(bands) or 'none'}",
            reason="band_mismatch",
        )
    _, ny, nx = frame.shape
    is_whole = frame.box == Box(0, 0, nx, ny)
    pixels = frame.whole() if is_whole else frame.read().pixels
    if frame.about.axes is Axes.SPECTRAL:
        return fits.mean_plane(pixels)
    plane: NDArray[np.float32] = pixels[bands.index(band) if band else 0]
    return plane


def _measured(
    detection: Detection, frame: Frame, size: Size | None, with_morphology: bool
) -> Found:
    origin = frame.box.x0, frame.box.y0
    sources = measure(detection)
    sources = replace(sources, x=sources.x + origin[0], y=sources.y + origin[1])
    rows = targets.from_sources(sources, size, frame.about.world)
    if with_morphology:
        rows = [_with_morphology(row, detection, origin) for row in rows]
    return Found(rows, detection.labels, origin, len(sources.label) - len(rows))


def _with_morphology(
    target: Target, detection: Detection, origin: tuple[int, int]
) -> Target:
    """With the statistics, measured in the object's surroundings."""
    ny, nx = detection.labels.shape
    box = target.box.moved(-origin[0], -origin[1]).within(nx, ny)
    part = np.s_[box.y0 : box.y1, box.x0 : box.x1]
    found: Any = measure_morphology(
        detection.pixels[part], detection.labels[part], target.label
    )
    statistics = {
        name: value
        for name in found.__dataclass_fields__
        if np.isfinite(value := getattr(found, name))
    }
    return replace(target, attributes={**target.attributes, **statistics})
