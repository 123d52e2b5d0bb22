"""Scores, percentiles and p-values."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from skylike.service import anomaly
from skylike.service.anomaly import AnomalyFit, Surrounding

FIT = AnomalyFit(
    version=0,
    k=2,
    rows=np.array([3, 5, 9]),
    spacing=np.array([0.1, 0.3, 0.0]),
    archive_scores=np.array([0.1, 0.2, 0.2, 0.3]),
    calibration=np.eye(3, 4, dtype=np.float32),
    calibration_scores=np.array([0.1, 0.2, 0.4]),
)


def calibrated(scores: ArrayLike) -> AnomalyFit:
    return replace(FIT, calibration_scores=np.sort(scores))


def test_the_score_weighs_the_distance_by_the_spacing_of_the_neighbours() -> None:
    """Rows 3 and 5 lie 0.1 and 0.3 from their own neighbours, 0.2 on average."""
    assert FIT.score([0.5, 0.3], [3, 5]) == pytest.approx(0.6 / 0.2 ** (2 / 3))
    assert FIT.score([0.5], [3]) > FIT.score([0.5], [5])


def test_a_copy_scores_zero_and_a_stranger_among_copies_stays_finite() -> None:
    assert FIT.score([1.0, 1.0 + 1e-12], [3, 5]) == 0
    assert 0 < FIT.score([0.5], [9]) < 1e4
    assert FIT.score([], []) == 0, "everything has been deleted since"


def test_objects_added_after_the_fit_do_not_tell_how_crowded_it_is() -> None:
    assert FIT.score([0.5, 0.5], [3, 77]) == FIT.score([0.5], [3])
    everywhere = float(np.mean(FIT.spacing))
    assert FIT.score([0.5], [77]) == pytest.approx(0.5 / everywhere ** (2 / 3))


def test_a_fit_scores_the_archive_and_the_calibration_alike() -> None:
    """Each object by its own neighbours, together as one by one."""
    near = np.array([[4, 8], [2, 8], [2, 4]])
    cosines = np.array([[0.7, 0.5], [0.6, 0.4], [0.9, 0.8]])
    parts = [
        Surrounding.of(near[:1], cosines[:1]),
        Surrounding.of(near[1:], cosines[1:]),
    ]
    found, scores = anomaly.fit(
        2,
        np.array([2, 4, 8]),
        Surrounding.joined(parts),
        np.eye(1, 4, dtype=np.float32),
        parts[0],
    )
    np.testing.assert_allclose(found.spacing, [0.4, 0.5, 0.15])
    expected = [
        found.score(one, rows) for one, rows in zip(cosines, near.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(found.archive_scores, np.sort(scores))
    assert found.calibration_scores.tolist() == scores[:1].tolist()


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
    assert calibrated([]).p_value(0.1) is None


def test_p_values_of_exchangeable_objects_keep_their_promise() -> None:
    """P(p <= a) <= a over random splits, also with many equal scores."""
    random = np.random.default_rng(0)
    for decimals in (1, 8):
        values = []
        for _ in range(400):
            scores = np.round(random.gamma(2, 0.2, 100), decimals)
            fit = calibrated(scores[:60])
            values += [fit.p_value(score) for score in scores[60:]]
        p_values = np.array(values, float).reshape(400, -1)
        for level in (0.01, 0.05, 0.1, 0.5):
            shares = (p_values <= level).mean(axis=1)
            error = shares.std() / np.sqrt(len(shares))
            assert shares.mean() <= level + 3 * error
        if decimals == 8:
            assert (p_values <= 0.5).mean() == pytest.approx(0.5, abs=0.03)


def test_a_fit_comes_back_from_its_arrays() -> None:
    """With the version it was given."""
    found = AnomalyFit.from_arrays(7, FIT.to_arrays())
    assert (found.version, found.k) == (7, 2)
    assert found.score([0.5], [3]) == FIT.score([0.5], [3])
    np.testing.assert_array_equal(found.archive_scores, [0.1, 0.2, 0.2, 0.3])
    np.testing.assert_array_equal(found.calibration_scores, [0.1, 0.2, 0.4])


def test_small_archives_have_fewer_neighbours() -> None:
    """All but the object itself."""
    assert [anomaly.num_neighbors(n) for n in (2, 11, 12, 1000)] == [1, 10, 11, 20]
