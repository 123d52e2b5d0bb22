"""Neighbours, and what they are worth: every object asks all others.

A query never finds itself (leave one out). Shapes: n objects, D dimensions, k = 10
neighbours.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadInput

NEIGHBORS = 10
QUERIES = 1024  # asked at once

Floats = NDArray[np.float64]
Kinds = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the neighbours of each object are worth; one number per query.

    Attributes
    ----------
    precision : (n,) float64
        Share of the k nearest that are of the query's kind.
    is_right : (n,) float64
        1 where most of the k nearest are of the query's kind, ties going to the
        kind of the nearer ones; else 0.
    average_precision : (n,) float64
        Sum over the places j of relevant neighbours of the precision among the first
        j, over min(k, R), R the number of others of the kind; 0 where R is 0.
    ndcg : (n,) float64
        Discounted cumulative gain, sum of 1 / log2(j + 1) over the places j of
        relevant neighbours, over its largest value (Jarvelin & Kekalainen 2002,
        ACM TOIS 20, 422).
    kind_N : (n,) int64
        The number of each query's kind, from 0.
    """

    NUMBERS: ClassVar = ("precision", "is_right", "average_precision", "ndcg")

    precision: Floats
    is_right: Floats
    average_precision: Floats
    ndcg: Floats
    kind_N: NDArray[np.int64]

    def weighted(self, weights: Floats) -> dict[str, float]:
        """Means over the queries, or over a bootstrap sample of them.

        Parameters
        ----------
        weights : (n,) float64
            How often each query counts.

        Returns
        -------
        dict
            ``p_at_10``, ``p_at_10_macro``, ``balanced_accuracy``, ``map_at_10``,
            ``ndcg_at_10``; the second and third are means over kinds of the means
            over their queries.
        """
        total = weights.sum()
        return {
            "p_at_10": float(weights @ self.precision / total),
            "p_at_10_macro": self._by_kind(self.precision, weights),
            "balanced_accuracy": self._by_kind(self.is_right, weights),
            "map_at_10": float(weights @ self.average_precision / total),
            "ndcg_at_10": float(weights @ self.ndcg / total),
        }

    def _by_kind(self, values: Floats, weights: Floats) -> float:
        total = np.bincount(self.kind_N, weights)
        sums = np.bincount(self.kind_N, weights * values)
        return float(np.mean(sums[total > 0] / total[total > 0]))


def nearest(vectors_ND: NDArray[np.float32]) -> NDArray[np.int64]:
    """The 10 nearest others of each object by cosine, nearest first: (n, 10).

    Parameters
    ----------
    vectors_ND : (n, D) float32, unit norm
        At least 11. Equal scores go by number.

    Raises
    ------
    BadInput
        ``too_few`` with fewer.
    """
    if len(vectors_ND) <= NEIGHBORS:
        raise BadInput(
            f"{len(vectors_ND)} objects to judge; at least {NEIGHBORS + 1} are needed",
            reason="too_few",
        )
    found = np.empty((len(vectors_ND), NEIGHBORS), dtype=np.int64)
    for start in range(0, len(vectors_ND), QUERIES):
        part = np.arange(start, min(start + QUERIES, len(vectors_ND)))
        cosine = vectors_ND[part] @ vectors_ND.T
        cosine[np.arange(len(part)), part] = -np.inf
        candidates = np.argpartition(-cosine, NEIGHBORS, axis=1)
        candidates = np.sort(candidates[:, : NEIGHBORS + 1], axis=1)
        order = np.argsort(
            -np.take_along_axis(cosine, candidates, axis=1), axis=1, kind="stable"
        )
        found[part] = np.take_along_axis(candidates, order[:, :NEIGHBORS], axis=1)
    return found


def score(neighbors_NK: NDArray[np.int64], kinds: Kinds) -> Scores:
    """What lists of neighbours are worth.

    Parameters
    ----------
    neighbors_NK : (n, k) int64
        Numbers of the neighbours of each object, nearest first.
    kinds : (n,) str
    """
    names, kind_N = np.unique(kinds, return_inverse=True)
    kind_NK = kind_N[neighbors_NK]
    is_relevant = kind_NK == kind_N[:, None]
    k = neighbors_NK.shape[1]
    place = np.arange(1, k + 1)

    # A hair of weight for nearness decides ties, and nothing else.
    weight = 1 + (k - place) / k**2 / 2
    votes = np.stack(
        [((kind_NK == kind) * weight).sum(axis=1) for kind in range(len(names))], axis=1
    )
    others = np.bincount(kind_N)[kind_N] - 1
    most = np.minimum(others, k)
    precision_at = np.cumsum(is_relevant, axis=1) / place
    gain = 1 / np.log2(place + 1)
    best = np.concatenate([[0.0], np.cumsum(gain)])[most]
    return Scores(
        precision=is_relevant.mean(axis=1),
        is_right=(votes.argmax(axis=1) == kind_N).astype(np.float64),
        average_precision=(precision_at * is_relevant).sum(axis=1)
        / np.maximum(most, 1),
        ndcg=(is_relevant * gain).sum(axis=1) / np.maximum(best, gain[0]),
        kind_N=kind_N,
    )


def hubness(neighbors_NK: NDArray[np.int64]) -> float:
    """Skewness of how many lists each object stands in.

    0 for chance; above 1 to 2, few objects are neighbours of everything
    (Radovanovic, Nanopoulos & Ivanovic 2010, JMLR 11, 2487).
    """
    count = np.bincount(neighbors_NK.ravel(), minlength=len(neighbors_NK))
    spread = count.std()
    return float(np.mean((count - count.mean()) ** 3) / spread**3) if spread else 0.0
