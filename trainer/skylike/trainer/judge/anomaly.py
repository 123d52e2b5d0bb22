"""Would a kind that the archive lacks stand out? One kind after the other is held out."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from skylike.trainer.judge.neighbors import NEIGHBORS, QUERIES, Kinds

BUDGET = 50  # objects that a person would look at
_EQUAL = float(np.finfo(np.float32).eps)  # distances below are rounding

Floats = NDArray[np.float64]


def held_out(
    vectors_ND: NDArray[np.float32], kinds: Kinds
) -> dict[str, dict[str, float]]:
    """How well each kind is found by its distance from all others.

    An object's distance is the mean cosine distance to the 10 nearest objects of the
    other kinds, an ordinary object itself left out (Angiulli & Pizzuti 2002, PKDD). Its
    score is that distance over the mean one of those 10: kinds are not equally dense, and
    the loosest would otherwise hide what is odd (simplified local outlier factor:
    Schubert, Zimek & Kriegel 2014, DMKD 28, 190).

    Parameters
    ----------
    vectors_ND : (n, D) float32, unit norm
    kinds : (n,) str

    Returns
    -------
    dict
        For each kind: ``auroc``; ``auprc`` and the ``prevalence`` to read it by;
        ``recall_at_50``, share of the kind, or of the 50 looked at if it has more,
        among the 50 highest scores; ``rank_weighted``: sum over the 50 highest of
        (51 - place) for those of the kind, over its largest value (Roberts et al.
        2019, arXiv:1902.08627); ``auroc_of_distance``, by the distance alone.
    """
    names, numbers = np.unique(kinds, return_inverse=True)
    cosine_NGk, index_NGk = _nearest_of_kinds(vectors_ND, numbers, len(names))
    found = {}
    for number, name in enumerate(names):
        is_odd = numbers == number
        if len(kinds) - is_odd.sum() <= NEIGHBORS:
            continue
        cosine, index = (
            np.delete(nearest, number, axis=1).reshape(len(kinds), -1)
            for nearest in (cosine_NGk, index_NGk)
        )
        chosen = np.argpartition(-cosine, NEIGHBORS - 1, axis=1)[:, :NEIGHBORS]
        distance = 1 - np.take_along_axis(cosine, chosen, axis=1).mean(axis=1)
        usual = distance[np.take_along_axis(index, chosen, axis=1)].mean(axis=1)
        score = distance / np.maximum(usual, _EQUAL)
        by_distance = detection(distance, is_odd)["auroc"]
        found[str(name)] = detection(score, is_odd) | {"auroc_of_distance": by_distance}
    return found


def _nearest_of_kinds(
    vectors_ND: NDArray[np.float32], numbers_N: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The 10 largest cosines of each object with those of each kind, and with which.

    (n, kinds, 10) each, in no order; -inf and 0 where a kind has fewer, and never of an
    object with itself.
    """
    shape = len(vectors_ND), count, NEIGHBORS
    cosines, indices = np.full(shape, -np.inf, np.float32), np.zeros(shape, np.int32)
    members = [np.flatnonzero(numbers_N == number) for number in range(count)]
    for start in range(0, len(vectors_ND), QUERIES):
        rows = slice(start, start + QUERIES)
        cosine = vectors_ND[rows] @ vectors_ND.T
        np.fill_diagonal(cosine[:, start:], -np.inf)
        for number, known in enumerate(members):
            of_kind, kept = cosine[:, known], min(NEIGHBORS, len(known))
            nearest = np.argpartition(-of_kind, kept - 1, axis=1)[:, :kept]
            cosines[rows, number, :kept] = np.take_along_axis(of_kind, nearest, axis=1)
            indices[rows, number, :kept] = known[nearest]
    return cosines, indices


def detection(
    scores: NDArray[np.floating], is_odd: NDArray[np.bool_]
) -> dict[str, float]:
    """Figures of a ranking by oddity; as `held_out` returns them for a kind."""
    top = is_odd[np.argsort(-scores, kind="stable")][:BUDGET]
    weight = np.arange(len(top), 0, -1)
    most = min(int(is_odd.sum()), len(top))
    return {
        "auroc": float(roc_auc_score(is_odd, scores)),
        "auprc": float(average_precision_score(is_odd, scores)),
        "prevalence": float(is_odd.mean()),
        "recall_at_50": float(top.sum() / most),
        "rank_weighted": float(weight @ top / weight[:most].sum()),
    }
