"""The parts of a fit: space, mixture, crowds, number, matching."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.cluster import HDBSCAN
from sklearn.mixture import GaussianMixture
from tests.service.clusters.drawn import blobs

from skylike.service.clusters import number
from skylike.service.clusters.cores import fit_cores
from skylike.service.clusters.gaussians import fit_k_means, mixture_of
from skylike.service.clusters.matching import matched
from skylike.service.clusters.space import Space
from skylike.service.clusters.stability import agreements, gain
from skylike.service.mixtures import fit_mixture
from skylike.service.progress import Progress, Shown


def test_axes_hold_the_variance_and_the_rest_is_noise() -> None:
    """Distances are kept: along the axes, and beside them."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(500, 20)) * np.r_[3.0, 2.0, 1.5, np.full(17, 0.1)]
    space = Space.of(vectors.astype(np.float32))
    assert len(space.axes) < 4
    points, rests = space.place(vectors.astype(np.float32))
    np.testing.assert_allclose(
        np.square(points).sum(axis=1) + rests,
        np.square(vectors - space.mean).sum(axis=1),
        rtol=1e-4,
    )
    assert rests.mean() == pytest.approx(space.noise * space.num_left, rel=1e-3)
    np.testing.assert_allclose(
        space.axes @ space.axes.T, np.eye(len(space.axes)), atol=1e-9
    )


@pytest.mark.parametrize("shape", ["full", "diag"])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_shares_equal_those_of_scikit_learn(count: int, shape: str) -> None:
    """Within 1e-6, near the clusters and far from them."""
    vectors, _ = blobs([50, 90, 70], dimension=16)
    space = Space.of(vectors)
    placed = space.place(vectors)
    fitted = fit_mixture(placed.points, count, shape, 1e-4, 1)  # type: ignore[arg-type]
    assert isinstance(fitted, GaussianMixture)
    queries = np.concatenate([vectors, blobs([100], dimension=16, seed=9)[0]])
    asked = space.place(queries)
    mixture = mixture_of(space, fitted)
    shares = mixture.shares(asked)
    np.testing.assert_allclose(
        shares[:, :-1], fitted.predict_proba(asked.points), atol=1e-6
    )
    assert (shares[:, -1] == 0).all()  # without a background
    np.testing.assert_allclose(
        mixture.explained(asked) - fitted.score_samples(asked.points),
        multivariate_normal.logpdf(np.sqrt(asked.rests), 0, space.noise)
        - 0.5 * (space.num_left - 1) * np.log(2 * np.pi * space.noise),
        atol=1e-6,
    )


@pytest.mark.parametrize("stretched", [False, True])
def test_the_last_hundredth_of_a_component_is_beyond_its_end(stretched: bool) -> None:
    """Also where tails are longer than those of a Gaussian, and some are artefacts."""
    random = np.random.default_rng(0)
    points = random.normal(size=(6000, 24)) * np.r_[np.full(8, 1.0), np.full(16, 0.2)]
    if stretched:
        points /= np.sqrt(random.chisquare(20, (6000, 1)) / 20)
    points[:3000, 0] += 9
    points[:30] *= 4  # artefacts
    known, new = points[::2].astype(np.float32), points[1::2].astype(np.float32)
    space = Space.of(known)
    placed = space.place(known)
    mixture = mixture_of(
        space, fit_mixture(placed.points, 2, "full", space.floor(3000), 0)
    )
    bounded = mixture.bounded(placed)
    outside = bounded.shares(space.place(new))[:, -1] > 0.5
    assert outside[:15].mean() > 0.9
    assert 0.001 < outside[15:].mean() < 0.02
    whole = bounded.shares(placed)[:, -1]
    np.testing.assert_array_equal(
        whole, bounded.taken(np.r_[1, 0]).shares(placed)[:, -1]
    )


def test_k_means_is_a_mixture_of_round_components() -> None:
    vectors, labels = blobs([200, 100])
    space = Space.of(vectors)
    points = space.place(vectors).points
    found = fit_k_means(space, points, 2, 0)
    for weight, mean, root in zip(found.weights, found.means, found.roots, strict=True):
        own = labels == (0 if weight > 0.5 else 1)
        np.testing.assert_allclose(mean, points[own].mean(axis=0), atol=1e-9)
        assert weight == own.mean()
        np.testing.assert_array_equal(root, root[0, 0] * np.eye(len(root)))


