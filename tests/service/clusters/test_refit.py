"""Refits: clusters that live on keep their labels and names."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
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


@pytest.mark.parametrize("between", [Settings("mixture", 1), Settings("kmeans", 2)])
def test_who_tries_another_way_and_goes_back_finds_labels_and_names_again(
    between: Settings,
) -> None:
    """What is found again is called as before; what is not keeps a label of its own."""
    vectors, _ = blobs([300, 260, 220, 200], seed=3)
    first, before = fitted(vectors)
    assert len(first.labels) == 4
    first = first.named({0: "rings", 1: "bars", 3: "discs"})
    other, _ = fitted(vectors, between, first)
    gone = set(first.labels.tolist()) - set(other.labels.tolist())
    assert len(gone) >= 2
    back, after = fitted(vectors, Settings(), other, [first])
    assert (before.labels == after.labels).mean() > 0.98
    assert back.name_of == first.name_of
    assert back.next_label == other.next_label
    forgotten, _ = fitted(vectors, Settings(), other)
    assert not gone & set(forgotten.labels.tolist())


def test_a_label_means_what_it_last_meant_and_a_name_stands_for_one_cluster() -> None:
    vectors, labels = blobs([300, 260, 220, 200], seed=3)
    first, _ = fitted(vectors)
    first = first.named({0: "rings", 1: "bars"})
    without = vectors[labels > 1]  # the two largest go
    second, _ = fitted(without, None, first)
    assert set(second.labels.tolist()) == {2, 3}
    second = second.named({2: "rings"})
    third, _ = fitted(vectors, Settings(seed=1), second, [first])
    assert set(third.labels.tolist()) == {0, 1, 2, 3}
    assert third.name_of == {
        0: "cluster 0",
        1: "bars",
        2: "rings",
        3: "cluster 3",
    }
    # A label that the last fit has is not given to what an earlier one called so.
    moved = replace(second, labels=np.array([0, 1], np.int32), names=("a", "b"))
    fourth, _ = fitted(vectors, Settings(seed=1), moved, [first])
    assert set(fourth.labels.tolist()) == {0, 1, 4, 5}
    assert {fourth.name_of[0], fourth.name_of[1]} == {"a", "b"}


def test_a_refit_in_the_same_way_does_not_look_anew() -> None:
    """Unless the archive has become another one; `num_begun` tells when it did."""
    vectors, _ = blobs([300, 200])
    first, _ = fitted(vectors)
    assert fitted(vectors[:480], None, first).fit.num_begun == 500
    assert fitted(vectors[:480], Settings(seed=1), first).fit.num_begun == 480
    assert fitted(vectors[:200], None, first).fit.num_begun == 200


@pytest.mark.parametrize("method", METHODS)
def test_stability_is_of_these_clusters(method: Method) -> None:
    """By the method itself, for the archive at hand, also where the number was given."""
    apart, _ = blobs([300, 200, 100], seed=3)
    number = 0 if method == "hdbscan" else 3
    first, _ = fitted(apart, Settings(method, number))
    assert 0.9 < first.stability <= 1
    random = np.random.default_rng(0)
    blurred = apart + random.normal(0, 0.5, apart.shape).astype(np.float32)
    blurred /= np.linalg.norm(blurred, axis=1, keepdims=True)
    assert fitted(blurred, Settings(method, number), first).fit.stability < 0.9


@pytest.mark.parametrize("method", METHODS)
def test_twenty_refits_of_the_same_objects_move_nothing(method: Method) -> None:
    """Crowds do not erode, and mixtures stay where they are."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(6, 16))
    vectors = around(centres, random.integers(6, size=1500), random, width=0.4)
    fit, first = fitted(vectors, Settings(method))
    for _ in range(20):
        fit, membership = fitted(vectors, Settings(method), fit)
    assert (membership.labels == first.labels).mean() > 0.99
    outside = (first.labels == NOWHERE).mean()
    assert (membership.labels == NOWHERE).mean() == pytest.approx(outside, abs=0.003)


@pytest.mark.parametrize("method", METHODS)
def test_clusters_of_an_archive_that_was_replaced_are_looked_for_anew(
    method: Method,
) -> None:
    """Though it has as many objects as before; nothing inherits a label."""
    first, _ = fitted(blobs([300, 200, 100], seed=3)[0], Settings(method))
    other, kinds = blobs([150, 150, 150, 150], seed=8)
    second, membership = fitted(other, Settings(method), first)
    assert set(second.labels.tolist()) == {3, 4, 5, 6}
    assert second.num_begun == 600
    inside = membership.labels != NOWHERE
    assert inside.mean() > 0.9
    assert adjusted_rand_score(kinds[inside], membership.labels[inside]) > 0.95


@pytest.mark.parametrize("method", METHODS)
def test_members_keep_their_labels_over_many_steps_of_a_twentieth(
    method: Method,
) -> None:
    """Also in the one in which clusters are looked for anew."""
    random = np.random.default_rng(2)
    centres = random.normal(size=(8, 16))
    vectors = around(centres, random.integers(8, size=3200), random, width=0.5)
    count = 2000
    fit, before = fitted(vectors[:count], Settings(method))
    looked = []
    while count * 1.05 < len(vectors):
        more = int(count * 1.05)
        fit, after = fitted(vectors[:more], Settings(method), fit)
        members = before.labels != NOWHERE
        kept = after.labels[:count][members] == before.labels[members]
        assert kept.mean() >= 0.95
        looked.append(fit.num_begun)
        count, before = more, after
    assert len(set(looked)) == 2


def test_a_new_kind_in_a_grown_archive_is_a_cluster() -> None:
    """What is found anew is taken since it explains the archive clearly better."""
    vectors, _ = blobs([300, 300], dimension=16, seed=1)
    fit, _ = fitted(vectors)
    assert len(fit.labels) == 2
    strangers = blobs([80], dimension=16, seed=9)[0]
    again, membership = fitted(np.concatenate([vectors, strangers]), None, fit)
    assert set(again.labels.tolist()) == {0, 1, 2}
    assert (membership.labels[600:] == 2).mean() > 0.95


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
