"""Find the clusters of an archive: in a sample, then assign all objects to them."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.clusters import number
from skylike.service.clusters.cores import Cores, fit_cores
from skylike.service.clusters.fitted import (
    NOWHERE,
    ClusterFit,
    Membership,
    Settings,
    judged,
)
from skylike.service.clusters.gaussians import (
    Gaussians,
    Shape,
    fit_k_means,
    fit_mixture,
    mixture_of,
)
from skylike.service.clusters.matching import matched
from skylike.service.clusters.space import Placed, Space
from skylike.service.errors import NotReady
from skylike.service.progress import Progress, Shown, Watched

NUM_EXEMPLARS = 5

_SAMPLE = 20_000  # objects that are fitted; the others are only assigned
_GROWN = 1.5  # times as many or as few objects are another archive
_CHUNK = 1 << 11

_Model: TypeAlias = Gaussians | Cores


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
        many clusters there are, unless there are half as many objects again, or two
        thirds, as when clusters were last found from nothing. Clusters that live on keep
        their labels and names.
    shown
        Where to show how far it is.

    Raises
    ------
    NotReady
        ``too_few_objects`` if more clusters are asked for than there are different
        objects; ``no_clusters`` if hdbscan finds none.
    """
    settings = settings or Settings()
    chosen = _sample(rows, settings.seed)
    start = before if _goes_on(before, settings, len(vectors)) else None
    space = Space.of(vectors[chosen]) if start is None else start.model.space
    placed = space.place(vectors[chosen])
    model, stability = _model(space, placed, settings, start, shown)
    num_begun = len(vectors) if start is None else start.num_begun
    return _described(
        model, stability, settings, num_begun, vectors, id_of, before, shown
    )


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


def _goes_on(before: ClusterFit | None, settings: Settings, count: int) -> bool:
    return (
        before is not None
        and before.settings == settings
        and before.num_begun / _GROWN <= count <= before.num_begun * _GROWN
    )


def _model(
    space: Space,
    placed: Placed,
    settings: Settings,
    start: ClusterFit | None,
    shown: Watched,
) -> tuple[_Model, float]:
    """What new objects are compared with, and how stable its clusters are."""
    stability = np.nan if start is None else start.stability
    points = placed.points
    distinct = len(np.unique(points, axis=0))
    if settings.number > distinct:
        raise NotReady(
            f"{settings.number} clusters were asked for, and only {distinct} of the "
            "searchable objects differ: ask for fewer, or for 0 to have the number "
            "chosen.",
            reason="too_few_objects",
        )
    if settings.method == "hdbscan" and number.most(points) > 1:
        with Progress("finding crowds", len(points), "object", shown) as progress:
            known = start.model if start and isinstance(start.model, Cores) else None
            crowds = fit_cores(space, placed, settings.seed, known)
            progress.advance(len(points))
        if crowds is None:
            raise NotReady(
                "hdbscan finds no cluster among the objects: no part of the archive is "
                "denser than what is around it. Fit a mixture instead.",
                reason="no_clusters",
            )
        return crowds, stability
    begun = start.model if start and isinstance(start.model, Gaussians) else None
    if begun and len(begun.weights) > distinct:
        begun = None
    # Those of a number asked for that had no member are not looked for again.
    count = len(begun.weights) if begun else settings.number
    floor = space.floor
    if not count:
        with Progress(
            "choosing a number", len(number.TRIED), "number", shown
        ) as progress:
            count, stability = number.choose(points, floor, settings.seed, progress)
    with Progress("fitting clusters", count, "cluster", shown) as progress:
        if settings.method == "kmeans":
            found = fit_k_means(space, points, count, settings.seed, begun)
        else:
            shape: Shape = "diag" if settings.method == "mixture" else "full"
            found = mixture_of(
                space, fit_mixture(points, count, shape, floor, settings.seed, begun)
            )
        progress.advance(count)
    return found.bounded(placed), stability


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


def _assigned(model: _Model, vectors: NDArray[np.float32], shown: Watched) -> _Assigned:
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
    model: _Model,
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
