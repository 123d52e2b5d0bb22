"""`Collection`: objects of one model that can be added, got, searched and fitted.

The catalog is the truth; segments and the tail of newest rows are derived from
it. Readers work on a `View`, replaced as a whole after every write: a search
sees all of a write or none of it, and waits for nothing.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import structlog
from numpy.typing import NDArray

from skylike.service.anomaly import AnomalyFit
from skylike.service.catalog import Catalog, SkyObject
from skylike.service.clusters import ClusterFit
from skylike.service.collection.fitting import fit
from skylike.service.collection.vectors import checked
from skylike.service.collection.view import View
from skylike.service.errors import BadRequest, DamagedData, UnknownId
from skylike.service.index import Kind, Nearest, Segment, Shelf, Tail, nearest

MAX_K = 1000

_CATALOG = "catalog.sqlite3"
_TAIL_LIMIT = 10_000  # rows; beyond, they are sealed into a segment

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scored:
    """An object, its cosine to the query, -1 to 1, and its catalog row."""

    object: SkyObject
    score: float
    row: int


class Collection:
    """A collection in a directory. Safe from any thread; writes wait in line.

    One process may have it open: the library's lock sees to that.

    Parameters
    ----------
    directory
        What `create` made; its name is the collection's name.

    Attributes
    ----------
    name
        Its name.
    model_id
        The model all its vectors are made by.
    dimension
        Length of its vectors.

    Raises
    ------
    DamagedData
        If the catalog is missing, damaged, or lacks rows that its segments have.
        Damaged segments are built anew.
    """

    def __init__(self, directory: Path) -> None:
        self.name = directory.name
        self._shelf = Shelf(directory)
        self._writing = threading.Lock()
        self._catalog = Catalog(directory / _CATALOG)
        try:
            self.model_id = self._catalog.model_id
            self.dimension = self._catalog.dimension
            self._view = self._load()
        except BaseException:
            self._catalog.close()
            raise

    @classmethod
    def create(cls, directory: Path, model_id: str, dimension: int) -> None:
        """Make an empty collection in `directory`, which exists and is empty."""
        Catalog.create(directory / _CATALOG, model_id, dimension)
        Shelf(directory).publish((), last_row=0)

    @property
    def version(self) -> int:
        """Number of committed writes."""
        return self._view.version

    @property
    def clusters(self) -> ClusterFit | None:
        """The newest clusters, None before the first `fit`."""
        return self._view.clusters

    @property
    def anomaly(self) -> AnomalyFit | None:
        """The newest anomaly scores, None before the first `fit`."""
        return self._view.anomaly

    def __len__(self) -> int:
        return self._view.num_objects

    def add(self, objects: Sequence[SkyObject], vectors: NDArray[np.float32]) -> int:
        """Store objects with their vectors: all of them durably, or none.

        Parameters
        ----------
        objects
            With ids that are new.
        vectors : (n, dimension) float32, unit norm
            In the order of `objects`.

        Returns
        -------
        version
            The collection's new version.

        Raises
        ------
        AlreadyExists
            If an id is taken.
        BadRequest
            If an id comes twice (``duplicate_id``), the numbers of objects and
            vectors differ, or a vector is not finite (``not_finite``) or not of
            unit norm within 0.001 (``not_unit``).
        ModelMismatch
            If the vectors have another length (``dimension``).
        """
        vectors = checked(vectors, self.dimension)
        if len(objects) != len(vectors):
            raise BadRequest(
                f"{len(objects)} objects came with {len(vectors)} vectors."
            )
        ids = {sky_object.id for sky_object in objects}
        if len(ids) < len(objects):
            raise BadRequest(
                f"{len(objects)} objects came with {len(ids)} different ids.",
                reason="duplicate_id",
            )
        with self._writing:
            if not objects:
                return self.version
            written = self._catalog.add(objects, vectors)
            version = written.version
            try:
                self._view = self._view.grown(version, objects, written.rows, vectors)
            except BaseException:
                # The rows are durable; a view without them would be sealed as whole.
                self._view = self._load()
                raise
            if len(self._view.tail.rows) > _TAIL_LIMIT:
                self._view = self._sealed_if_possible(self._view)
        return version

    def get(self, id: str) -> SkyObject:
        """The object of an id, with its thumbnail.

        Raises
        ------
        UnknownId
            If there is none.
        DamagedData
            If it is not as it was written.
        """
        row = self._row(id)
        found = self._catalog.objects([row], thumbnails=True).get(row)
        if found is None or found.id != id:
            raise DamagedData(f"The catalog is damaged: its index misplaces {id!r}.")
        return found

    def vector(self, id: str) -> NDArray[np.float32]:
        """The vector of an id, (dimension,) float32; raises as `get`."""
        return self._catalog.vector(self._row(id))

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of `ids` that exist."""
        return set(self._catalog.rows(ids))

    def known_uris(self, uris: Iterable[str]) -> set[str]:
        """Those of `uris` that an object of the collection was made from."""
        return self._catalog.uris(uris)

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        exclude: Sequence[str | None] | None = None,
        thumbnails: bool = False,
    ) -> list[list[Scored]]:
        """The k most alike objects of each query.

        Objects flagged CONSTANT are never found.

        Parameters
        ----------
        vectors : (n, dimension) float32, unit norm
        k
            1 to 1000.
        exclude
            Per query an id it shall not find, or None.
        thumbnails
            Whether the objects carry their thumbnails.

        Returns
        -------
        hits
            Per query as many as there are, at most k; by falling score, equal
            scores by id.

        Raises
        ------
        BadRequest
            If k is out of range (``bad_k``), or as `add`.
        ModelMismatch
            As `add`.
        DamagedData
            If an object is not as it was written.
        """
        queries = checked(vectors, self.dimension)
        if not 1 <= k <= MAX_K:
            raise BadRequest(f"k is {k}; 1 to {MAX_K} are allowed.", reason="bad_k")
        found = nearest(
            self._view.blocks, queries, k, self._excluded_rows(exclude, len(queries))
        )
        chosen = [self._cut(answer, k) for answer in found]
        rows = {row for answer in chosen for row in answer}
        objects = self._catalog.objects(rows, thumbnails)
        if len(objects) < len(rows):
            raise DamagedData(
                f"The catalog of {self.name!r} lacks {len(rows) - len(objects)} objects "
                "that its segments have. Restore it from a backup."
            )
        return [
            sorted(
                (Scored(objects[row], score, row) for row, score in answer.items()),
                key=lambda hit: (-hit.score, hit.object.id),
            )
            for answer in chosen
        ]

    def compact(self, kind: Kind | None = None) -> None:
        """Seal the newest rows into a segment, together with smaller segments.

        Happens by itself as the collection grows. Searches go on meanwhile.

        Parameters
        ----------
        kind
            How the new segment searches; by default what suits its size.
        """
        with self._writing:
            self._catalog.check_open()
            self._view = self._sealed(self._view, kind)

    def fit(
        self, *, calibration: NDArray[np.float32] | None = None, seed: int = 0
    ) -> int:
        """Find the clusters of all searchable objects, and what scores are usual.

        Both fits are stored together and answer from then on. Reading and adding
        go on meanwhile; objects added meanwhile are not part of the fits.

        Parameters
        ----------
        calibration : (m, dimension) float32, unit norm
            Vectors of ordinary objects that are neither in the collection nor
            among those the model was trained on. By default those of the last fit,
            less what was added since. Without any there are no p-values.
        seed
            Same objects, same seed, same fits.

        Returns
        -------
        version
            The collection's new version.

        Raises
        ------
        NotReady
            If there are fewer than two searchable objects (``too_few_objects``).
        BadRequest
            If a calibration vector is in the collection
            (``calibration_in_archive``), or as `add`.
        """
        if calibration is not None:
            calibration = checked(calibration, self.dimension)
        cluster_fit, anomaly_fit = fit(self._view, self._catalog.ids, calibration, seed)
        with self._writing:
            version, fit_version = self._catalog.fits.save(
                {
                    "clusters": cluster_fit.to_arrays(),
                    "anomaly": anomaly_fit.to_arrays(),
                }
            )
            self._view = replace(
                self._view,
                version=version,
                clusters=replace(cluster_fit, version=fit_version),
                anomaly=replace(anomaly_fit, version=fit_version),
            )
        return version

    def close(self) -> None:
        """Close the files. Nothing can be asked afterwards."""
        with self._writing:
            self._catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> View:
        """The view at opening, from the segments and the rows they do not cover."""
        state = self._catalog.state()
        last_row = state.last_row
        segments: tuple[Segment, ...]
        try:
            segments, covered = self._shelf.read()
            is_whole = True
        except DamagedData as error:
            _log.warning("rebuilding_segments", collection=self.name, reason=str(error))
            segments, covered, is_whole = (), 0, False
        if covered > last_row:
            raise DamagedData(
                f"The catalog of {self.name!r} ends at row {last_row}, its segments "
                f"reach row {covered}: the catalog has lost writes. Restore it from a "
                "backup; or delete manifest.json to accept the loss."
            )
        cluster_fit = self._catalog.fits.latest("clusters")
        anomaly_fit = self._catalog.fits.latest("anomaly")
        view = View(
            version=state.version,
            num_objects=state.num_objects,
            last_row=last_row,
            segments=segments,
            tail=Tail.of(self._catalog.searchable(after_row=covered), self.dimension),
            clusters=cluster_fit and ClusterFit.from_arrays(*cluster_fit),
            anomaly=anomaly_fit and AnomalyFit.from_arrays(*anomaly_fit),
        )
        if is_whole and len(view.tail.rows) <= _TAIL_LIMIT:
            return view
        return self._sealed_if_possible(view)

    def _sealed_if_possible(self, view: View) -> View:
        try:
            return self._sealed(view)
        except (OSError, RuntimeError, MemoryError):
            # Everything is durable and searchable; only speed is lost.
            _log.exception("compaction_failed", collection=self.name)
            return view

    def _sealed(self, view: View, kind: Kind | None = None) -> View:
        view = view.sealed(kind)
        self._shelf.publish(view.segments, view.last_row)
        return view

    def _row(self, id: str) -> int:
        row = self._catalog.rows([id]).get(id)
        if row is None:
            raise UnknownId(f"{self.name!r} has no object {id!r}.")
        return row

    def _excluded_rows(
        self, exclude: Sequence[str | None] | None, num_queries: int
    ) -> NDArray[np.int64]:
        """The row each query does not want, -1 where it wants all."""
        if exclude is None:
            return np.full(num_queries, -1, np.int64)
        if len(exclude) != num_queries:
            raise BadRequest(f"{num_queries} queries exclude {len(exclude)} ids.")
        rows = self._catalog.rows({id for id in exclude if id is not None})
        return np.array([rows.get(id or "", -1) for id in exclude], np.int64)

    def _cut(self, found: Nearest, k: int) -> dict[int, float]:
        """The scores of k rows: of those that tie for the last place, by id."""
        scores = dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True))
        if len(scores) <= k:
            return scores
        lowest = found.scores[-1]
        tied = found.rows[found.scores == lowest]
        above = len(scores) - len(tied)
        chosen = self._catalog.first_by_id(tied.tolist(), k - above)
        return dict.fromkeys(chosen, float(lowest)) | {
            row: scores[row] for row in found.rows[:above].tolist()
        }
