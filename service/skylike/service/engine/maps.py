"""Where objects lie on a map."""

from typing import NamedTuple

from skylike.service.collection import Map
from skylike.service.columns import Filter
from skylike.service.engine.keeping import Keeping, context_of
from skylike.service.engine.resolve import resolve
from skylike.service.engine.types import Context, Query
from skylike.service.errors import BadRequest
from skylike.service.uploads import Reading

MAX_POINTS = 1_000_000
_DEFAULT_POINTS = 50_000


class Drawn(NamedTuple):
    """A map of a collection."""

    context: Context
    map: Map


class Located(NamedTuple):
    """Where a query lies in a layout."""

    context: Context
    reading: Reading | None
    layout: str
    x: float
    y: float


class Maps(Keeping):
    """Draws maps, and finds places on them."""

    def map(
        self,
        collection: str,
        layout: str = "",
        limit: int = 0,
        color: str = "",
        where: Filter | None = None,
    ) -> Drawn:
        """Where objects lie; see `Collection.map`. A limit of 0 means 50,000.

        Raises
        ------
        BadRequest
            ``bad_batch_size`` for more than 1,000,000.
        """
        if limit > MAX_POINTS:
            raise BadRequest(
                f"{limit} objects were asked for; a map has at most {MAX_POINTS:,}",
                reason="bad_batch_size",
            )
        with self._archive(collection) as archive:
            context = context_of(archive)
            drawn = archive.map(layout, limit or _DEFAULT_POINTS, color, where)
            return Drawn(context, drawn)

    def locate(self, collection: str, query: Query, layout: str = "") -> Located:
        """Where a query lies; see `Collection.located`."""
        with self._archive(collection) as archive:
            encoder = self.library.encoder_of(archive)
            context = context_of(archive)
            found = resolve(query, archive, encoder, self._limits)
            name, places = archive.located(found.vector[None], layout)
            x, y = places[0].tolist()
            return Located(context, found.reading, name, x, y)
