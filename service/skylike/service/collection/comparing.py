"""`Comparing`: what is like a vector, or like some objects and less like others."""

import functools
from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import SkyObject
from skylike.service.collection.alike import Spot, alike
from skylike.service.collection.examples import query_of
from skylike.service.collection.listing import still_there
from skylike.service.collection.reading import Reading
from skylike.service.collection.search import Found, How
from skylike.service.columns import All, Filter, Not, WithIds


class Comparing(Reading):
    """Questions by examples, and whole archives in the order of their likeness."""

    def nearest_to(
        self,
        positive: Sequence[str],
        k: int,
        *,
        negative: Sequence[str] = (),
        **how: Unpack[How],
    ) -> list[Found]:
        """Ids and scores of the k objects most like some, and less like others.

        None of these is found itself.

        Parameters
        ----------
        positive, negative
            Ids of examples, at least one, and of counter-examples.
        k, **how
            As in `nearest`.

        Raises
        ------
        UnknownId
            If there is no such object.
        BadRequest
            If there is no example (``empty_query``), or they cancel each other
            (``zero_norm``); and as `nearest`.
        """
        query = self.towards(positive, negative)[None]
        unwanted = Not(WithIds(frozenset([*positive, *negative])))
        where = how.get("where")
        how["where"] = unwanted if where is None else All((where, unwanted))
        return self.nearest(query, k, **how)[0]

    def alike(
        self,
        vector: NDArray[np.float32],
        where: Filter | None = None,
        *,
        unwanted: Sequence[str] = (),
        after: Spot | None = None,
        limit: int = 100,
        thumbnails: bool = False,
    ) -> list[tuple[Spot, SkyObject]]:
        """All objects by falling cosine to a vector, equal ones as written, page by page.

        Parameters
        ----------
        vector : (dimension,) float32, unit norm
        where
            None for all.
        unwanted
            Ids that are left out.
        after
            Where the page before has ended; None for the first.
        limit
            At most so many.
        thumbnails
            Whether to read these too.

        Returns
        -------
        list
            Where each stands, and itself; fewer than `limit` at the end.
        """
        if where is not None:
            self._view.check(where)
        rows = np.array(list(self._catalog.rows(unwanted).values()), np.int64)

        def further(last: Spot | None, missing: int) -> list[Spot]:
            return alike(self._view, vector, where, rows, last, missing)

        return still_there(self._catalog, further, after, limit, thumbnails)

    def towards(
        self, positive: Sequence[str], negative: Sequence[str] = ()
    ) -> NDArray[np.float32]:
        """One vector for examples and counter-examples, as for `nearest_to`.

        Returns
        -------
        (dimension,) float32, unit norm
        """
        examples, others = (
            self._settled(functools.partial(self._vectors, ids))
            for ids in (positive, negative)
        )
        return query_of(examples, others)

    def _vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        found = self._catalog.rows(ids)
        unknown = [id for id in ids if id not in found]
        if unknown:
            raise self._unknown(unknown[0])
        return self._catalog.vectors(np.array([found[id] for id in ids], np.int64))
