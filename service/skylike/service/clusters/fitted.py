"""`ClusterFit`: the clusters of an archive, and what new objects are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.clusters.cores import Cores
from skylike.service.clusters.gaussians import Gaussians
from skylike.service.errors import BadRequest

Method = Literal["full-mixture", "mixture", "kmeans", "hdbscan"]
METHODS: tuple[Method, ...] = ("full-mixture", "mixture", "kmeans", "hdbscan")

NOWHERE = -1
"""The label of what is in no cluster."""

MOST_CLUSTERS = 256

_Model: TypeAlias = Gaussians | Cores

_FORMAT = 1  # of stored fits; raised when what is kept, or what it means, changes
_CHUNK = 1 << 11  # objects assigned at a time


@dataclass(frozen=True, slots=True)
class Settings:
    """How clusters are found.

    Attributes
    ----------
    method
        ``full-mixture``: Gaussians of any covariance; ``mixture``: of diagonal ones;
        ``kmeans``: round ones; ``hdbscan``: crowds of any shape.
    number
        Of clusters; 0: chosen, see `number`.
    seed
        Of the random numbers: same vectors, same settings, same clusters.

    Raises
    ------
    BadRequest
        ``bad_fit`` if the method is none of these, or the number cannot be asked for.
    """

    method: Method = "full-mixture"
    number: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadRequest(
                f"{self.method!r} is no method to find clusters: there are "
                f"{', '.join(METHODS)}",
                reason="bad_fit",
            )
        if not 0 <= self.number <= MOST_CLUSTERS:
            raise BadRequest(
                f"{self.number} clusters cannot be asked for: give 1 to "
                f"{MOST_CLUSTERS}, or 0 to have the number chosen",
                reason="bad_fit",
            )
        if self.method == "hdbscan" and self.number:
            raise BadRequest(
                "hdbscan finds itself how many clusters there are: leave out the number",
                reason="bad_fit",
            )


class Membership(NamedTuple):
    """The cluster of each of n objects.

    Attributes
    ----------
    labels : (n,) int32
        The most probable one; `NOWHERE` where that of none is above one half.
    probabilities : (n,) float64
        Its probability.
    similarities : (n,) float64
        Cosine to its centre, or to that of the cluster that would be the most probable;
        0 if that is the origin.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    similarities: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClusterFit:
    """The clusters by falling size.

    Attributes
    ----------
    version
        Number of the fit, growing with every refit of the collection.
    settings
        How it was made.
    stability
        How well two halves of some of the archive agree about as many clusters by this
        method, at most 1; NaN where there are too few objects.
    model
        What new objects are compared with.
    labels : (k,) int32
        Number of each cluster: kept from fit to fit, and never given twice.
    next_label
        The lowest that no cluster has had.
    weights : (k,) float64
        Share of all objects: mean of their probabilities.
    centres : (k, dimension) float64
        Means of the members, of unit length.
    sizes
        How many objects are of each cluster.
    num_objects
        How many there were, in a cluster or in none.
    num_begun
        How many there were when clusters were last looked for anew.
    exemplar_ids
        Per cluster the ids of its members nearest to its centre, nearest first.
    names
        Per cluster its name.
    """

    version: int
    settings: Settings
    stability: float
    model: _Model
    labels: NDArray[np.int32]
    next_label: int
    weights: NDArray[np.float64]
    centres: NDArray[np.float64]
    sizes: tuple[int, ...]
    num_objects: int
    num_begun: int
    exemplar_ids: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]

    @property
    def num_outside(self) -> int:
        """How many objects are in no cluster."""
        return self.num_objects - sum(self.sizes)

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """The share of each cluster, and of none, in each vector.

        Parameters
        ----------
        vectors : (n, dimension) float32, unit norm

        Returns
        -------
        probabilities : (n, k + 1) float64
            Each row sums to 1; the last column is that of no cluster.
        """
        return self.model.shares(self.model.space.place(vectors))

    def members(self, vectors: NDArray[np.float32]) -> Membership:
        """Where each of any number of objects belongs: (n, dimension), as above."""
        found = Membership(
            np.empty(len(vectors), np.int32),
            np.empty(len(vectors)),
            np.empty(len(vectors)),
        )
        for start in range(0, len(vectors), _CHUNK):
            caller.check()
            part = slice(start, start + _CHUNK)
            places, found.probabilities[part] = judged(
                self.probabilities(vectors[part])
            )
            nearest = places ^ (places >> 31)  # of those in none: which it would be
            found.labels[part] = np.where(places < 0, NOWHERE, self.labels[nearest])
            found.similarities[part] = np.vecdot(vectors[part], self.centres[nearest])
        return found

    @property
    def name_of(self) -> dict[int, str]:
        """The name of each label."""
        return dict(zip(self.labels.tolist(), self.names, strict=True))

    def named(self, names: Mapping[int, str]) -> Self:
        """The same with other names for some labels."""
        told = {**self.name_of, **names}
        return replace(self, names=tuple(told[label] for label in self.labels.tolist()))

    def place(self, label: int) -> int | None:
        """Where a label stands among the clusters; None if there is none."""
        [places] = np.nonzero(self.labels == label)
        return int(places[0]) if len(places) else None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything but the version, for storage."""
        flat_ids = [id for ids in self.exemplar_ids for id in ids]
        return self.model.to_arrays() | {
            "format": np.array(_FORMAT),
            "method": np.array(self.settings.method),
            "number": np.array(self.settings.number),
            "seed": np.array(self.settings.seed, np.uint64),
            "stability": np.array(self.stability),
            "labels": self.labels,
            "next_label": np.array(self.next_label),
            "weights": self.weights,
            "centres": self.centres,
            "sizes": np.array(self.sizes, np.int64),
            "num_objects": np.array(self.num_objects),
            "num_begun": np.array(self.num_begun),
            "exemplar_ids": np.array(flat_ids, np.str_),
            "num_exemplars": np.array([len(ids) for ids in self.exemplar_ids]),
            "names": np.array(self.names, np.str_),
        }

    @classmethod
    def from_arrays(
        cls, version: int, arrays: Mapping[str, NDArray[Any]]
    ) -> Self | None:
        """The fit of `to_arrays`; None of one in another format."""
        if arrays.get("format") != _FORMAT:
            return None
        kind = Cores if "cores" in arrays else Gaussians
        ends = np.cumsum(arrays["num_exemplars"])[:-1]
        return cls(
            version=version,
            settings=Settings(
                arrays["method"].item(), int(arrays["number"]), int(arrays["seed"])
            ),
            stability=float(arrays["stability"]),
            model=kind.from_arrays(arrays),
            labels=arrays["labels"],
            next_label=int(arrays["next_label"]),
            weights=arrays["weights"],
            centres=arrays["centres"],
            sizes=tuple(arrays["sizes"].tolist()),
            num_objects=int(arrays["num_objects"]),
            num_begun=int(arrays["num_begun"]),
            exemplar_ids=tuple(
                tuple(ids.tolist()) for ids in np.split(arrays["exemplar_ids"], ends)
            ),
            names=tuple(arrays["names"].tolist()),
        )


def judged(
    shares: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The cluster of each object by its shares (n, k + 1), and its probability.

    Places among the clusters; of an object that is in none the complement ``~place`` of
    that which would be the most probable, which is negative.
    """
    outside = shares[:, -1] > 0.5
    places = shares[:, :-1].argmax(axis=1).astype(np.int32)
    probabilities = np.where(
        outside, shares[:, -1], shares[np.arange(len(shares)), places]
    )
    return np.where(outside, ~places, places), probabilities
