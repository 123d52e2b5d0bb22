"""From a frame and what was found in it to images of single objects."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.cutouts.catalogue import Attribute
from skylike.service.cutouts.plan import Found
from skylike.service.cutouts.targets import Target
from skylike.service.errors import BadCutout
from skylike.service.fits import Frame, Image, SkyPosition


class Blank(enum.StrEnum):
    """Which pixels of a cutout are made blank."""

    NEIGHBOURS = "neighbours"
    """Those of other objects."""
    OUTSIDE = "outside"
    """All that are not of the object, the sky as well."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """One object of a frame.

    Attributes
    ----------
    id
        Unique within the frame.
    image
        Its pixels, NaN beyond the frame.
    attributes
        What was measured, or stood in the catalogue; lengths in pixels of the frame.
    position
        Of the object, or of the middle of its box where that is all that is known.
    """

    id: str
    image: Image
    attributes: dict[str, Attribute]
    position: SkyPosition | None


def cut(
    frame: Frame, found: Found, blank: Blank | None = None
) -> Iterator[Cutout | tuple[Target, BadCutout]]:
    """Cut the objects of a frame.

    Parameters
    ----------
    frame
        An opened frame. If it has not been read as a whole, only the boxes are.
    found
        What to cut.
    blank
        Pixels to make NaN, where `found` has labels.

    Yields
    ------
    Cutout
        In the order of `found.targets`; for a box that misses the frame the target and
        the error.
    """
    for target in found.targets:
        try:
            image = frame.read(target.box)
        except BadCutout as error:
            yield target, error
            continue
        if blank is not None and found.labels is not None and target.label:
            image.pixels[:, _hidden(found, target, blank)] = np.nan
        position = target.position or image.position
        yield Cutout(target.id, image, dict(target.attributes), position)


def _hidden(found: Found, target: Target, blank: Blank) -> NDArray[np.bool_]:
    """Which pixels of the box to make blank."""
    labels = found.labels
    assert labels is not None  # the caller has looked
    ny, nx = labels.shape
    box = target.box.moved(-found.origin[0], -found.origin[1])
    inner = box.within(nx, ny)
    hidden = np.full((box.ny, box.nx), blank is Blank.OUTSIDE)
    part = labels[inner.y0 : inner.y1, inner.x0 : inner.x1]
    others = part != target.label
    if blank is Blank.NEIGHBOURS:
        others &= part > 0
    y, x = inner.y0 - box.y0, inner.x0 - box.x0
    hidden[y : y + inner.ny, x : x + inner.nx] = others
    return hidden
