"""`Fitted`: fits of a collection are made, named and kept."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog import DURABLE, Writing
from skylike.service.clusters import ClusterFit, Method
from skylike.service.collection.changing import Changing
from skylike.service.collection.fitting import CLUSTERS, fit
from skylike.service.collection.laying import require_layout
from skylike.service.collection.naming import (
    Heritage,
    renamed,
    renamed_meanwhile,
    settings_of,
)
from skylike.service.collection.portraits import PORTRAITS, Portraits
from skylike.service.collection.vectors import checked
from skylike.service.collection.view import gather
from skylike.service.progress import Shown, Watched


class Fitted(Changing):
    """Fits a collection, and remembers how."""

    _can_be_told: dict[int, bool]

    def fit(
        self,
        *,
        calibration: NDArray[np.float32] | None = None,
        method: Method | None = None,
        number: int | None = None,
        seed: int | None = None,
        after: "Fitted | None" = None,
        layouts: Sequence[str] = (),
        shown: Watched = Shown.NOT,
    ) -> int:
        """Find the clusters of all searchable objects, and what scores are usual.

        Both fits are stored together, with where each object stands in them, and
        answer from then on. Reading and adding go on meanwhile; objects added
        meanwhile are not part of the fits.

        Parameters
        ----------
        calibration : (m, dimension) float32, unit norm
            Vectors of ordinary objects that are neither in the collection nor
            among those the model was trained on. By default those of the last fit,
            less what was added since. Without any there are no p-values.
        method
            How to find clusters; by default as the last fit did.
        number
            Of clusters, 0 to have it chosen; by default as the last fit did, if that
            was by the same method.
        seed
            Of the random numbers, by default as in the last fit: with another one
            clusters are found from nothing. Same objects, same seed, same fit before,
            same fits.
        after
            Another collection of the same objects, whose fit then is the last one for the
            method, the number and the seed; clusters that live on have its labels and
            names.
        layouts
            Maps to make beside that of the principal components, which every fit
            makes: `LAYOUTS`. One that is not made stays as it is.
        shown
            Where to show how far it is.

        Returns
        -------
        version
            The collection's new version.

        Raises
        ------
        NotReady
            If there are fewer than two searchable objects (``too_few_objects``), or as
            `clusters.fit`; ``not_installed`` if a layout needs what is not there.
        BadRequest
            ``bad_layout`` if there can be no such layout.
        BadRequest
            ``bad_fit`` if clusters cannot be found so.
        BadRequest
            If a calibration vector is in the collection
            (``calibration_in_archive``), or as `add`.
        """
        if calibration is not None:
            calibration = checked(calibration, self.dimension)
        for name in layouts:
            require_layout(name)
        last = self.clusters if after is None else after.clusters
        settings = settings_of(last, method, number, seed)
        heritage = None if after is None else after.heritage()
        found = fit(
            self._view,
            self._catalog,
            self._shelf.directory,
            calibration,
            settings,
            heritage,
            layouts,
            shown,
        )
        with self._changing():
            self._view = found.kept(self._catalog.fits, self._view)
            self._ranks.forget()
            version = self._view.version
        found.stages.clear()
        return version

    def rename_cluster(self, label: int, name: str, how: Writing = DURABLE) -> None:
        """Give a name to a cluster of the newest fit, which it keeps in later ones.

        Raises
        ------
        NotReady
            ``not_fitted`` before the first fit.
        NotFound
            ``unknown_cluster`` if there is none of this label.
        BadRequest
            ``bad_cluster_name`` unless the name is 1 to 200 printable characters that
            no other cluster has or may have.
        """
        with self._changing():
            self._catalog.requests.require_new(how)
            found = renamed(self._view.clusters, self.name, label, name)
            version = self._catalog.fits.rewrite(
                CLUSTERS, found.version, found.to_arrays(), how
            )
            self._view = replace(self._view, version=version, clusters=found)

    def take_over_names(self, other: "Fitted") -> None:
        """Have the names of those clusters that have labels of another collection.

        The newest fit was made after the newest of that one.
        """
        mine, theirs = self.clusters, other.clusters
        if mine is None or theirs is None:
            return
        found = renamed_meanwhile(mine, theirs.name_of)
        if found.names == mine.names:
            return
        with self._changing():
            version = self._catalog.fits.rewrite(
                CLUSTERS, found.version, found.to_arrays()
            )
            self._view = replace(self._view, version=version, clusters=found)

    def heritage(self) -> Heritage | None:
        """The newest clusters with their members, None before the first `fit`."""
        view = self._view
        if view.clusters is None:
            return None
        rows, vectors = gather(source for _, source in view.sources())
        labels = view.clusters.members(vectors).labels.tolist()
        return Heritage(view.clusters, dict(zip(view.ids(rows), labels, strict=True)))

    def clusters_of(self, version: int) -> ClusterFit | None:
        """The clusters of a fit, None if it is not kept; `DamagedData` if it is bad."""
        newest = self._view.clusters
        if newest is not None and newest.version == version:
            return newest
        arrays = self._catalog.fits.of(CLUSTERS, version)
        return None if arrays is None else ClusterFit.from_arrays(version, arrays)

    def portraits(self, version: int) -> Portraits | None:
        """What clusters of a fit look like, None if it is not kept; raises as above."""
        arrays = self._catalog.fits.of(PORTRAITS, version)
        return None if arrays is None else Portraits.from_arrays(arrays)

    @property
    def fit_versions(self) -> list[int]:
        """The fits that can be told, ascending: kept, and in the format of today."""
        versions = self._catalog.fits.versions(CLUSTERS)
        for version in versions:
            if version not in self._can_be_told:
                self._can_be_told[version] = self.clusters_of(version) is not None
        return [version for version in versions if self._can_be_told[version]]