def test_crowds_are_those_of_hdbscan() -> None:
    """Its members are told the crowd that it put them in; of noise most is in none."""
    random = np.random.default_rng(0)
    vectors, _ = blobs([300, 200, 100])
    noise = random.normal(size=(60, 12))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    everything = np.concatenate([vectors, noise]).astype(np.float32)
    space = Space.of(everything)
    placed = space.place(everything)
    found = fit_cores(space, placed, 0)
    assert found is not None
    labels = (
        HDBSCAN(min_cluster_size=10, min_samples=10, copy=True)
        .fit(placed.points)
        .labels_
    )
    shares = found.shares(placed)
    members = labels >= 0
    inside = shares[:, -1] <= 0.5
    assert inside[members].mean() >= 0.985
    told = shares[:, :-1].argmax(axis=1)
    both = members & inside
    np.testing.assert_array_equal(told[both], labels[both])
    assert inside[~members].mean() < 0.5


def test_a_sparse_crowd_reaches_further_than_a_dense_one() -> None:
    """A step that leads out of the dense one stays within the sparse one."""
    random = np.random.default_rng(1)
    dense = random.normal([1.0, 0, 0], 0.02, (400, 3))
    sparse = random.normal([-2.0, 0, 0], 0.3, (400, 3))
    points = np.concatenate([dense, sparse])
    space = Space(np.zeros(3), np.eye(3), 1e-9)
    found = fit_cores(space, space.place(points.astype(np.float32)), 0)
    assert found is not None
    assert len(found.counts) == 2
    steps = np.array([[1.0, 0.3, 0], [-2.0, 0.3, 0]], np.float32)
    outside = found.shares(space.place(steps))[:, -1]
    assert outside[0] > 0.9
    assert outside[1] < 0.5


def test_many_cores_are_thinned_but_of_each_crowd_some_stay() -> None:
    vectors, labels = blobs([4000, 60], dimension=6, seed=2)
    space = Space.of(vectors)
    placed = space.place(vectors)
    found = fit_cores(space, placed, 0)
    assert found is not None
    assert len(found.points) <= 1100
    assert found.counts.min() >= 10
    told = found.shares(placed)
    small = labels == 1
    # HDBSCAN itself takes some of so few for noise.
    assert (told[small, -1] <= 0.5).mean() > 0.75
    assert len(set(told[small, :-1].argmax(axis=1))) == 1


@pytest.mark.parametrize("true", [1, 3, 8])
def test_the_number_is_that_of_the_kinds(true: int) -> None:
    """Where they stand apart."""
    vectors, _ = blobs([250] * true, dimension=10, seed=true)
    points = Space.of(vectors).place(vectors).points
    with Progress("choosing", 1, "number", Shown.NOT) as progress:
        found = number.choose(points, 1e-4, 0, progress)
    assert found == true


def test_halves_of_nothing_agree_on_nothing() -> None:
    """Eight kinds of what has none are not found again."""
    points = np.random.default_rng(0).normal(size=(2000, 6))

    def labelled(part: Any) -> Any:
        return fit_mixture(points[part], 8, "full", 1e-4, 0).predict(points)

    found = agreements(len(points), 0, labelled)
    assert found.shape == (5,)
    assert found.mean() < 0.5


def test_what_overlapping_halves_say_counts_for_less() -> None:
    """Five of them are no five samples: the error is that of little more than one."""
    differences = np.array([0.1, 0.12, 0.08, 0.11, 0.09])
    assert gain(differences) == pytest.approx(0.1 - 2 * np.sqrt(1.2 * 0.00025))
    assert gain(differences - 0.07) < 0


def test_clusters_that_share_most_members_are_the_same() -> None:
    """A part of half or more inherits; what merges goes to the larger."""
    old = np.repeat([4, 7, 9], [100, 60, 40])
    new = np.concatenate(
        [np.repeat([1, 0], [70, 30]), np.repeat([2], [60]), np.repeat([2], [40])]
    )
    assert matched(old, new, np.array([4, 7, 9]), 3) == {1: 4, 2: 7}


def test_a_small_part_of_a_cluster_does_not_name_it() -> None:
    """A large one falls into thirds, and one of these absorbs fifty rings."""
    old = np.repeat([0, 1], [10_000, 50])
    new = np.repeat([0, 1, 2, 0], [3334, 3333, 3333, 50])
    assert matched(old, new, np.array([0, 1]), 3) == {}
    new = np.repeat([0, 1, 2, 0], [40, 4960, 5000, 50])
    assert matched(old, new, np.array([0, 1]), 3) == {0: 1, 2: 0}


def test_clusters_that_were_scattered_have_no_heir() -> None:
    old = np.repeat([0], [90])
    new = np.repeat([0, 1, 2], 30)
    assert matched(old, new, np.array([0]), 3) == {}
    nobody = np.empty(0, np.int64)
    assert matched(nobody, nobody, np.array([0]), 1) == {}


def test_objects_in_no_cluster_do_not_count() -> None:
    old = np.array([-1, -1, -1, 5, 5])
    new = np.array([0, 0, 0, 1, -1])
    assert matched(old, new, np.array([5]), 2) == {1: 5}
