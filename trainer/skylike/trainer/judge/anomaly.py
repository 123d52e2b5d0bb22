"""Would a kind that the archive lacks stand out? One kind after the other is held out."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from skylike.trainer.judge.neighbors import NEIGHBORS, QUERIES, Kinds

BUDGET = 50  # objects that a person would look at

Floats = NDArray[np.float64]


def held_out(
    vectors_ND: NDArray[np.float32], kinds: Kinds
) -> dict[str, dict[str, float]]:
    """How well each kind is found by its distance from all others.

    The score is the mean cosine distance to the 10 nearest objects of the other
    kinds, an ordinary object itself left out (Angiulli & Pizzuti
    2002, PKDD).

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
        2019, arXiv:1902.08627).
    """
    names, numbers = np.unique(kinds, return_inverse=True)
    nearest_NGk = _nearest_of_kinds(vectors_ND, numbers, len(names))
    found = {}
    for number, name in enumerate(names):
        is_odd = numbers == number
        if len(kinds) - is_odd.sum() <= NEIGHBORS:
            continue
        others = np.delete(nearest_NGk, number, axis=1).reshape(len(kinds), -1)
        nearest = -np.partition(-others, NEIGHBORS - 1, axis=1)[:, :NEIGHBORS]
        found[str(name)] = detection(1 - nearest.mean(axis=1), is_odd)
    return found


def _nearest_of_kinds(
    vectors_ND: NDArray[np.float32], numbers_N: NDArray[np.int64], count: int
) -> NDArray[np.float32]:
    """The 10 largest cosines of each object with those of each kind: (n, kinds, 10).

    In no order; -inf where a kind has fewer, and never of an object with itself.
    """
    found = np.full((len(vectors_ND), count, NEIGHBORS), -np.inf, np.float32)
    for start in range(0, len(vectors_ND), QUERIES):
        rows = slice(start, start + QUERIES)
        cosine = vectors_ND[rows] @ vectors_ND.T
        np.fill_diagonal(cosine[:, start:], -np.inf)
        for number in range(count):
            of_kind = cosine[:, numbers_N == number]
            kept = min(NEIGHBORS, of_kind.shape[1])
            found[rows, number, :kept] = -np.partition(-of_kind, kept - 1, axis=1)[:, :kept]  # fmt: skip
    return found


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
