"""The clusters that fits have found, and what people call them."""

import itertools

import numpy as np

from skylike.service.collection import DURABLE, Collection, Writing
from skylike.service.engine.keeping import Keeping, context_of
from skylike.service.engine.types import ClusterInfo, Clusters, Context, Renamed
from skylike.service.errors import AlreadyDone, NotFound


class Kinds(Keeping):
    """Lists clusters and names them."""

    def clusters(
        self, collection: str, version: int = 0, *, portraits: bool = False
    ) -> Clusters:
        """The clusters of a fit, by default the newest, with their portraits if wanted.

        Raises
        ------
        NotFound
            ``unknown_fit`` if the collection does not keep the fit.
        """
        with self._archive(collection) as archive:
            versions = tuple(archive.fit_versions)
            fit = archive.clusters_of(version) if version else archive.clusters
            if fit is None and version:
                raise _unknown_fit(archive, version, versions)
            if fit is None:
                return Clusters(context_of(archive), 0, ())
            shown = archive.portraits(fit.version) if portraits else None
            found = tuple(
                ClusterInfo(label, name, size, weight, ids, portrait)
                for label, name, size, weight, ids, portrait in zip(
                    fit.labels.tolist(),
                    fit.names,
                    fit.sizes,
                    fit.weights.tolist(),
                    fit.exemplar_ids,
                    shown or itertools.repeat(None, len(fit.names)),
                    strict=True,
                )
            )
            return Clusters(
                context_of(archive),
                fit.version,
                found,
                fit.settings,
                None if np.isnan(fit.stability) else fit.stability,
                fit.num_objects,
                fit.num_outside,
                versions,
            )

    def rename_cluster(
        self, collection: str, label: int, name: str, how: Writing = DURABLE
    ) -> Renamed:
        """Give a cluster of the newest fit a name; see `Collection.rename_cluster`."""
        with self._archive(collection, writes=True) as archive:
            try:
                archive.rename_cluster(label, name, how)
            except AlreadyDone as done:
                then = Context(archive.name, done.version, archive.model_id)
                return Renamed(then, was_done=True)
            return Renamed(context_of(archive))


def _unknown_fit(
    archive: Collection, version: int, versions: tuple[int, ...]
) -> NotFound:
    kept = ", ".join(map(str, versions)) or "none"
    return NotFound(
        f"fit {version} of {archive.name!r} is not kept, or only as another skylike wrote "
        f"it; those that can be told: {kept}",
        reason="unknown_fit",
    )
