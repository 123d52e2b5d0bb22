"""Clusters: found, served, stored."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from tests.service.clusters.drawn import blobs, fitted

from skylike.service import caller
from skylike.service.clusters import METHODS, NOWHERE, ClusterFit, Method, Settings
from skylike.service.errors import BadRequest, Cancelled, NotReady

GAUSSIAN: list[Method] = ["full-mixture", "mixture", "kmeans"]


@pytest.mark.parametrize("method", METHODS)
def test_separate_groups_are_found_and_ordered_by_size(method: Method) -> None:
    """Each object lands with its own kind; cluster 0 is the largest."""
    vectors, labels = blobs([60, 200, 120])
    fit, membership = fitted(vectors, Settings(method))
    assert fit.labels.tolist() == [0, 1, 2]
    assert fit.names == ("cluster 0", "cluster 1", "cluster 2")
    assert sum(fit.sizes) + fit.num_outside == fit.num_objects == len(vectors)
    inside = membership.labels != NOWHERE
    assert inside.mean() > 0.98
    expected = np.array([2, 0, 1])[labels]
    np.testing.assert_array_equal(membership.labels[inside], expected[inside])


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_of_clusters_and_of_none_sum_to_one(method: Method) -> None:
    """Near the clusters and far from them, and for nobody."""
    vectors, _ = blobs([50, 90, 70], dimension=32)
    fit, _ = fitted(vectors, Settings(method))
    queries = np.concatenate([vectors, blobs([100], dimension=32, seed=9)[0]])
    shares = fit.probabilities(queries)
    assert shares.shape == (310, 4)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert fit.probabilities(vectors[:0]).shape == (0, 4)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_far_from_all_is_in_no_cluster(method: Method) -> None:
    """New objects of the kinds are in theirs; the opposite of a kind is in none."""
    vectors, _ = blobs([400, 400, 400])
    fit, _ = fitted(vectors[::2], Settings(method))
    new = fit.members(vectors[1::2])
    assert (new.labels == NOWHERE).mean() < 0.05
    strange = fit.members(-vectors)
    assert (strange.labels == NOWHERE).mean() > 0.95
    assert (strange.probabilities[strange.labels == NOWHERE] > 0.5).all()


@pytest.mark.parametrize("method", GAUSSIAN)
def test_nearly_all_new_objects_of_known_kinds_are_in_a_cluster(
    method: Method,
) -> None:
    """Of the archive and of others about 1 in 100 is in none."""
    vectors, _ = blobs([4000, 4000], dimension=24)
    fit, membership = fitted(vectors[::2], Settings(method))
    assert (membership.labels == NOWHERE).mean() <= 0.015
    assert (fit.members(vectors[1::2]).labels == NOWHERE).mean() <= 0.02


@pytest.mark.parametrize("method", GAUSSIAN)
@pytest.mark.parametrize("number", [3, 15, 30])
def test_artefacts_that_are_archived_do_not_hide_others(
    method: Method, number: int
) -> None:
    """Up to 2 in 100 far from everything: new ones are still in no cluster."""
    vectors, _ = blobs([1000, 1000, 1000], dimension=24)
    far = np.random.default_rng(5).normal(size=(200, 24)).astype(np.float32)
    far /= np.linalg.norm(far, axis=1, keepdims=True)
    archive = np.concatenate([vectors[::2], far[:number]])
    fit, _ = fitted(archive, Settings(method, 3))
    assert (fit.members(far[100:]).labels == NOWHERE).mean() > 0.95
    assert (fit.members(vectors[1::2]).labels == NOWHERE).mean() <= 0.02


@pytest.mark.parametrize("method", METHODS)
def test_objects_are_assigned_in_parts_as_one_by_one(method: Method) -> None:
    """By the fit itself too, and with more than are assigned at a time."""
    vectors, _ = blobs([3000, 1500])
    fit, membership = fitted(vectors, Settings(method))
    found = fit.members(vectors)
    np.testing.assert_array_equal(found.labels, membership.labels)
    np.testing.assert_allclose(found.probabilities, membership.probabilities)
    np.testing.assert_allclose(found.similarities, membership.similarities)
    for place in (0, 2047, 2048, 4499):
        one = fit.members(vectors[place : place + 1])
        assert found.labels[place] == one.labels[0]
        assert found.probabilities[place] == pytest.approx(one.probabilities[0])
    for label, size in zip(fit.labels, fit.sizes, strict=True):
        assert np.count_nonzero(found.labels == label) == size
    shares = fit.probabilities(vectors)
    np.testing.assert_allclose(fit.weights, shares[:, :-1].mean(axis=0))


def test_exemplars_are_the_members_nearest_to_the_centre() -> None:
    """At most five, nearest first; the centre is the mean direction of the members."""
    vectors, _ = blobs([40, 80])
    fit, membership = fitted(vectors)
    for place, ids in enumerate(fit.exemplar_ids):
        members = np.flatnonzero(membership.labels == fit.labels[place])
        mean = vectors[members].mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(
            fit.centres[place], mean / np.linalg.norm(mean), atol=1e-6
        )
        cosines = vectors[members] @ fit.centres[place]
        assert list(ids) == [f"o{i}" for i in members[np.argsort(-cosines)][:5]]


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_fit(method: Method) -> None:
    """Down to the last bit."""
    vectors, _ = blobs([50, 60])
    one, two = (fitted(vectors, Settings(method, seed=3)).fit.to_arrays() for _ in "ab")
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_comes_back_from_its_arrays(method: Method) -> None:
    """With every id, also of clusters with fewer than five members."""
    vectors, _ = blobs([30, 40])
    fit, _ = fitted(vectors, Settings(method, seed=2**32 - 1))
    found = ClusterFit.from_arrays(4, fit.to_arrays())
    assert found is not None
    assert found.version == 4
    assert (found.sizes, found.names) == (fit.sizes, fit.names)
    assert (found.settings, found.next_label) == (fit.settings, fit.next_label)
    assert found.exemplar_ids == fit.exemplar_ids
    np.testing.assert_array_equal(
        found.probabilities(vectors), fit.probabilities(vectors)
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num", [2, 3, 19])
def test_few_objects_are_one_cluster(num: int, method: Method) -> None:
    """There is nothing to choose between."""
    vectors, _ = blobs([num])
    fit, _ = fitted(vectors, Settings(method))
    assert fit.sizes == (num,)
    assert (fit.probabilities(vectors)[:, 0] > 0.9).all()


@pytest.mark.parametrize("method", METHODS)
def test_equal_objects_are_one_cluster(method: Method) -> None:
    """Without a warning; what differs from them is in none."""
    vectors, _ = blobs([2])
    fit, _ = fitted(np.repeat(vectors[:1], 60, axis=0), Settings(method))
    assert fit.sizes == (60,)
    assert fit.probabilities(vectors[:1])[0, 0] > 0.99
    assert fit.members(vectors[1:]).labels.tolist() == [NOWHERE]


@pytest.mark.parametrize("method", METHODS)
def test_copies_of_a_few_objects_are_clusters(method: Method) -> None:
    """As many as there are different ones, or fewer; each copy has the same answer."""
    vectors, labels = blobs([30, 30, 30])
    originals = np.stack([vectors[labels == kind][0] for kind in range(3)])
    copies = np.repeat(originals, 40, axis=0)
    fit, membership = fitted(copies, Settings(method))
    assert 1 <= len(fit.labels) <= 3
    assert sum(fit.sizes) == 120
    for kind in range(3):
        assert len(set(membership.labels[40 * kind : 40 * kind + 40])) == 1


@pytest.mark.parametrize("method", GAUSSIAN)
def test_as_many_clusters_as_are_asked_for(method: Method) -> None:
    vectors, labels = blobs([200, 200, 200, 200])
    fit, membership = fitted(vectors, Settings(method, 4))
    assert len(fit.labels) == 4
    assert adjusted_rand_score(labels, membership.labels) > 0.95
    assert 0.8 < fit.stability <= 1


def test_more_clusters_than_different_objects_are_refused() -> None:
    vectors, _ = blobs([4])
    with pytest.raises(NotReady, match="only 4 of the searchable objects") as caught:
        fitted(np.repeat(vectors, 30, axis=0), Settings("kmeans", 5))
    assert caught.value.reason == "too_few_objects"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("mixtures",), "no method"),
        (("kmeans", 257), "1 to 256"),
        (("kmeans", -1), "1 to 256"),
        (("hdbscan", 3), "leave out the number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: tuple, told: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(BadRequest, match=told) as caught:
        Settings(*given)
    assert caught.value.reason == "bad_fit"


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_can_be_ended(method: Method) -> None:
    vectors, _ = blobs([300, 300])

    def gone() -> None:
        raise Cancelled("enough")

    with caller.waits(gone), pytest.raises(Cancelled):
        fitted(vectors, Settings(method))
