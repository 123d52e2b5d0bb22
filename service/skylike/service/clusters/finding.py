"""Find the clusters of an archive: in a sample, then assign all objects to them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.clusters import methods
from skylike.service.clusters.cores import Cores
from skylike.service.clusters.fitted import (
    NOWHERE,
    ClusterFit,
    Membership,
    Settings,
    judged,
)
from skylike.service.clusters.matching import matched
from skylike.service.clusters.methods import Model
from skylike.service.clusters.remembering import remembered
from skylike.service.clusters.stability import agreements
from skylike.service.clusters.succession import succeeded
from skylike.service.progress import Progress, Shown, Watched

NUM_EXEMPLARS = 5

_SAMPLE = 20_000  # objects that are fitted; the others are only assigned
_HALVED = 5_000  # of them that tell the stability
_CHUNK = 1 << 11


class Kinds(NamedTuple):
    """The clusters of an archive, with version 0, and the cluster of each object."""

    fit: ClusterFit
    membership: Membership


def fit(
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    id_of: Callable[[int], str],
    settings: Settings | None = None,
    before: ClusterFit | None = None,
    earlier: Sequence[ClusterFit] = (),
    shown: Watched = Shown.NOT,
) -> Kinds:
    """Find the clusters of an archive.

    Fewer than 20 objects, and equal ones, are one cluster, unless more are asked for.

    Parameters
    ----------
    vectors : (n, dimension) float32, unit norm
        n >= 2.
    rows : (n,) int64
        A number of each, which it keeps: they say which are in the sample, so that most
        are in the next one too.
    id_of
        The id of one, by its position.
    settings
        How; by default as measured to be the best.
    before
        The fit before. Made in the same way, it is where this one begins, and tells how
        many clusters there are, see `succession`. Clusters that live on keep their labels
        and names.
    earlier
        Those before that, the newest first: clusters that one of them had, and none since,
        are called as they were when they are found again.
    shown
        Where to show how far it is.

    Raises
    ------
    NotReady
        ``too_few_objects`` if more clusters are asked for than there are different
        objects.
    """
    settings = settings or Settings()
    of_sample = _sample(rows, settings.seed)
    sample = vectors[of_sample]
    model, num_begun = succeeded(sample, len(vectors), settings, before, shown)
    stability = _stability(model, sample, settings)
    kinds = _described(
        model, stability, settings, num_begun, vectors, id_of, before, shown
    )
    if before is None:
        return kinds
    return Kinds(*remembered(*kinds, before, earlier, sample, of_sample))


def _sample(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Positions of the objects to be fitted, ascending: those of the lowest hashes."""
    if len(rows) <= _SAMPLE:
        return np.arange(len(rows))
    # splitmix64 (Steele, Lea & Flood 2014, OOPSLA, 453).
    with np.errstate(over="ignore"):
        key = rows.astype(np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return np.sort(np.argpartition(key, _SAMPLE)[:_SAMPLE])


def _stability(model: Model, sample: NDArray[np.float32], settings: Settings) -> float:
    """How well halves of some of a sample agree about as many clusters by this method."""
    count = 0 if isinstance(model, Cores) else len(model.weights)
    if count == 1:
        return 1.0  # as stable as can be, and says nothing
    random = np.random.default_rng(settings.seed)
    some = sample[random.permutation(len(sample))[:_HALVED]]
    if count > len(some) // 2:
        return np.nan
    placed = model.space.place(some)

    def labelled(part: NDArray[np.int64]) -> NDArray[np.int32]:
        half = methods.found(model.space, placed.at(part), settings, count or 1)
        return methods.places(half, placed)

    return float(agreements(len(some), settings.seed, labelled).mean())


class _Assigned(NamedTuple):
    """Shares of n objects in k clusters: places as of `judged`, and sums of all."""

    places: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    totals: NDArray[np.float64]
    sums: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many objects are of each cluster."""
        return np.bincount(self.places[self.places >= 0], minlength=len(self.totals))


def _assigned(model: Model, vectors: NDArray[np.float32], shown: Watched) -> _Assigned:
    places = np.empty(len(vectors), np.int32)
    probabilities = np.empty(len(vectors))
    totals, sums = np.zeros(0), np.zeros((0, vectors.shape[1]))
    with Progress("assigning", len(vectors), "object", shown) as progress:
        for start in range(0, len(vectors), _CHUNK):
            caller.check()
            part = slice(start, start + _CHUNK)
            shares = model.shares(model.space.place(vectors[part]))
            if not start:
                totals = np.zeros(shares.shape[1] - 1)
                sums = np.zeros((len(totals), vectors.shape[1]))
            places[part], probabilities[part] = judged(shares)
            totals += shares[:, :-1].sum(axis=0)
            inside = places[part] >= 0
            belongs = places[part][inside, None] == np.arange(len(totals))
            sums += belongs.T.astype(np.float64) @ vectors[part][inside]
            progress.advance(len(shares))
    return _Assigned(places, probabilities, totals, sums)


def _described(
    model: Model,
    stability: float,
    settings: Settings,
    num_begun: int,
    vectors: NDArray[np.float32],
    id_of: Callable[[int], str],
    before: ClusterFit | None,
    shown: Watched,
) -> Kinds:
    """Order the clusters by size, and give each its label, name and exemplars."""
    found = _assigned(model, vectors, shown)
    while not found.sizes.all():  # one that has no member is none
        model = model.taken(np.flatnonzero(found.sizes))
        found = _assigned(model, vectors, shown)
    inside = found.places >= 0
    sizes = found.sizes
    order = np.argsort(-sizes, kind="stable")
    ranks = np.full(len(sizes), NOWHERE)
    ranks[order] = np.arange(len(order))
    places = np.where(inside, ranks[found.places], NOWHERE)
    labels, names, next_label = _named(places, len(order), before, vectors)
    lengths = np.linalg.norm(found.sums[order], axis=1)
    centres = found.sums[order] / np.where(lengths > 0, lengths, 1.0)[:, None]
    nearest = ranks[found.places ^ (found.places >> 31)]
    similarities = np.empty(len(vectors))
    for start in range(0, len(vectors), _CHUNK):
        part = slice(start, start + _CHUNK)
        similarities[part] = np.vecdot(vectors[part], centres[nearest[part]])
    exemplars = []
    for rank in range(len(order)):
        members = np.flatnonzero(places == rank)
        closest = members[np.argsort(-similarities[members], kind="stable")]
        exemplars.append(tuple(map(id_of, closest[:NUM_EXEMPLARS].tolist())))
    return Kinds(
        ClusterFit(
            version=0,
            settings=settings,
            stability=stability,
            model=model.taken(order),
            labels=labels,
            next_label=next_label,
            weights=found.totals[order] / len(vectors),
            centres=centres,
            sizes=tuple(sizes[order].tolist()),
            num_objects=len(vectors),
            num_begun=num_begun,
            exemplar_ids=tuple(exemplars),
            names=names,
        ),
        Membership(
            np.where(inside, labels[places], NOWHERE).astype(np.int32),
            found.probabilities,
            similarities,
        ),
    )


def _named(
    places: NDArray[np.int64],
    number: int,
    before: ClusterFit | None,
    vectors: NDArray[np.float32],
) -> tuple[NDArray[np.int32], tuple[str, ...], int]:
    """Labels and names of clusters by falling size, and the next label."""
    lived: dict[int, int] = {}
    names: dict[int, str] = {}
    next_label = 0
    if before is not None:
        lived = matched(before.members(vectors).labels, places, before.labels, number)
        names = before.name_of
        next_label = before.next_label
    labels = []
    for place in range(number):
        if place in lived:
            labels.append(lived[place])
        else:
            labels.append(next_label)
            next_label += 1
    told = tuple(names.get(label, f"cluster {label}") for label in labels)
    return np.array(labels, np.int32), told, next_label
