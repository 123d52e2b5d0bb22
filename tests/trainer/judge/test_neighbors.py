"""Neighbours, and what they are worth."""

import numpy as np
import pytest

from skylike.service.errors import BadInput
from skylike.trainer.judge.bootstrap import intervals
from skylike.trainer.judge.neighbors import NEIGHBORS, hubness, nearest, score


def on_a_circle(degrees: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:  # fmt: skip
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_neighbours_are_the_nearest_others_nearest_first() -> None:
    places = np.array([0, 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78.0])
    found = nearest(on_a_circle(places))
    assert found.shape == (13, NEIGHBORS)
    assert found[0].tolist() == list(range(1, 11))
    assert found[4][:4].tolist() == [3, 5, 2, 1]
    assert all(i not in row for i, row in enumerate(found.tolist()))


def test_eleven_objects_are_enough_and_ten_are_not() -> None:
    assert nearest(on_a_circle(np.arange(11.0))).shape == (11, 10)
    with pytest.raises(BadInput) as caught:
        nearest(on_a_circle(np.arange(10.0)))
    assert caught.value.reason == "too_few"


def test_scores_are_those_of_the_definitions() -> None:
    kinds = np.array(["a"] * 4 + ["b"] * 8)
    lists = np.tile(np.arange(1, 11), (12, 1))
    lists[0] = [1, 4, 2, 5, 6, 7, 8, 9, 10, 3]  # of kind a: at the places 1, 3 and 10
    found = score(lists, kinds)
    assert found.precision[0] == pytest.approx(0.3)
    assert found.is_right[0] == 0
    assert found.average_precision[0] == pytest.approx((1 + 2 / 3 + 3 / 10) / 3)
    gain = 1 + 1 / np.log2(4) + 1 / np.log2(11)
    best = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert found.ndcg[0] == pytest.approx(gain / best)


def test_ties_go_to_the_kind_of_the_nearer_ones() -> None:
    kinds = np.array(["a"] * 6 + ["b"] * 6)
    lists = np.tile(np.arange(1, 11), (12, 1))
    lists[0] = [1, 6, 2, 7, 3, 8, 4, 9, 5, 10]
    lists[6] = [0, 7, 1, 8, 2, 9, 3, 10, 4, 11]
    found = score(lists, kinds)
    assert found.is_right[0] == 1
    assert found.is_right[6] == 0


def test_an_only_child_scores_nothing_and_divides_by_nothing() -> None:
    kinds = np.array(["a"] * 11 + ["b"])
    found = score(np.tile(np.arange(10), (12, 1)), kinds)
    assert found.average_precision[11] == 0
    assert found.ndcg[11] == 0


def test_kinds_count_alike_in_balanced_figures() -> None:
    kinds = np.array(["a"] * 20 + ["b"] * 5)
    lists = np.tile(np.arange(1, 11), (25, 1))
    found = score(lists, kinds).weighted(np.ones(25))
    assert found["p_at_10"] == pytest.approx(20 / 25)
    assert found["p_at_10_macro"] == pytest.approx(0.5)
    assert found["balanced_accuracy"] == pytest.approx(0.5)


def test_hubs_are_told_by_the_skewness() -> None:
    random = np.random.default_rng(0)
    fair = np.stack([random.permutation(200)[:10] for _ in range(200)])
    assert abs(hubness(fair)) < 0.6
    fair[:, 0] = 7
    assert hubness(fair) > 5


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(100):
        sample = np.random.default_rng(seed).normal(3, 1, 60)
        found = intervals(lambda w, s=sample: {"mean": float(w @ s / w.sum())}, 60)  # type: ignore[misc]
        assert found["mean"].value == pytest.approx(sample.mean())
        held += found["mean"].low <= 3 <= found["mean"].high
    assert 86 <= held <= 100
