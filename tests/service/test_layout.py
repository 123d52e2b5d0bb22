"""Layouts, as arithmetic: principal components, samples, densities, neighbours."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from skylike.service import caller
from skylike.service.errors import Cancelled, NotReady
from skylike.service.layout import Pca, between, density, embedded, sampled
from skylike.service.progress import Shown, Stage


def vectors(num: int, dimension: int = 16, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    found = random.normal(size=(num, dimension)) * np.linspace(3, 0.5, dimension) + 1
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def crowds(num_each: int, kinds: int = 3, dimension: int = 16) -> Any:
    random = np.random.default_rng(1)
    middles = np.repeat(np.eye(kinds, dimension), num_each, axis=0)
    found = middles + random.normal(size=middles.shape) * 0.05
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    some = vectors(5000)
    found = Pca.of([some])
    centred = some.astype(np.float64) - some.mean(axis=0, dtype=np.float64)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(found.shares, (values**2 / (values**2).sum())[:2])
    np.testing.assert_allclose(np.abs(np.vecdot(found.axes, axes[:2])), 1, atol=1e-9)
    places = found.place(some)
    assert places.dtype == np.float32
    np.testing.assert_allclose(np.abs(places), np.abs(centred @ axes[:2].T), atol=1e-5)
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-5)


def test_the_parts_that_vectors_come_in_change_nothing_but_rounding() -> None:
    some = vectors(1000)
    whole = Pca.of([some])
    parts = Pca.of([some[a:b] for a, b in pairwise([0, 1, 300, 999, 1000])])
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    for one, other in zip(whole, Pca.of([some]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_axis_points_to_where_its_largest_number_is_above_zero() -> None:
    for seed in range(5):
        for axis in Pca.of([vectors(200, seed=seed)]).axes:
            assert axis[np.abs(axis).argmax()] > 0
            assert np.linalg.norm(axis) == pytest.approx(1)


def test_equal_vectors_lie_in_one_place() -> None:
    found = Pca.of([np.tile(vectors(1), (50, 1))])
    assert not found.shares.any()
    assert not found.place(vectors(3)).any()


def test_vectors_of_one_number_lie_on_a_line() -> None:
    found = Pca.of([np.array([[1], [-1], [1]], np.float32)])
    assert found.shares.tolist() == [1, 0]
    places = found.place(np.array([[1], [-1]], np.float32))
    np.testing.assert_allclose(places, [[2 / 3, 0], [-4 / 3, 0]], rtol=1e-6)


def test_a_sample_stays_what_it_is_and_a_smaller_one_is_part_of_it() -> None:
    rows = np.arange(1, 100_001)
    found = sampled(rows, 1000)
    assert (np.diff(found) > 0).all()
    np.testing.assert_array_equal(found, sampled(rows, 1000))
    assert set(sampled(rows, 100)) < set(found)
    # One in a hundred of what was added comes in, and as many go.
    more = sampled(np.arange(1, 101_001), 1000)
    assert len(set(found) - set(more)) < 30
    assert set(sampled(rows, 1000, seed=1)) != set(found)
    assert len(sampled(rows, 200_000)) == len(rows)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", [1, 7, 2**32 - 1, 2**64 - 1])
def test_every_seed_draws_another_sample(seed: int) -> None:
    rows = np.arange(1000)
    drawn = sampled(rows, 100, seed)
    assert len(drawn) == 100
    assert len(np.intersect1d(drawn, sampled(rows, 100, seed - 1))) < 30


def test_a_sample_is_uniform() -> None:
    counts, _ = np.histogram(sampled(np.arange(1_000_000), 50_000), bins=20)
    # 2500 each, and their spread is that of chance.
    assert np.abs(counts - 2500).max() < 5 * 2500**0.5


def test_every_place_is_counted_once_in_the_cell_it_lies_in() -> None:
    random = np.random.default_rng(0)
    places = (random.normal(size=(20_000, 2)) * [3, 1]).astype(np.float32)
    counts, x_range, y_range = density(places)
    assert counts.sum() == len(places)
    assert counts.shape[1] == 256 > counts.shape[0] > 50
    expected, _, _ = np.histogram2d(
        places[:, 1], places[:, 0], counts.shape, [y_range, x_range]
    )
    # Some lie on an edge but for rounding.
    assert np.abs(expected - counts).sum() < 20


@pytest.mark.parametrize(
    "places", [np.zeros((5, 2)), np.array([[1.0, 2.0]]), np.array([[0.0, 0], [0, 4]])]
)
def test_places_on_a_line_or_a_point_are_counted_too(places: Any) -> None:
    counts, (x_low, x_high), (y_low, y_high) = density(places.astype(np.float32))
    assert counts.sum() == len(places)
    assert x_high > x_low
    assert y_high > y_low


def test_a_place_among_neighbours_is_drawn_to_the_nearest() -> None:
    places = np.array([[[0, 0], [10, 0]]], np.float32)
    [same] = between(places, np.array([[0.9, 0.9]]))
    assert same.tolist() == [5, 0]
    [near] = between(places, np.array([[0.99, 0.9]]))
    assert near[0] < 0.01
    [copy] = between(places, np.array([[1.0, 0.99]]))
    assert copy.tolist() == [0, 0]
    [copies] = between(places, np.array([[1.0, 1.0]]))
    assert copies.tolist() == [5, 0]
    [one] = between(places, np.array([[0.9, -np.inf]]))
    assert one.tolist() == [0, 0]


def test_tsne_puts_together_what_is_alike_and_the_same_for_the_same_seed() -> None:
    pytest.importorskip("openTSNE", reason="the extra `map` is not installed")
    some = crowds(30)
    stages: list[Stage] = []
    places = embedded(some, 3, stages.append)
    np.testing.assert_array_equal(places, embedded(some, 3, Shown.NOT))
    middles = places.reshape(3, 30, 2).mean(axis=1)
    spread = np.linalg.norm(places.reshape(3, 30, 2) - middles[:, None], axis=2).max()
    apart = min(np.linalg.norm(middles[i] - middles[i - 1]) for i in range(3))
    assert spread < apart / 2
    assert (stages[-1].done, stages[-1].total) == (750, 750)


def test_tsne_stops_when_nobody_waits_any_more() -> None:
    pytest.importorskip("openTSNE", reason="the extra `map` is not installed")
    done: list[int] = []

    def stop() -> None:
        if done and done[-1] >= 100:
            raise Cancelled("enough")

    with caller.waits(stop), pytest.raises(Cancelled, match="enough"):
        embedded(crowds(30), 0, lambda stage: done.append(stage.done))
    assert done[-1] == 100


def test_tsne_of_few_vectors_works_and_of_too_few_says_so() -> None:
    pytest.importorskip("openTSNE", reason="the extra `map` is not installed")
    assert np.isfinite(embedded(vectors(4), 0, Shown.NOT)).all()
    with pytest.raises(NotReady, match="4 searchable objects") as caught:
        embedded(vectors(3), 0, Shown.NOT)
    assert caught.value.reason == "too_few_objects"
