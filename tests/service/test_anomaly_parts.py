"""Second opinions, nuisances, outstanding attributes, false-discovery control."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture

from skylike.client.discovery import discoveries as of_the_client
from skylike.service.anomaly import discoveries
from skylike.service.anomaly.forest import Forest
from skylike.service.anomaly.mixture import Mixture
from skylike.service.anomaly.nuisance import Control, control, spearman
from skylike.service.anomaly.usual import Spread, Usual
from skylike.service.errors import BadRequest


def cloud(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)


@pytest.mark.parametrize("count", [2, 3, 50, 1000])
def test_the_forest_is_that_of_scikit_learn(count: int) -> None:
    vectors, others = cloud(count), cloud(300, seed=1)
    theirs = IsolationForest(
        n_estimators=100, max_samples=min(256, count), random_state=5
    ).fit(vectors)
    forest = Forest.grown(vectors, 5)
    for some in (vectors, others):
        found = forest.scores(some)
        np.testing.assert_allclose(found, -theirs.score_samples(some), atol=1e-6)
    kept = Forest.from_arrays(forest.to_arrays())
    np.testing.assert_array_equal(kept.scores(others), forest.scores(others))


def test_a_forest_of_copies_calls_nothing_odd() -> None:
    forest = Forest.grown(np.ones((30, 4), np.float32), 0)
    assert len(set(forest.scores(np.eye(4, dtype=np.float32)).tolist())) == 1


def test_the_mixture_tells_densities_as_scikit_learn_does() -> None:
    vectors, others = cloud(600), cloud(50, seed=1)
    mixture = Mixture.fitted(vectors, 0)
    theirs = GaussianMixture(len(mixture.weights), covariance_type="diag")
    theirs.weights_, theirs.means_ = mixture.weights, mixture.means
    theirs.covariances_ = mixture.variances
    theirs.precisions_cholesky_ = 1 / np.sqrt(mixture.variances)
    np.testing.assert_allclose(
        mixture.scores(others), -theirs.score_samples(others.astype(float)), rtol=1e-9
    )
    kept = Mixture.from_arrays(mixture.to_arrays())
    np.testing.assert_array_equal(kept.scores(others), mixture.scores(others))


def test_what_goes_with_a_nuisance_does_no_more_once_it_is_controlled_for() -> None:
    random = np.random.default_rng(0)
    snr, valid = random.lognormal(3, 1, 4000), random.uniform(0.5, 1, 4000)
    scores = -np.log(snr) + 0.3 * random.normal(size=4000)
    made, percentiles = control(scores, {"snr": snr, "valid_fraction": valid})
    by_name = {one.name: one for one in made.correlations}
    assert set(by_name) == {"snr", "valid_fraction"}
    assert by_name["snr"].score < -0.9
    assert abs(by_name["snr"].controlled) < 0.3
    assert abs(by_name["valid_fraction"].controlled) < 0.05
    kept = Control.from_arrays(made.to_arrays())
    for place in range(0, 4000, 97):
        known = {"snr": snr[place], "valid_fraction": valid[place]}
        assert kept.percentile(scores[place], known) == percentiles[place]
    odd = np.argmax(percentiles + (snr < 10) * -1e3)
    assert snr[odd] >= 10, "an object of good depth may be the oddest of its kind"


def test_nuisances_that_are_unknown_or_constant_are_left_alone() -> None:
    scores = np.arange(1000.0)
    few = np.where(scores < 100, scores, np.nan)
    made, percentiles = control(scores, {"snr": few, "valid_fraction": np.ones(1000)})
    assert made.correlations == ()
    assert np.isnan(percentiles).all()
    assert made.percentile(1.0, {"snr": 5.0}) is None
    most = np.where(scores < 900, scores, np.nan)
    made, percentiles = control(scores, {"snr": most})
    assert np.isnan(percentiles[900:]).all()
    assert np.isfinite(percentiles[:900]).all()
    assert made.percentile(1.0, {}) is None
    assert made.correlations[0].num_objects == 900
    assert Control.from_arrays(made.to_arrays()).names == ("snr",)


def test_who_tells_less_is_compared_by_what_is_told() -> None:
    """As a new cutout, of which nobody knows the depth: by all of its beam."""
    random = np.random.default_rng(0)
    snr, beam = random.lognormal(3, 1, 4000), random.uniform(2, 9, 4000)
    scores = beam + random.normal(size=4000) - np.log(snr)
    snr[:50] = np.nan
    made, percentiles = control(scores, {"snr": snr, "seeing_arcsec": beam})
    for place in (0, 17, 49):
        told = {"seeing_arcsec": beam[place], "snr": None, "valid_fraction": 1.0}
        assert made.percentile(scores[place], told) == percentiles[place]
    near = np.abs(beam - 5.0) < 0.3
    share = 100 * (scores[near] < 4.0).mean()
    assert made.percentile(4.0, {"seeing_arcsec": 5.0}) == pytest.approx(share, abs=6)
    assert made.percentile(4.0, {"snr": float("nan")}) is None
    assert made.percentile(4.0, {"valid_fraction": 1.0}) is None


def test_one_nuisance_of_a_kind_is_controlled_for() -> None:
    """The first name that most objects have."""
    numbers = np.arange(500.0)
    columns = dict.fromkeys(("snr", "signal_to_noise", "seeing_arcsec"), numbers)
    made, _ = control(numbers, columns)
    assert made.names == ("signal_to_noise", "seeing_arcsec")


def test_rank_correlation_is_that_of_scipy() -> None:
    from scipy.stats import spearmanr  # noqa: PLC0415

    random = np.random.default_rng(0)
    for decimals in (0, 9):
        one, other = np.round(random.normal(size=(2, 200)), decimals)
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert spearman(np.zeros(5), np.arange(5.0)) == 0


@pytest.mark.parametrize("unit", [1e-11, 1.0, 1e3])
def test_what_stands_out_does_so_in_any_unit(unit: float) -> None:
    random = np.random.default_rng(0)
    archive = unit * random.normal(5, 1, 1000)
    usual = Usual({"flux": Spread.of(archive), "size": Spread.of(np.ones(1000))})
    near = [{"flux": unit * (5 + 0.1 * i), "size": 1.0} for i in range(20)]
    [told] = usual.outstanding({"flux": unit * 15, "size": 1.0, "text": "x"}, near)
    assert told.name == "flux"
    assert told.z_of_archive == pytest.approx(10, rel=0.1)
    assert told.z_of_neighbors is not None
    assert told.z_of_neighbors > 10
    assert told.median_of_neighbors == pytest.approx(unit * 5.95)
    assert not usual.outstanding({"flux": unit * 5.5}, near)


def test_where_all_are_equal_the_one_that_differs_stands_out() -> None:
    """The least difference does, with a finite z."""
    usual = Usual({"bands": Spread.of(np.full(1000, 3.0))})
    near = [{"bands": 3}] * 20
    [told] = usual.outstanding({"bands": 4}, near)
    assert told.z_of_neighbors == pytest.approx(21 / 1.2533)
    assert told.z_of_archive == pytest.approx(1001 / 1.2533)
    assert not usual.outstanding({"bands": 3}, near)


def test_few_numbers_and_truth_values_stand_out_against_nothing() -> None:
    usual = Usual({"flux": Spread.of(np.array([1.0, 2.0]))})
    assert not usual.outstanding({"flux": 1e9, "seen": True}, [{"flux": 1.0}] * 3)
    assert not usual.outstanding({"new": 1e9}, [])
    kept = Usual.from_arrays(Usual({}).to_arrays())
    assert kept.spreads == {}


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    """Their own example (1995, section 3.3): four of fifteen at 0.05."""
    values = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
        0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
    ]  # fmt: skip
    shuffled = np.random.default_rng(0).permutation(15)
    found = discoveries(np.array(values)[shuffled], 0.05)
    assert found.threshold == 0.0095
    assert sorted(shuffled[found.selected].tolist()) == [0, 1, 2, 3]
    assert not discoveries([0.5, 0.9], 0.1).selected.any()
    assert discoveries([0.5, 0.9], 0.1).threshold == 0
    assert len(discoveries([], 0.1).selected) == 0


def test_what_is_just_at_its_limit_is_a_discovery() -> None:
    """Also where the product of rate and rank is rounded down: 0.3 * 3 is below 0.9."""
    for rate, rank, count in (
        (0.3, 3, 100),
        (0.1, 3, 100),
        (0.7, 1, 10),
        (0.05, 6, 60),
    ):
        at_limit = round(rate * rank / count, 12)
        values = [at_limit] * rank + [1.0] * (count - rank)
        for found in (discoveries(values, rate), of_the_client(values, rate)):
            assert found.selected.sum() == rank
            assert found.threshold == at_limit
        above = [one * (1 + 1e-9) for one in values[:rank]] + values[rank:]
        assert not discoveries(above, rate).selected.any()


def test_service_and_client_choose_the_same() -> None:
    """The client has a copy, since it works without a service."""
    random = np.random.default_rng(0)
    for count in (0, 1, 7, 200):
        for rate in (0.01, 0.1, 0.3, 0.999):
            for num_calibration in (9, 99, 10_000):
                ranks = random.integers(1, num_calibration + 2, count)
                values = (ranks / (num_calibration + 1)) ** 2
                ours, theirs = discoveries(values, rate), of_the_client(values, rate)
                np.testing.assert_array_equal(ours.selected, theirs.selected)
                assert ours.threshold == theirs.threshold


@pytest.mark.parametrize(
    ("values", "rate", "reason"),
    [
        ([0.5], 0.0, "bad_rate"),
        ([0.5], 1.0, "bad_rate"),
        ([0.5], float("nan"), "bad_rate"),
        ([1.5], 0.1, "bad_p_value"),
        ([float("nan")], 0.1, "bad_p_value"),
    ],
)
def test_what_is_no_probability_is_refused(
    values: list[float], rate: float, reason: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        discoveries(values, rate)
    assert caught.value.reason == reason


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
def test_the_false_discovery_rate_is_kept_over_a_thousand_batches(rate: float) -> None:
    """Conformal p-values of 200 objects, 20 of them odd, by one calibration a batch."""
    random = np.random.default_rng(7)
    shares, found = [], []
    for _ in range(1000):
        calibration = np.sort(random.normal(size=999))
        scores = random.normal(size=200)
        scores[:20] += 4
        above = 999 - np.searchsorted(calibration, scores)
        selected = discoveries((1 + above) / 1000, rate).selected
        shares.append(selected[20:].sum() / max(1, selected.sum()))
        found.append(selected[:20].mean())
    error = np.std(shares) / np.sqrt(1000)
    assert np.mean(shares) <= rate * 180 / 200 + 3 * error
    assert np.mean(found) > 0.5, "it is not kept by finding nothing"
