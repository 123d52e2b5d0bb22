"""`Reading`: what can be asked of a collection."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly import AnomalyFit
from skylike.service.catalog import SkyObject, Writing
from skylike.service.clusters import ClusterFit
from skylike.service.collection.calibrated import (
    ALIKE_COSINE,
    Calibrated,
    NewestFits,
)
from skylike.service.collection.listing import Listing
from skylike.service.collection.search import Found, How, Scored, search
from skylike.service.collection.segment import Segment
from skylike.service.collection.vectors import checked
from skylike.service.errors import BadRequest, DamagedData, UnknownId
from skylike.service.index import Kind

_Read = TypeVar("_Read")


class Reading(Listing):
    """Answers from a catalog and the newest view of it. Waits for nothing.

    Attributes
    ----------
    name
        Of the collection.
    model_id
        The model all its vectors are made by.
    dimension
        Length of its vectors.
    """

    name: str
    model_id: str
    dimension: int
    _calibrated: Calibrated

    @property
    def version(self) -> int:
        """Number of committed writes."""
        return self._view.version

    @property
    def basis(self) -> tuple[int, int]:
        """Changes with objects and fits, and with no rating or name."""
        return self._view.basis

    @property
    def clusters(self) -> ClusterFit | None:
        """The newest clusters, None before the first `fit`."""
        return self._view.clusters

    @property
    def anomaly(self) -> AnomalyFit | None:
        """The newest anomaly scores, None before the first `fit`."""
        return self._view.anomaly

    @property
    def newest_fits(self) -> NewestFits:
        """The newest fits, of one state of the collection."""
        view = self._view
        return NewestFits(view.clusters, self._calibrated.of(view))

    @property
    def is_fitted(self) -> bool:
        """Whether the newest fit is of the very objects that can be searched now."""
        view = self._view
        return (
            view.anomaly is not None
            and self.ranks() is not None
            and np.array_equal(view.anomaly.crowd.rows, view.searchable_rows())
        )

    @property
    def last_row(self) -> int:
        """The highest row there is, or was."""
        return self._view.last_row

    def check(self) -> None:
        """Read a little of the truth anew; `DamagedData` or `StorageFailed` if bad."""
        self._catalog.glance()

    def require_new(self, how: Writing) -> None:
        """See whether a write is to be done, before anything is done for it.

        Raises
        ------
        AlreadyDone
            If it was done.
        BadRequest
            ``request_id_reused`` if another one of its name was done.
        """
        self._catalog.requests.require_new(how)

    @property
    def kinds(self) -> list[tuple[Kind, int]]:
        """How each segment searches, and how many vectors it has; the newest are none."""
        indexes = [part.block.index for part in self._view.segments]
        return [(one.kind, len(one)) for one in indexes if one is not None]

    @property
    def rounded(self) -> list[tuple[int, int]]:
        """The rows, from behind one up to another, whose vectors are kept in float16."""
        blocks = [part.block for part in self._view.segments]
        return [
            (one.after_row, one.last_row)
            for one in blocks
            if isinstance(one, Segment)
            and one.index is not None
            and one.index.kind is Kind.IVF
        ]

    def get(self, id: str) -> SkyObject:
        """The object of an id, with its thumbnail.

        Raises
        ------
        UnknownId
            If there is none.
        DamagedData
            If it is not as it was written.
        """

        def read() -> SkyObject:
            row = self._row(id)
            found = self._catalog.objects([row], thumbnails=True).get(row)
            if found is None or found.id != id:
                raise DamagedData(
                    f"The catalog is damaged: its index misplaces {id!r}."
                )
            return found

        return self._settled(read)

    def objects(self, ids: Iterable[str]) -> dict[str, SkyObject]:
        """Those of `ids` that exist, without thumbnails; raises as `get`."""
        found = self._catalog.objects(self._catalog.rows(ids).values())
        return {one.id: one for one in found.values()}

    def vector(self, id: str) -> NDArray[np.float32]:
        """The vector of an id, (dimension,) float32; raises as `get`."""
        return self._settled(lambda: self._catalog.vector(self._row(id)))

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of `ids` that exist."""
        return set(self._catalog.rows(ids))

    def made_from(self, uris: Iterable[str]) -> dict[str, list[SkyObject]]:
        """The objects that were made from each of `uris`, without thumbnails.

        Raises
        ------
        DamagedData
            If one of them is not as it was written.
        """
        found: dict[str, list[SkyObject]] = {}
        objects = self._catalog.objects(self._catalog.rows_from(uris))
        for one in objects.values():
            found.setdefault(one.uri or "", []).append(one)
        return found

    def nearest(
        self,
        vectors: NDArray[np.float32],
        k: int,
        *,
        exclude: Sequence[str | None] | None = None,
        **how: Unpack[How],
    ) -> list[list[Found]]:
        """Ids and scores of the k objects that are most like each query.

        Objects flagged CONSTANT are never found. SQLite is not asked.

        Parameters
        ----------
        vectors : (n, dimension) float32, unit norm
        k
            1 to 1000.
        exclude
            Per query an id it shall not find, or None.
        **how
            As `How` says.

        Returns
        -------
        found
            Per query as many as there are, at most k; by falling score (rising, if the
            least similar are wanted), equal scores by id.

        Raises
        ------
        BadRequest
            If k (``bad_k``), the effort or the filter (``bad_filter``) is out of
            range, if no object has an attribute of the filter (``unknown_attribute``),
            or if a vector is not finite (``not_finite``) or not of unit norm within
            0.001 (``not_unit``).
        ModelMismatch
            If the vectors have another length (``dimension``).
        """
        queries = checked(vectors, self.dimension)
        rows = self._excluded_rows(exclude, len(queries))
        return search(self._view, queries, k, rows, **how)

    def exactly(
        self, vector: NDArray[np.float32], found: Sequence[Found]
    ) -> list[Found]:
        """What was found, with the exact cosines of what may be the query itself.

        Where vectors are searched in float16 an object is not quite like itself. Raises
        as `get`.
        """
        if all(kind is not Kind.IVF for kind, _ in self.kinds):
            return list(found)
        alike = [one.row for one in found if one.score > ALIKE_COSINE]
        rows, vectors = self._catalog.vectors_there(np.array(alike, np.int64))
        cosines = np.minimum(1.0, vectors.astype(np.float64) @ vector)
        exact = dict(zip(rows.tolist(), cosines.tolist(), strict=True))
        told = [one._replace(score=exact.get(one.row, one.score)) for one in found]
        return sorted(told, key=lambda one: (-one.score, one.id))

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        exclude: Sequence[str | None] | None = None,
        thumbnails: bool = False,
        **how: Unpack[How],
    ) -> list[list[Scored]]:
        """As `nearest`, with the objects.

        Raises
        ------
        DamagedData
            If an object is not as it was written.
        """
        found = self.search_beyond(vectors, k, k, exclude, thumbnails, **how)
        return [hits for hits, _ in found]

    def search_beyond(
        self,
        vectors: NDArray[np.float32],
        k: int,
        reach: int,
        exclude: Sequence[str | None] | None = None,
        thumbnails: bool = False,
        **how: Unpack[How],
    ) -> list[tuple[list[Scored], list[Found]]]:
        """The `reach` nearest of each query, and the first k of them with their objects.

        Reading an object costs far more than finding it. Raises as `search`.
        """
        while True:
            view = self._view
            found = self.nearest(vectors, reach, exclude=exclude, **how)
            rows = {hit.row for answer in found for hit in answer[:k]}
            objects = self._catalog.objects(rows, thumbnails) if rows else {}
            if len(objects) == len(rows):
                return [
                    (
                        [Scored(objects[hit.row], hit.score) for hit in answer[:k]],
                        answer,
                    )
                    for answer in found
                ]
            is_current = self._catalog.state().version == view.version
            if is_current and self._view is view:
                raise DamagedData(
                    f"The catalog of {self.name!r} lacks {len(rows) - len(objects)} "
                    "objects that its segments have. Restore it from a backup."
                )
            # Something was deleted or replaced in between: ask again.

    def _settled(self, read: Callable[[], _Read]) -> _Read:
        """What is read in several steps; once more if something was written between."""
        last = None
        while True:
            try:
                return read()
            except DamagedData:
                version = self._catalog.state().version
                if version == last:
                    raise
                last = version

    def _row(self, id: str) -> int:
        row = self._catalog.rows([id]).get(id)
        if row is None:
            raise self._unknown(id)
        return row

    def _unknown(self, id: str) -> UnknownId:
        return UnknownId(f"{self.name!r} has no object {id!r}.")

    def _excluded_rows(
        self, exclude: Sequence[str | None] | None, num_queries: int
    ) -> NDArray[np.int64] | None:
        """The row each query does not want, -1 where it wants all; None if all do."""
        if exclude is None:
            return None
        if len(exclude) != num_queries:
            raise BadRequest(f"{num_queries} queries exclude {len(exclude)} ids.")
        rows = self._catalog.rows({id for id in exclude if id is not None})
        return np.array([rows.get(id or "", -1) for id in exclude], np.int64)
