"""An isolation forest: how few random cuts set something apart.

Liu, Ting & Zhou 2008 (ICDM, 413): trees cut a few objects at random, in a random
direction at a random place, until each is alone; what lies apart is alone after few
cuts. The score of an object is 2^(-h / c(m)), h its mean depth, where a leaf that still
holds n objects counts c(n) deeper: the mean depth of a search in a random tree of n. It
is above 0.5 for what is set apart sooner than that.

scikit-learn grows the trees; they are kept and asked as plain arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import caller

_TREES, _SAMPLE = 100, 256  # as the paper has them
_CHUNK = 1 << 12  # objects asked about at a time


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees of the same height, side by side in arrays, one after the other.

    Attributes
    ----------
    roots : (trees,) int32
        Where each tree begins.
    dimensions : (nodes,) int32
        Along which dimension a node cuts.
    thresholds : (nodes,) float64
        Where: up to there to the left; infinite at a leaf, which leads to itself.
    lefts, rights : (nodes,) int32
        The nodes below.
    depths : (nodes,) float64
        Of a leaf, with what its objects count.
    height
        Cuts from a root to the deepest leaf.
    unit
        Mean depth that is expected, c(m).
    """

    roots: NDArray[np.int32]
    dimensions: NDArray[np.int32]
    thresholds: NDArray[np.float64]
    lefts: NDArray[np.int32]
    rights: NDArray[np.int32]
    depths: NDArray[np.float64]
    height: int
    unit: float

    @classmethod
    def grown(cls, vectors: NDArray[np.float32], seed: int) -> Self:
        """The forest of an archive: (n, dimension), n >= 2. Same seed, same forest."""
        # Only growing needs scikit-learn, whose import takes longer than a query does.
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415

        with threadpool_limits(1):
            made = IsolationForest(
                n_estimators=_TREES,
                max_samples=min(_SAMPLE, len(vectors)),
                random_state=seed,
            ).fit(vectors)
        return cls._of(made)

    @classmethod
    def _of(cls, made: Any) -> Self:
        trees = [one.tree_ for one in made.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])

        def joined(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(tree, name) for tree in trees])

        starts = np.repeat(roots, sizes)
        itself = np.arange(len(starts))
        is_leaf = joined("children_left") < 0
        depths = np.zeros(len(starts))
        for tree, start in zip(trees, roots, strict=True):
            for node in range(tree.node_count):  # parents come before their children
                for below in (tree.children_left[node], tree.children_right[node]):
                    if below >= 0:
                        depths[start + below] = depths[start + node] + 1
        height = int(depths.max())
        depths += np.where(is_leaf, expected_depth(joined("n_node_samples")), 0)
        return cls(
            roots=roots.astype(np.int32),
            dimensions=np.where(is_leaf, 0, joined("feature")).astype(np.int32),
            thresholds=np.where(is_leaf, np.inf, joined("threshold")),
            lefts=np.where(is_leaf, itself, starts + joined("children_left")).astype(
                np.int32
            ),
            rights=np.where(is_leaf, itself, starts + joined("children_right")).astype(
                np.int32
            ),
            depths=depths,
            height=height,
            unit=float(expected_depth(np.array([made.max_samples_]))[0]),
        )

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """How odd each is: (n,) from 0 to 1.

        Parameters
        ----------
        vectors : (n, dimension) float32
        """
        found = np.empty(len(vectors))
        for start in range(0, len(vectors), _CHUNK):
            caller.check()
            part = vectors[start : start + _CHUNK]
            found[start : start + _CHUNK] = self._depths(part)
        if self.unit == 0:  # of a single object no depth is expected
            return np.full(len(vectors), 0.5)
        scores: NDArray[np.float64] = 2 ** (-found / self.unit)
        return scores

    def _depths(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean depth of the leaves that each reaches."""
        dimension = vectors.shape[1]
        flat = np.ascontiguousarray(vectors).ravel()
        starts = np.arange(0, flat.size, dimension)[:, None]
        nodes = np.repeat(self.roots[None], len(vectors), axis=0)
        for _ in range(self.height):
            values = flat[starts + self.dimensions[nodes]]
            is_left = values <= self.thresholds[nodes]
            nodes = np.where(is_left, self.lefts[nodes], self.rights[nodes])
        means: NDArray[np.float64] = self.depths[nodes].mean(axis=1)
        return means

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, for storage."""
        return {
            "roots": self.roots,
            "dimensions": self.dimensions,
            "thresholds": self.thresholds,
            "lefts": self.lefts,
            "rights": self.rights,
            "depths": self.depths,
            "height": np.array(self.height),
            "unit": np.array(self.unit),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The forest of `to_arrays`."""
        whole = dict(arrays)
        height, unit = int(whole.pop("height")), float(whole.pop("unit"))
        return cls(**whole, height=height, unit=unit)


def expected_depth(sizes: NDArray[Any]) -> NDArray[np.float64]:
    """c(n), the mean depth of an unsuccessful search in a random tree of n objects.

    2 H(n - 1) - 2 (n - 1) / n, with the harmonic number as ln(n - 1) + 0.5772...; 1 of
    two objects and 0 of one.
    """
    many = np.maximum(np.asarray(sizes, np.float64), 3)
    found = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(sizes > 2, found, np.where(sizes == 2, 1.0, 0.0))
