"""The methods by which clusters are found, one like the other."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skylike.service.clusters.cores import Cores, fit_cores
from skylike.service.clusters.fitted import Settings, judged
from skylike.service.clusters.gaussians import (
    Gaussians,
    begun_at,
    fit_k_means,
    mixture_of,
)
from skylike.service.clusters.number import most
from skylike.service.clusters.space import Placed, Space
from skylike.service.mixtures import Shape, fit_mixture

Model: TypeAlias = Gaussians | Cores


def found(
    space: Space,
    placed: Placed,
    settings: Settings,
    number: int,
    start: Gaussians | None = None,
) -> Model:
    """The clusters of a sample: what new objects are compared with.

    Parameters
    ----------
    space, placed
        Where the sample is.
    settings
        The method and the seed.
    number
        Of clusters, for methods that do not find it themselves.
    start
        Where to begin, with as many clusters.
    """
    points = placed.points
    floor = space.floor(len(points))
    if settings.method == "hdbscan" and most(points) > 1:
        return fit_cores(space, placed, settings.seed)
    if settings.method == "kmeans":
        fitted = fit_k_means(space, points, number, settings.seed, start)
    else:
        shape: Shape = "diag" if settings.method == "mixture" else "full"
        begun = {} if start is None else begun_at(start, shape)
        fitted = mixture_of(
            space, fit_mixture(points, number, shape, floor, settings.seed, **begun)
        )
    return fitted.bounded(placed)


def places(model: Model, placed: Placed) -> NDArray[np.int32]:
    """The cluster of each object of a sample, -1 where it is in none."""
    each = [judged(model.shares(part))[0] for part in placed.parts()]
    return np.maximum(np.concatenate(each), -1)


def explained(model: Model, placed: Placed) -> float:
    """How well a sample is explained on average; what is much is `CLEARLY`."""
    each = [model.explained(part) for part in placed.parts()]
    return float(np.concatenate(each).mean())
