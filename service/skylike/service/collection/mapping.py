"""`Mapped`: where the objects of a collection lie on a map, and what they are there."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service.collection.coloring import Colors, by_attribute
from skylike.service.collection.laying import LAYOUTS, KnownLayouts, Laid, no_layout
from skylike.service.collection.reading import Reading
from skylike.service.collection.view import View
from skylike.service.columns import Filter
from skylike.service.errors import NotReady
from skylike.service.layout import Density, density, sampled
from skylike.service.ranks import Ranks

CLUSTER, ANOMALY = "cluster", "anomaly"
"""What colours can show beside attributes."""

NO_CLUSTER = "no cluster"


class Map(NamedTuple):
    """Objects on a map: all, or a uniform sample of them that stays what it is.

    Attributes
    ----------
    layout, layouts
        Which it is, and which there are, the best first.
    fit_version
        Of the fit that made the layout.
    ids
        Of n objects, in the order of writing.
    places : (n, 2) float32
    colors
        None where none was asked for.
    total
        How many there are, shown or not.
    density
        Of all of them; None where all are shown.
    shares : (2,) float64
        Of the variance along each axis; None where the axes mean nothing.
    """

    layout: str
    layouts: tuple[str, ...]
    fit_version: int
    ids: list[str]
    places: NDArray[np.float32]
    colors: Colors | None
    total: int
    density: Density | None
    shares: NDArray[np.float64] | None


class Mapped(Reading):
    """Draws maps of a collection."""

    _layouts: KnownLayouts

    def map(
        self,
        layout: str = "",
        limit: int = 50_000,
        color: str = "",
        where: Filter | None = None,
    ) -> Map:
        """Where objects lie that can be searched.

        Parameters
        ----------
        layout
            ``tsne`` or ``pca``; empty for the best there is.
        limit
            At most so many objects.
        color
            ``cluster``, ``anomaly`` (percentile), or an attribute; empty for none.
        where
            Which objects; None for all.

        Raises
        ------
        NotReady
            ``not_fitted`` if there is no such layout.
        BadRequest
            ``bad_layout`` if there can be none of this name; ``unknown_attribute`` if
            there are objects, and none has the attribute.
        """
        view = self._view
        if where is not None:
            view.check(where)
        laid = self._laid(layout)
        placed = laid.placed(view)
        kept = np.flatnonzero(view.holds(placed.rows, where))
        rows, places = placed.rows[kept], placed.places[kept]
        shown = sampled(rows, limit)
        is_sample = len(shown) < len(rows)
        return Map(
            laid.name,
            self._layouts.names,
            laid.version,
            view.ids(rows[shown]),
            places[shown],
            self._colors(view, rows[shown], color) if color else None,
            len(rows),
            density(places) if is_sample and len(places) else None,
            laid.shares,
        )

    def located(
        self, vectors: NDArray[np.float32], layout: str = ""
    ) -> tuple[str, NDArray[np.float32]]:
        """Which layout, and where vectors (n, dimension) lie in it; raises as `map`."""
        laid = self._laid(layout)
        return laid.name, laid.place(self._view, vectors)

    def _laid(self, name: str) -> Laid:
        there = self._layouts.names
        if name and name not in LAYOUTS:
            raise no_layout(name)
        laid = self._layouts.of(name or (there[0] if there else LAYOUTS[-1]))
        if laid is None:
            has = (
                f"has only the layout {', '.join(there)}" if there else "has no layout"
            )
            wanted = f"--layout {name}" if name and there else ""
            raise NotReady(
                f"collection {self.name!r} {has}: start a FitJob (JobService.StartJob), "
                f"or, while no service runs, skylike-service fit {wanted}".strip(),
                reason="not_fitted",
            )
        return laid

    def _colors(self, view: View, rows: NDArray[np.int64], color: str) -> Colors:
        if color not in (CLUSTER, ANOMALY):
            return by_attribute(view, rows, color)
        ranks, clusters = self.ranks(), self.clusters
        if ranks is None or clusters is None:
            raise NotReady(
                f"the fit of collection {self.name!r} is of an older skylike, which kept "
                "no ranks: fit it again",
                reason="not_ranked",
            )
        here, at = _among(ranks, rows)
        values = np.full(len(rows), np.nan, np.float32)
        if color == ANOMALY:
            values[here] = ranks.percentiles[at]
            return Colors(values)
        labels = ranks.membership.labels[at]
        numbers = np.full(len(labels), len(clusters.labels), np.float32)
        for number, label in enumerate(clusters.labels.tolist()):
            numbers[labels == label] = number
        values[here] = numbers
        return Colors(values, (*clusters.names, NO_CLUSTER))


def _among(
    ranks: Ranks, rows: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which rows were there at a fit, and where they stand among its."""
    at = np.searchsorted(ranks.rows, rows)
    here = at < len(ranks.rows)
    here[here] = ranks.rows[at[here]] == rows[here]
    return here, at[here]
