"""Where the objects of a collection lie on a map."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.client.plain import Plain
from skylike.client.tables.origin import origin
from skylike.client.tables.table import Field, Kind, Table, gather
from skylike.client.tables.tabular import Tabular
from skylike.client.types import Context, Reading


@dataclass(frozen=True, slots=True, eq=False)
class Density(Plain):
    """How many objects lie in each cell: (ny, nx), the row of the lowest y first."""

    counts: NDArray[np.uint32]
    x_range: tuple[float, float]
    y_range: tuple[float, float]


_ID = "meta.id;meta.main"


class _Point(NamedTuple):
    id: str
    x: float
    y: float
    color: float | str | None


@dataclass(frozen=True, slots=True, eq=False)
class Map(Plain, Tabular):
    """Objects on a map, in the order of writing; a table of them.

    `x`, `y` and `color` are (n,) float32; a colour is a number, or that of a category of
    `color_names`, NaN where it is unknown; None if none was asked for. Where `total` is
    more than n, the objects are a uniform sample of all, and `density` counts all. `explained` is
    the share of the variance along x and y, of principal components.
    """

    context: Context
    layout: str
    layouts: tuple[str, ...]
    fit_version: int
    ids: tuple[str, ...]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    color: NDArray[np.float32] | None
    color_names: tuple[str, ...]
    total: int
    density: Density | None
    explained: tuple[float, ...]

    @property
    def is_sample(self) -> bool:
        """Whether not all objects are shown."""
        return self.total > len(self.ids)

    def _table(self) -> Table:
        colors: list[float | str | None] = [None] * len(self.ids)
        if self.color is not None:
            colors = [
                None
                if np.isnan(value)
                else self.color_names[int(value)]
                if self.color_names
                else float(value)
                for value in self.color
            ]
        kind = Kind.TEXT if self.color_names else Kind.NUMBER
        fields = [
            Field("object_id", Kind.TEXT, "id", "Name in the collection", ucd=_ID),
            Field("x", Kind.NUMBER, "x", f"Along x of the layout {self.layout}"),
            Field("y", Kind.NUMBER, "y", f"Along y of the layout {self.layout}"),
        ]
        if self.color is not None:
            fields.append(Field("color", kind, "color", "What the colour shows"))
        columns = self.ids, self.x.tolist(), self.y.tolist(), colors
        points = [_Point(*one) for one in zip(*columns, strict=True)]
        facts = {**origin(self.context), "layout": self.layout}
        facts["layout_fit_version"] = str(self.fit_version)
        return gather(fields, points, facts)


@dataclass(frozen=True, slots=True)
class MapPlace(Plain):
    """Where a query lies in a layout; `reading` is None unless it was a cutout."""

    context: Context
    reading: Reading | None
    layout: str
    x: float
    y: float


Drawn = Map | MapPlace
