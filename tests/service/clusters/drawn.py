"""Vectors whose kinds are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service import clusters
from skylike.service.clusters import ClusterFit, Kinds, Settings


def blobs(sizes: list[int], dimension: int = 12, seed: int = 0) -> tuple[Any, Any]:
    """Unit vectors around one random direction per size, and which is whose."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(len(sizes), dimension))
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return around(centres, labels, random), labels


def around(centres: Any, labels: Any, random: Any, width: float = 0.3) -> Any:
    """A unit vector for each label, near its centre."""
    vectors = centres[labels] + random.normal(0, width, (len(labels), centres.shape[1]))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def fitted(
    vectors: NDArray[np.float32],
    settings: Settings | None = None,
    before: ClusterFit | None = None,
    earlier: Sequence[ClusterFit] = (),
) -> Kinds:
    """The clusters of vectors that are called o0, o1 and so on."""
    rows = np.arange(len(vectors))
    return clusters.fit(vectors, rows, "o{}".format, settings, before, earlier)
