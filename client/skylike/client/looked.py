"""What a file looks like, and what its headers say."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from skylike.client.plain import Plain
from skylike.client.tables.writing import put
from skylike.client.types import Context, Reading

Stretch = Literal["asinh", "linear", "square_root", "logarithm", "histogram"]


@dataclass(frozen=True, slots=True)
class Hdu(Plain):
    """A header and data unit; `shape` is that of an image, its last axis first."""

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Fact(Plain):
    """A card of a header, as texts."""

    keyword: str
    value: str
    comment: str


@dataclass(frozen=True, slots=True)
class ScaleBar(Plain):
    """A round length on the sky, and how long it is along the picture's rows."""

    length_arcsec: float
    length_pixels: float


@dataclass(frozen=True, slots=True)
class Inspection(Plain):
    """A picture of a file or an object, and how it is read.

    Attributes
    ----------
    hdus
        The parts of the file.
    reading
        How a question about the same would be read, and what it would be warned of; None
        where an object's file could not be read.
    facts
        What headers say of target, observation, instrument, axes and units.
    picture_png
        The first row of the image below; blank pixels are black.
    planes
        How many the third axis has.
    low, high
        What is black and white, in the image's unit; None where there is nothing to see.
    scale_bar, north_deg, east_deg
        Lengths and directions at the picture's centre, in degrees from up,
        counter-clockwise; None where the header does not tell.
    warnings
        What is wrong with the picture, such as why it is only a thumbnail.
    """

    context: Context
    hdus: tuple[Hdu, ...]
    reading: Reading | None
    facts: tuple[Fact, ...]
    picture_png: bytes = field(repr=False)
    planes: int
    low: float | None
    high: float | None
    scale_bar: ScaleBar | None
    north_deg: float | None
    east_deg: float | None
    warnings: tuple[str, ...]

    def _repr_png_(self) -> bytes | None:
        """What notebooks show."""
        return self.picture_png or None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file, whole or not at all; one that is there is replaced.

        Raises
        ------
        BadInput
            If it cannot be written.
        """
        put(Path(path), self.picture_png)
