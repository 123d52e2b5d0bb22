"""The mixture: found, served, stored."""

from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from skylike.service import clusters
from skylike.service.clusters import ClusterFit


def blobs(sizes: list[int], dimension: int = 12, seed: int = 0) -> tuple[Any, Any]:
    """Unit vectors around one random direction per size, and which is whose."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = random.normal(size=(len(sizes), dimension))
    vectors = centres[labels] + random.normal(0, 0.3, (len(labels), dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels


def test_separate_groups_are_found_and_ordered_by_size() -> None:
    """Each object lands with its own kind; cluster 0 is the largest."""
    vectors, labels = blobs([60, 200, 120])
    fit = clusters.fit(vectors, "o{}".format)
    assert fit.sizes == (200, 120, 60)
    assert fit.names == ("cluster 0", "cluster 1", "cluster 2")
    found = fit.probabilities(vectors).argmax(axis=1)
    np.testing.assert_array_equal(found, np.array([2, 0, 1])[labels])


def test_exemplars_are_the_members_nearest_to_the_centre() -> None:
    """At most five, nearest first."""
    vectors, _ = blobs([40, 80])
    fit = clusters.fit(vectors, "o{}".format)
    labels = fit.probabilities(vectors).argmax(axis=1)
    for label, ids in enumerate(fit.exemplar_ids):
        members = np.flatnonzero(labels == label)
        cosines = vectors[members] @ fit.means[label]
        assert list(ids) == [f"o{i}" for i in members[np.argsort(-cosines)][:5]]


@pytest.mark.parametrize("num_components", [1, 3, 7])
def test_probabilities_equal_those_of_scikit_learn(num_components: int) -> None:
    """Within 1e-6, near the clusters and far from them."""
    vectors, _ = blobs([50, 90, 70], dimension=32)
    mixture = GaussianMixture(
        num_components, covariance_type="diag", reg_covar=1e-4, random_state=1
    ).fit(vectors.astype(np.float64))
    fit = ClusterFit(
        version=1,
        weights=mixture.weights_,
        means=mixture.means_,
        variances=mixture.covariances_,
        sizes=(),
        exemplar_ids=(),
        names=(),
    )
    queries = np.concatenate([vectors, blobs([100], dimension=32, seed=9)[0]])
    np.testing.assert_allclose(
        fit.probabilities(queries),
        mixture.predict_proba(queries.astype(np.float64)),
        atol=1e-6,
    )
    assert fit.probabilities(vectors[:0]).shape == (0, num_components)


def test_objects_are_assigned_in_parts_as_one_by_one() -> None:
    """More than are assigned at a time; a centre at the origin is near to nobody."""
    vectors, _ = blobs([6000, 3000])
    fit = clusters.fit(vectors[::50], "o{}".format)
    found = fit.members(vectors)
    for place in (0, 8191, 8192, 8999):
        one = fit.members(vectors[place : place + 1])
        assert found.labels[place] == one.labels[0]
        assert found.probabilities[place] == pytest.approx(one.probabilities[0])
        centre = fit.means[one.labels[0]]
        cosine = vectors[place] @ centre / np.linalg.norm(centre)
        assert found.similarities[place] == pytest.approx(cosine)
    opposite = np.concatenate([vectors[:1], -vectors[:1]])
    fit = clusters.fit(opposite, "o{}".format)
    assert fit.members(opposite).similarities.tolist() == [0, 0]


def test_same_seed_same_fit() -> None:
    """Down to the last bit."""
    vectors, _ = blobs([50, 60])
    one, two = (clusters.fit(vectors, "o{}".format, seed=3).to_arrays() for _ in "ab")
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])


@pytest.mark.parametrize("num", [2, 3, 19])
def test_few_objects_are_one_cluster(num: int) -> None:
    """There is nothing to choose between."""
    vectors, _ = blobs([num])
    fit = clusters.fit(vectors, "o{}".format)
    assert fit.sizes == (num,)
    np.testing.assert_allclose(fit.probabilities(vectors), 1)


def test_equal_objects_are_one_cluster() -> None:
    """And so are two kinds of them at most two, without a warning."""
    vectors, _ = blobs([2])
    same = clusters.fit(np.repeat(vectors[:1], 60, axis=0), "o{}".format)
    assert same.sizes == (60,)
    np.testing.assert_allclose(same.probabilities(vectors), 1)
    pair = clusters.fit(np.repeat(vectors, 60, axis=0), "o{}".format)
    assert sum(pair.sizes) == 120
    assert np.isfinite(pair.probabilities(vectors)).all()


def test_a_fit_comes_back_from_its_arrays() -> None:
    """With every id, also of clusters with fewer than five members."""
    vectors, _ = blobs([30, 40])
    fit = clusters.fit(vectors, "é{}".format)
    found = ClusterFit.from_arrays(4, fit.to_arrays())
    assert found.version == 4
    assert (found.sizes, found.names) == (fit.sizes, fit.names)
    assert found.exemplar_ids == fit.exemplar_ids
    np.testing.assert_array_equal(
        found.probabilities(vectors), fit.probabilities(vectors)
    )
