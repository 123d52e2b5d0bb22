"""Scores, percentiles and p-values."""

import numpy as np
import pytest

from skylike.service import anomaly
from skylike.service.anomaly import AnomalyFit

FIT = anomaly.fit(2, np.array([0.3, 0.1, 0.2, 0.2]), np.array([0.4, 0.1, 0.2]))


def test_the_score_is_the_mean_cosine_distance() -> None:
    """Zero for itself, two for the opposite, never below zero."""
    assert FIT.score([0.5, 0.3]) == pytest.approx(0.6)
    assert FIT.score([-1.0, -1.0]) == 2
    assert FIT.score([1.0, 1.0 + 1e-12]) == 0


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
    assert anomaly.fit(2, np.array([0.1]), np.empty(0)).p_value(0.1) is None


def test_p_values_of_exchangeable_objects_keep_their_promise() -> None:
    """P(p <= a) <= a over random splits, also with many equal scores."""
    random = np.random.default_rng(0)
    for decimals in (1, 8):
        values = []
        for _ in range(400):
            scores = np.round(random.gamma(2, 0.2, 100), decimals)
            fit = anomaly.fit(10, scores, scores[:60])
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
    np.testing.assert_array_equal(found.archive_scores, [0.1, 0.2, 0.2, 0.3])
    np.testing.assert_array_equal(found.calibration_scores, [0.1, 0.2, 0.4])


def test_small_archives_have_fewer_neighbours() -> None:
    """All but the object itself."""
    assert [anomaly.num_neighbors(n) for n in (2, 11, 12, 1000)] == [1, 10, 10, 10]
