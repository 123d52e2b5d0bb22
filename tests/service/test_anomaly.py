"""Scores, percentiles, p-values, and what explains them."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from skylike.service import anomaly
from skylike.service.anomaly import PARTS, AnomalyFit, Surrounding
from skylike.service.anomaly.neighbors import Crowd

CROWD = Crowd(
    k=2,
    rows=np.array([3, 5, 9]),
    edges=np.array([0.1, 0.4, 0.0]),
    spacing=np.array([0.1, 0.3, 0.0]),
    gaps=np.array([0.05, 0.25, 0.0]),
)


def brute(
    vectors: NDArray[np.float32], archive: NDArray[np.float32], k: int, *, same: bool
) -> Surrounding:
    """The k nearest of each in an archive, in which it stands itself or not."""
    cosines = vectors.astype(float) @ archive.T.astype(float)
    if same:
        np.fill_diagonal(cosines, -np.inf)
    places = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return Surrounding.of(places, np.take_along_axis(cosines, places, axis=1))


def unit(count: int, dimension: int = 8, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def fitted(
    vectors: NDArray[np.float32],
    calibration: NDArray[np.float32] | None = None,
    columns: dict[str, NDArray[np.float64]] | None = None,
) -> anomaly.Fitted:
    """A fit by brute force."""
    k = anomaly.num_neighbors(len(vectors))
    given = vectors[:0] if calibration is None else calibration
    return anomaly.fit(
        np.arange(len(vectors)),
        vectors,
        brute(vectors, vectors, k, same=True),
        calibration=given,
        near_calibration=brute(given, vectors, k, same=False),
        columns=columns or {},
    )


FIT = replace(
    fitted(unit(4)).fit,
    archive_scores=np.array([0.1, 0.2, 0.2, 0.3]),
    calibration_scores=np.array([0.1, 0.2, 0.4]),
)


def score(cosines: list[float], rows: list[int]) -> float:
    return float(CROWD.nearness(Surrounding.of([rows], [cosines])).score[0])


def test_the_score_weighs_the_distance_by_the_gaps_between_the_neighbours() -> None:
    """Row 3 lies 0.05 from its own, row 5 0.25; no neighbour is nearer than its edge."""
    gap = (0.05 + 0.25) / 2
    reached = (0.5 + 0.7) / 2
    assert score([0.5, 0.3], [3, 5]) == pytest.approx(reached / gap ** (2 / 3))
    assert score([0.95, 0.8], [3, 5]) == pytest.approx((0.1 + 0.4) / 2 / gap ** (2 / 3))
    assert score([0.5], [3]) > score([0.5], [5])


def test_a_few_of_a_kind_do_not_hide_each_other() -> None:
    """Twelve alike, beside three crowds: odder than 98 % of these, though not alone."""
    random = np.random.default_rng(0)
    axes = np.eye(24)
    crowds = 1.2 * np.repeat(axes[:3], 200, axis=0)
    crowds += 0.25 * random.normal(size=crowds.shape)
    few = axes[7] + 0.5 * axes[0] + 0.05 * random.normal(size=(12, 24))
    points = np.concatenate([crowds, few])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    scores = fitted(points.astype(np.float32)).scores
    assert scores[-12:].min() > np.quantile(scores[:-12], 0.98)


def test_many_pictures_of_an_ordinary_source_are_not_odd_for_that() -> None:
    """Sixteen of each of ten, in an archive of 600: as close as no kind is."""
    ordinary = unit(600, seed=3)
    scores = fitted(np.concatenate([ordinary, *[ordinary[:10]] * 15])).scores
    alone = scores[10:600]
    of_copied = (scores[:10, None] > alone).mean(axis=1)
    assert np.median(of_copied) < 0.6
    assert (of_copied >= 0.98).sum() <= 1


def test_the_density_ratio_is_the_local_outlier_factor_of_scikit_learn() -> None:
    from sklearn.neighbors import LocalOutlierFactor  # noqa: PLC0415

    vectors = unit(300)
    near = brute(vectors, vectors, 20, same=True)
    found = Crowd.of(np.arange(300), near).nearness(near)
    theirs = LocalOutlierFactor(20, metric="cosine", algorithm="brute").fit(vectors)
    np.testing.assert_allclose(
        found.density_ratio, -theirs.negative_outlier_factor_, rtol=1e-5
    )


def test_copies_score_zero_and_a_stranger_among_copies_stays_finite() -> None:
    assert score([1.0, 1.0 + 1e-12], [9, 9]) == 0
    assert 0 < score([0.5], [9]) < 1e4
    assert score([], []) == 0, "everything has been deleted since"


def test_objects_added_after_the_fit_do_not_tell_how_crowded_it_is() -> None:
    assert score([0.5, 0.5], [3, 77]) == pytest.approx(score([0.5], [3]))
    everywhere = 0.1  # the mean of all gaps
    assert score([0.5], [77]) == pytest.approx(0.5 / everywhere ** (2 / 3))


def test_a_fit_judges_the_archive_and_others_alike() -> None:
    """All together, in parts, one by one: by the neighbours of each."""
    vectors = unit(200)
    made, scores, _ = fitted(vectors, calibration=vectors[:3])
    near = brute(vectors, vectors, made.k, same=True)
    one_by_one = made.judged(
        vectors, [Surrounding(r[None], d[None]) for r, d in zip(*near, strict=True)]
    )
    np.testing.assert_allclose([one.score for one in one_by_one], scores, rtol=1e-12)
    assert [one.percentile for one in one_by_one] == [
        100 * np.count_nonzero(scores < own) / 200 for own in scores
    ]
    for number, name in enumerate(PARTS):
        parts = [one.parts[number] for one in one_by_one]
        assert {part.name for part in parts} == {name}
        by_score = sorted(parts, key=lambda part: part.score)
        shares = [part.percentile for part in by_score]
        assert shares == sorted(shares)
        assert shares[0] == 0
        assert shares[-1] == pytest.approx(99.5, abs=0.51)
    np.testing.assert_array_equal(made.archive_scores, np.sort(scores))


@pytest.mark.parametrize(
    ("score", "percentile"), [(0.05, 0), (0.1, 0), (0.2, 25), (0.25, 75), (0.9, 100)]
)
def test_the_percentile_counts_lower_scores(score: float, percentile: float) -> None:
    """Equal scores are not lower."""
    assert FIT.percentile(score) == percentile


@pytest.mark.parametrize(
    ("score", "p_value"), [(0.05, 1), (0.1, 1), (0.2, 0.75), (0.3, 0.5), (0.5, 0.25)]
)
def test_the_p_value_counts_higher_and_equal_scores(
    score: float, p_value: float
) -> None:
    """(1 + number of calibration scores at or above) / (n + 1)."""
    assert FIT.p_value(score) == p_value


def test_without_calibration_there_is_no_p_value() -> None:
    """Nothing is claimed."""
    assert replace(FIT, calibration_scores=np.empty(0)).p_value(0.1) is None


def test_nothing_is_claimed_below_one_in_all_calibration_objects_and_the_query() -> (
    None
):
    for count in (1, 3, 99):
        fit = replace(FIT, calibration_scores=np.arange(count, dtype=float))
        assert fit.p_value(np.inf) == 1 / (count + 1)


def test_a_fit_comes_back_from_its_arrays() -> None:
    """With the version it was given, and judging as before."""
    vectors = unit(120)
    columns = {"snr": np.linspace(3, 9, 120), "flux": np.arange(120.0)}
    made = fitted(vectors, unit(9, seed=1), columns).fit
    found = AnomalyFit.from_arrays(7, made.to_arrays())
    assert found is not None
    assert (found.version, found.k) == (7, made.k)
    new = unit(5, seed=2)
    near = [brute(one[None], vectors, made.k, same=False) for one in new]
    assert found.judged(new, near) == made.judged(new, near)
    assert found.p_value(1.0) == made.p_value(1.0)
    assert found.control.correlations == made.control.correlations
    assert found.control.percentile(2.0, {"snr": 4}) == made.control.percentile(
        2.0, {"snr": 4}
    )
    assert found.usual.spreads == made.usual.spreads


def test_of_no_objects_there_is_nothing_to_judge() -> None:
    assert FIT.judged(None, []) == []
    assert FIT.judged(unit(0), []) == []


def test_a_fit_from_before_there_were_gaps_judges_as_it_did() -> None:
    """By the mean density of the neighbours, as the scores it is compared with."""
    vectors = unit(120)
    made = fitted(vectors, unit(9, seed=1)).fit
    arrays = made.to_arrays() | {"format": np.array(1)}
    del arrays["crowd.gaps"]
    found = AnomalyFit.from_arrays(3, arrays)
    assert found is not None
    new = [
        Surrounding.of([[2, 3]], [[0.5, 0.3]]),
        Surrounding.of([[2, 500]], [[0.5, 0.3]]),
    ]
    told = [one.score for one in found.judged(None, new)]
    density = 1 / found.crowd.spacing[[2, 3]]
    edges = found.crowd.edges[[2, 3]]
    reached = np.maximum([0.5, 0.7], edges).mean()
    assert told[0] == pytest.approx(reached * density.mean() ** (2 / 3))
    reached = (max(0.5, edges[0]) + 0.7) / 2
    assert told[1] == pytest.approx(reached * density[0] ** (2 / 3))
    again = AnomalyFit.from_arrays(3, found.to_arrays())
    assert again is not None
    assert again.judged(None, new) == found.judged(None, new)


def test_a_fit_of_an_older_skylike_is_none() -> None:
    arrays = FIT.to_arrays()
    del arrays["format"]
    assert AnomalyFit.from_arrays(1, arrays) is None


def test_small_archives_have_fewer_neighbours() -> None:
    """All but the object itself."""
    assert [anomaly.num_neighbors(n) for n in (2, 11, 12, 21, 1000)] == [
        1,
        10,
        11,
        20,
        20,
    ]


@pytest.mark.parametrize(
    "vectors",
    [unit(2), unit(3), np.repeat(unit(1), 40, axis=0), np.repeat(unit(2), 30, axis=0)],
    ids=["two", "three", "one, copied", "two, copied"],
)
def test_tiny_archives_and_copies_are_judged(vectors: NDArray[np.float32]) -> None:
    """Finite numbers, percentiles from 0 to 100; copies of all there is are not odd."""
    made, scores, controlled = fitted(vectors, unit(5, seed=9))
    assert np.isfinite(scores).all()
    assert np.isnan(controlled).all(), "nothing is known of how they were observed"
    near = [brute(one[None], vectors, made.k, same=False) for one in unit(3, seed=4)]
    for judged in made.judged(unit(3, seed=4), near):
        numbers: ArrayLike = [judged.score, *(part.score for part in judged.parts)]
        assert np.isfinite(numbers).all()
        assert all(0 <= part.percentile <= 100 for part in judged.parts)
    if len(vectors) >= 40:
        assert not scores.any()
