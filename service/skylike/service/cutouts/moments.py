"""Centres and axes of labelled pixels."""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

# Variance of a uniform distribution one pixel wide: no light is known to be narrower.
_PIXEL_VARIANCE = 1 / 12
NARROWEST = float(np.sqrt(_PIXEL_VARIANCE))


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The pixels of every label, as lists of equal length k.

    Attributes
    ----------
    label : (n,) int32, ascending
        The labels there are, without 0; they need not be consecutive.
    flat : (k,) int64, ascending
        Position of each pixel in the flattened image.
    row : (k,) int64
        Row of its label in `label`.
    x, y : (k,) int32
        Its coordinates.
    """

    label: NDArray[np.int32]
    flat: NDArray[np.int64]
    row: NDArray[np.int64]
    x: NDArray[np.int32]
    y: NDArray[np.int32]

    @classmethod
    def of(
        cls, labels: NDArray[np.int32], label: NDArray[np.int32] | None = None
    ) -> Self:
        """All pixels of `labels`, (ny, nx), that are not 0.

        With `label`, the rows are these, which must be all that occur.
        """
        flat = np.flatnonzero(labels != 0)  # several times as fast as of integers
        found = labels.ravel()[flat]
        if label is None:
            label = np.unique(found)
        row = np.searchsorted(label, found)
        y = (flat // labels.shape[1]).astype(np.int32)
        x = (flat % labels.shape[1]).astype(np.int32)
        return cls(label, flat, row, x, y)

    def only(self, kept: NDArray[np.bool_]) -> Self:
        """The pixels where `kept`, (k,), is true; a label may be left with none."""
        if kept.all():
            return self
        return type(self)(
            self.label, self.flat[kept], self.row[kept], self.x[kept], self.y[kept]
        )

    def sum(self, values: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Sum of `values`, (k,), over the pixels of each label; without, their count."""
        total = np.bincount(self.row, values, len(self.label))
        return total.astype(np.float64, copy=False)

    def maximum(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Largest of `values`, (k,), in each label; NaN in one without pixels."""
        largest = np.full(len(self.label), np.nan)
        np.fmax.at(largest, self.row, values)
        return largest


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """First and second moments, one of each per label; NaN where they are undefined.

    Attributes
    ----------
    x, y : (n,) float64, pixels
        Barycentre; the centre of the first pixel is (0, 0).
    semi_major, semi_minor : (n,) float64, pixels
        Standard deviation along the principal axes, at least that of one pixel.
    theta : (n,) float64, radians
        Of the major axis, counter-clockwise from +x, -pi/2 to pi/2.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    semi_major: NDArray[np.float64]
    semi_minor: NDArray[np.float64]
    theta: NDArray[np.float64]

    @classmethod
    def of(cls, members: Members, weights: NDArray[np.float64] | None = None) -> Self:
        """Moments of `weights`, (k,), or of the pixels counted alike.

        Bertin & Arnouts 1996, A&AS 117, 393, section 10.1 of the SExtractor manual.
        """
        if weights is None:
            weights = np.ones(len(members.row))
        total = members.sum(weights)
        # A total that is not positive weighs nothing.
        total[~(total > 0)] = np.nan
        x = members.sum(weights * members.x) / total
        y = members.sum(weights * members.y) / total
        # About the barycentre: far from the origin, squares would lose their digits.
        dx, dy = members.x - x[members.row], members.y - y[members.row]
        xy = members.sum(weights * dx * dy) / total
        xx = members.sum(np.multiply(weights, np.square(dx, out=dx), out=dx)) / total
        yy = members.sum(np.multiply(weights, np.square(dy, out=dy), out=dy)) / total
        mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        return cls(
            x=x,
            y=y,
            semi_major=np.sqrt(np.maximum(mean + spread, _PIXEL_VARIANCE)),
            semi_minor=np.sqrt(np.maximum(mean - spread, _PIXEL_VARIANCE)),
            theta=np.arctan2(2 * xy, xx - yy) / 2,
        )

    def where(self, chosen: NDArray[np.bool_], other: "Moments") -> Self:
        """Rows of this where `chosen`, (n,), else of the other."""
        return type(self)(
            *(
                np.where(chosen, getattr(self, field.name), getattr(other, field.name))
                for field in fields(self)
            )
        )
