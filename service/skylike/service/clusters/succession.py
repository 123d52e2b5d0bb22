"""Whether the clusters of the last fit go on, or others take their place.

While an archive grows its clusters go on from where they were, so that members keep their
labels. They are looked for anew when it has grown by half since they last were, or when
more than a twentieth of it has come to lie in none. What is found then takes their place if
nearly all members keep their labels with it, or if it explains the archive clearly better.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skylike.service.clusters import methods, number
from skylike.service.clusters.cores import Cores
from skylike.service.clusters.fitted import NOWHERE, ClusterFit, Settings
from skylike.service.clusters.matching import matched
from skylike.service.clusters.methods import Model
from skylike.service.clusters.space import Placed, Space
from skylike.service.errors import NotReady
from skylike.service.progress import Progress, Watched

_GROWN = 1.5  # times as many or as few objects
_LOST = 0.05  # more of an archive in none than there was
_KEEP = 0.95  # of the members, their labels


class Succeeded(NamedTuple):
    """The clusters of a fit, and how many objects there were when they were looked for."""

    model: Model
    num_begun: int


def succeeded(
    sample: NDArray[np.float32],
    count: int,
    settings: Settings,
    before: ClusterFit | None,
    shown: Watched,
) -> Succeeded:
    """The clusters of a sample of an archive of so many objects, after the fit before."""
    known = before.members(sample).labels if before else np.empty(0, np.int32)
    kept = None
    if before is not None and before.settings == settings:
        kept = _going_on(sample, settings, before, shown)
    if before is None or kept is None:
        return Succeeded(_anew(sample, settings, shown), count)
    lost = (known == NOWHERE).mean() - before.num_outside / before.num_objects
    grown = max(count / before.num_begun, before.num_begun / count)
    if grown <= _GROWN and lost <= _LOST:
        return Succeeded(kept, before.num_begun)
    other = _anew(sample, settings, shown)
    if _keeps_labels(known, before, other, sample) or _is_better(other, kept, sample):
        return Succeeded(other, count)
    return Succeeded(kept, count)


def _going_on(
    sample: NDArray[np.float32], settings: Settings, before: ClusterFit, shown: Watched
) -> Model | None:
    """The clusters of a fit as they have become; None if there is too little for them."""
    model = before.model
    if isinstance(model, Cores):
        return model  # crowds stay as they are: each new look would move their ends
    placed = model.space.place(sample)
    if len(model.weights) > len(np.unique(placed.points, axis=0)):
        return None
    # Those of a number asked for that had no member are not looked for again.
    count = len(model.weights)
    with Progress("fitting clusters", count, "cluster", shown) as progress:
        going_on = methods.found(model.space, placed, settings, count, model)
        progress.advance(count)
    return going_on


def _anew(sample: NDArray[np.float32], settings: Settings, shown: Watched) -> Model:
    space = Space.of(sample)
    placed = space.place(sample)
    floor = space.floor(len(sample))
    distinct = len(np.unique(placed.points, axis=0))
    if settings.number > distinct:
        raise NotReady(
            f"{settings.number} clusters were asked for, and only {distinct} of the "
            "searchable objects differ: ask for fewer, or for 0 to have the number "
            "chosen.",
            reason="too_few_objects",
        )
    count = settings.number
    if not count and settings.method != "hdbscan":
        total = len(number.TRIED)
        with Progress("choosing a number", total, "number", shown) as progress:
            count = number.choose(placed.points, floor, settings.seed, progress)
    with Progress("fitting clusters", len(sample), "object", shown) as progress:
        model = methods.found(space, placed, settings, count or 1)
        progress.advance(len(sample))
    return model


def _keeps_labels(
    known: NDArray[np.int32],
    before: ClusterFit,
    model: Model,
    sample: NDArray[np.float32],
) -> bool:
    """Whether nearly all that had a label would have the same."""
    places = methods.places(model, model.space.place(sample))
    lived = matched(known, places, before.labels, int(places.max(initial=-1)) + 1)
    labels = np.array([lived.get(int(place), NOWHERE) for place in places])
    members = known != NOWHERE
    return bool((labels[members] == known[members]).sum() >= _KEEP * members.sum())


def _is_better(model: Model, than: Model, sample: NDArray[np.float32]) -> bool:
    """Whether it explains a sample clearly better; by other means, it may."""
    if type(model) is not type(than):
        return True
    gain = _explained(model, sample) - _explained(than, sample)
    return gain > model.CLEARLY


def _explained(model: Model, sample: NDArray[np.float32]) -> float:
    placed: Placed = model.space.place(sample)
    return methods.explained(model, placed)
