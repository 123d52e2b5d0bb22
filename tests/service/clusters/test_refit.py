"""Refits: clusters that live on keep their labels and names."""

import dataclasses

import numpy as np
import pytest
from tests.service.clusters.drawn import around, blobs, fitted

from skylike.service.clusters import METHODS, NOWHERE, Method, Settings
from skylike.service.clusters.gaussians import Gaussians


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [0, 1])
def test_members_keep_their_labels_when_an_archive_grows_by_a_twentieth(
    method: Method, seed: int
) -> None:
    """95 in 100, also of kinds that run into each other; names go with the labels."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(12, 16))
    kinds = random.integers(12, size=6300)
    vectors = around(centres, kinds, random, width=0.55)
    fit, before = fitted(vectors[:6000], Settings(method))
    fit = fit.named({0: "rings"})
    again, after = fitted(vectors, Settings(method), fit)
    old, new = before.labels, after.labels[:6000]
    assert (new[old != NOWHERE] == old[old != NOWHERE]).mean() >= 0.95
    assert again.name_of[0] == "rings"
    assert sorted(again.labels) == sorted(fit.labels)


def test_a_new_kind_gets_a_label_that_was_never_used() -> None:
    """And one that has gone does not come back; the others stay what they are."""
    vectors, labels = blobs([300, 200, 100], seed=3)
    first, _ = fitted(vectors)
    assert first.next_label == 3
    without = vectors[labels != 1]  # the second largest goes
    second, _ = fitted(without, None, first)
    assert set(second.labels.tolist()) == {0, 2}
    other = blobs([150], seed=8)[0]
    third, _ = fitted(np.concatenate([without, other]), Settings(seed=1), second)
    assert set(third.labels.tolist()) == {0, 2, 3}
    assert third.next_label == 4
    assert third.name_of[3] == "cluster 3"


def test_another_method_keeps_the_labels_of_what_it_finds_again() -> None:
    vectors, _ = blobs([300, 200, 100], seed=3)
    first, before = fitted(vectors)
    second, after = fitted(vectors, Settings("kmeans", 3), first.named({1: "bars"}))
    assert (before.labels == after.labels).mean() > 0.98
    assert second.name_of[1] == "bars"


def test_a_refit_in_the_same_way_asks_not_again_how_many_there_are() -> None:
    """Unless the archive has become another one."""
    vectors, _ = blobs([300, 200])
    first, _ = fitted(vectors)
    told = dataclasses.replace(first, stability=0.123)
    assert fitted(vectors[:480], None, told).fit.stability == 0.123
    assert fitted(vectors[:480], Settings(seed=1), told).fit.stability != 0.123
    assert fitted(vectors[:200], None, told).fit.stability != 0.123


def test_many_small_steps_are_a_large_one() -> None:
    """An archive that grows by a twentieth each night is another one in the end."""
    vectors, _ = blobs([600, 400])
    fit = fitted(vectors[:400]).fit
    assert fit.num_begun == 400
    fit = fitted(vectors[:560], None, fit).fit
    assert fit.num_begun == 400
    assert fitted(vectors[:640], None, fit).fit.num_begun == 640


@pytest.mark.parametrize("method", ["full-mixture", "mixture", "kmeans"])
@pytest.mark.parametrize("number", [20, 60])
def test_clusters_that_nothing_belongs_to_are_left_out_of_later_fits(
    method: Method, number: int
) -> None:
    """More are asked for than there is anything in; the rest are a whole mixture."""
    vectors, _ = blobs([100] * 4)
    first, before = fitted(vectors, Settings(method, number))
    assert 4 <= len(first.labels) <= number
    assert isinstance(first.model, Gaussians)
    assert first.model.weights.sum() == pytest.approx(1)
    found = first.members(vectors)
    np.testing.assert_array_equal(found.labels, before.labels)
    again, _ = fitted(vectors, Settings(method, number), first)
    assert again.settings.number == number
    assert 4 <= len(again.labels) <= len(first.labels)


@pytest.mark.parametrize("method", METHODS)
def test_an_archive_of_fewer_different_objects_than_clusters_is_begun_anew(
    method: Method,
) -> None:
    """What was different is now copies of a few."""
    vectors, _ = blobs([30, 30, 30, 30], seed=4)
    fit, _ = fitted(vectors, Settings(method))
    assert len(fit.labels) > 2
    copies = np.repeat(vectors[:2], 60, axis=0)
    again, membership = fitted(copies, Settings(method), fit)
    assert 1 <= len(again.labels) <= 2
    assert sum(again.sizes) == 120
    assert len(set(membership.labels[:60])) == 1
