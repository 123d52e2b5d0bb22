"""The arithmetic of learning from examples."""

from typing import Any

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from skylike.service.teaching import (
    Examples,
    expected,
    fit_classes,
    fit_quantity,
    gaussian,
    improvement,
    learn,
    suggested,
)
from skylike.service.teaching.examples import Division


def unit(count: int, dimension: int = 8, seed: int = 0) -> Any:
    """Unit vectors in any direction."""
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def alone(vectors: Any) -> Examples:
    """Examples, each at a place of its own."""
    return Examples(vectors, np.arange(len(vectors)))


def test_the_process_is_that_of_scikit_learn() -> None:
    """Mean, deviation and likelihood, where each example is a support point."""
    vectors = unit(60)
    values = np.sin(4 * vectors[:, 0]).astype(np.float64)
    mine = gaussian.fit(vectors, values, amplitude=1.5)
    kernel = ConstantKernel(1.5**2, "fixed") * RBF(mine.length, "fixed")
    theirs = GaussianProcessRegressor(kernel, alpha=mine.noise**2, optimizer=None)
    theirs.fit(vectors.astype(np.float64), values)
    others = unit(500, seed=1)
    means, deviations = mine(others)
    wanted, spreads = theirs.predict(others.astype(np.float64), return_std=True)
    np.testing.assert_allclose(means, wanted, atol=2e-3)
    np.testing.assert_allclose(deviations, spreads, atol=2e-3)
    assert mine.log_likelihood == pytest.approx(
        theirs.log_marginal_likelihood_value_, abs=1e-2
    )


def test_few_support_points_stand_for_many_examples() -> None:
    vectors = unit(2000, dimension=3)
    values = np.sin(3 * vectors[:, 0]).astype(np.float64)
    process = gaussian.fit(vectors, values, amplitude=1.0, num_support=100)
    assert len(process.support) == 100
    others = unit(300, dimension=3, seed=1)
    means, deviations = process(others)
    np.testing.assert_allclose(means, np.sin(3 * others[:, 0]), atol=0.02)
    assert (deviations < 0.1).all()


def test_copies_are_one_support_point() -> None:
    """They break nothing, and say together what each says."""
    vectors = np.repeat(unit(1), 50, axis=0)
    process = gaussian.fit(vectors, np.full(50, 2.0), amplitude=2.0)
    assert len(process.support) == 1
    [mean], [deviation] = process(vectors[:1])
    assert mean == pytest.approx(2.0, abs=0.05)
    assert deviation < 0.1


def test_what_is_odd_is_expected_to_be_interesting() -> None:
    """One in 10 counts 1, one in 1,000 counts 3, nothing more than 5."""
    found = expected(np.array([0.0, 90.0, 99.9, 100.0]))
    np.testing.assert_allclose(found, [0.0, 1.0, 3.0, 5.0])


def test_without_ratings_interest_is_what_is_expected() -> None:
    vectors = unit(5)
    expectations = np.arange(5.0)
    interests, deviations = learn(vectors[:0], np.empty(0), np.empty(0))(
        vectors, expectations
    )
    np.testing.assert_array_equal(interests, expectations)
    assert (deviations > 0).all()


def test_ratings_count_near_them_and_nowhere_else() -> None:
    centres = np.eye(8, dtype=np.float32)
    learned = learn(centres[:2], np.array([5.0, 0.0]), np.array([1.0, 4.0]))
    interests, deviations = learned(centres[:3], np.full(3, 2.0))
    assert interests[0] > 4
    assert interests[1] < 1
    assert interests[2] == pytest.approx(2.0, abs=0.5)
    assert deviations[2] > deviations[0]


def test_improvement_is_the_mean_of_what_lies_above_three() -> None:
    """As drawing many times tells."""
    drawn = np.random.default_rng(0).normal(2.5, 1.5, 1_000_000)
    [gain] = improvement(np.array([2.5]), np.array([1.5]))
    assert gain == pytest.approx(np.maximum(drawn - 3, 0).mean(), abs=5e-3)
    [sure, none] = improvement(np.array([4.0, 1.0]), np.zeros(2))
    assert (sure, none) == (pytest.approx(1.0), pytest.approx(0.0))


def test_one_suggestion_in_ten_is_drawn_at_random() -> None:
    gains = np.linspace(1, 0, 200)
    places, is_random = suggested(gains, 30, seed=1)
    assert len(set(places.tolist())) == 30
    np.testing.assert_array_equal(places[:27], np.arange(27))
    np.testing.assert_array_equal(np.flatnonzero(is_random), [27, 28, 29])
    again, _ = suggested(gains, 30, seed=1)
    np.testing.assert_array_equal(places, again)
    other, _ = suggested(gains, 30, seed=2)
    assert set(other.tolist()) != set(places.tolist())


def test_few_suggestions_go_where_nobody_expects_anything_too() -> None:
    gains = np.linspace(1, 0, 200)
    for num in range(2, 10):
        places, is_random = suggested(gains, num, seed=0)
        assert is_random.tolist() == [False] * (num - 1) + [True]
        assert places[-1] >= num - 1
    alone = [suggested(gains, 1, seed)[1].item() for seed in range(1000)]
    assert 60 < sum(alone) < 140


@pytest.mark.parametrize("num_left", [0, 1, 4])
def test_no_more_is_suggested_than_there_is(num_left: int) -> None:
    places, is_random = suggested(np.ones(num_left), 10, seed=0)
    assert sorted(places.tolist()) == list(range(num_left))
    assert not is_random.any()


def test_intervals_hold_the_truth_as_often_as_was_asked_for() -> None:
    """Over 40 archives of other noise in other places, for two levels."""
    held: dict[float, list[float]] = {0.9: [], 0.5: []}
    for seed in range(40):
        random = np.random.default_rng(seed)
        vectors = unit(400, dimension=4, seed=seed)
        noise = random.normal(0, 0.1 + np.abs(vectors[:, 1]))
        values = 3 * vectors[:, 0].astype(np.float64) + noise
        learned = fit_quantity(alone(vectors[:200]), values[:200])
        for confidence, shares in held.items():
            found = [learned(vector, confidence) for vector in vectors[200:]]
            low, high = (np.array([one[end] for one in found], float) for end in (1, 2))
            inside = (low <= values[200:]) & (values[200:] <= high)
            shares.append(float(inside.mean()))
    for confidence, shares in held.items():
        error = np.std(shares) / np.sqrt(len(shares))
        assert np.mean(shares) >= confidence - 3 * error
        assert np.mean(shares) <= confidence + 0.05


def test_sets_of_classes_hold_the_truth_as_often_as_was_asked_for() -> None:
    """Over 20 archives in which kinds overlap; probabilities are as frequent."""
    shares, errors = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        vectors = unit(400, dimension=4, seed=seed)
        odds = vectors[:, :3] * 4 + random.gumbel(size=(400, 3))
        numbers = odds.argmax(axis=1)
        learned = fit_classes(alone(vectors[:200]), numbers[:200], 3)
        found = [learned(vector, 0.8) for vector in vectors[200:]]
        sets = np.array([one.is_possible for one in found])
        shares.append(float(sets[np.arange(200), numbers[200:]].mean()))
        errors.append(learned.quality(0.8)["calibration_error"])
        for one in found:
            assert one.probabilities.sum() == pytest.approx(1.0)
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) >= 0.8 - 3 * error
    assert np.mean(errors) < 0.15


def test_an_example_is_predicted_from_the_others() -> None:
    """Noise cannot be predicted, not even where it was seen."""
    vectors = unit(300)
    values = np.random.default_rng(0).normal(size=300)
    learned = fit_quantity(alone(vectors), values)
    found = np.array([learned.of_example(n, 0.9).value for n in range(300)])
    assert abs(np.corrcoef(found, values)[0, 1]) < 0.2
    assert learned.quality(0.9)["r_squared"] < 0.1


def test_no_place_is_in_two_parts() -> None:
    """Pictures of one place would tell of each other, and quality would be a lie."""
    centres = unit(60)
    vectors = np.repeat(centres, 5, axis=0)
    values = np.repeat(np.random.default_rng(0).normal(size=60), 5)
    places = np.repeat(np.arange(60), 5)
    parts = Division.of(Examples(vectors, places), seed=3).parts
    assert all(len(np.unique(parts[places == place])) == 1 for place in range(60))
    assert set(parts.tolist()) == {0, 1, 2, 3, 4}
    honest = fit_quantity(Examples(vectors, places), values).quality(0.9)
    fooled = fit_quantity(alone(vectors), values).quality(0.9)
    assert honest["r_squared"] < 0.2 < 0.9 < fooled["r_squared"]


def test_too_few_to_say_how_sure_say_nothing_of_it() -> None:
    vectors = unit(25)
    learned = fit_quantity(alone(vectors), np.arange(25.0))
    assert learned.num_calibration == 5
    assert learned(vectors[0], 0.9)[1:] == (None, None)
    assert learned(vectors[0], 0.5).low is not None
    classes = fit_classes(alone(vectors), np.arange(25) % 2, 2)
    assert classes(vectors[0], 0.9).is_possible is None


@pytest.mark.parametrize("num_places", [20, 23, 25])
def test_a_place_that_holds_most_examples_spoils_no_part(num_places: int) -> None:
    """Wherever it stands: each part has a fifth of the places, and most teach."""
    vectors = unit(300, dimension=4)
    for giant in range(num_places):
        sizes = np.ones(num_places, int)
        sizes[giant] = 300 - num_places + 1
        examples = Examples(vectors, np.repeat(np.arange(num_places), sizes))
        parts, drawn = Division.of(examples, seed=0)
        found = np.bincount(parts[drawn], minlength=5)
        assert found.max() - found.min() <= 1
        assert np.count_nonzero(parts != 0) > 290
    learned = fit_quantity(examples, vectors[:, 0].astype(np.float64))
    assert learned.num_calibration == found[0] == found.max()


def epochs(seed: int, *, num_epochs: int = 6) -> Any:
    """Sixty sources whose values scatter, and each nearly the same at all epochs."""
    random = np.random.default_rng(seed)
    vectors = np.repeat(unit(60, dimension=4, seed=seed), num_epochs, axis=0)
    vectors += random.normal(0, 0.01, vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    values = 3.0 * vectors[:, 0] + np.repeat(random.normal(0, 0.5, 60), num_epochs)
    return vectors, values, np.repeat(np.arange(60), num_epochs)


def test_epochs_of_few_sources_are_no_more_witnesses_than_sources() -> None:
    """Intervals, and sets of classes, hold the truth of other sources as often as asked."""
    intervals, sets = [], []
    for seed in range(20):
        vectors, values, places = epochs(seed)
        known = places < 30
        examples = Examples(vectors[known], places[known])
        numbers = (values > 0).astype(np.int64)
        learned = fit_quantity(examples, values[known])
        classes = fit_classes(examples, numbers[known], 2)
        assert learned.num_calibration == classes.num_calibration == 6
        assert learned(vectors[-1], 0.99).low is None
        others = np.flatnonzero(~known)[::6]
        for other in others:
            _, low, high = learned(vectors[other], 0.8)
            assert low is not None
            assert high is not None
            intervals.append(low <= values[other] <= high)
            possible = classes(vectors[other], 0.8).is_possible
            assert possible is not None
            sets.append(possible[numbers[other]])
    for held in (intervals, sets):
        shares = np.reshape(held, (20, 30)).mean(axis=1)
        assert shares.mean() >= 0.8 - 3 * shares.std() / np.sqrt(20)


def test_as_many_places_as_a_confidence_needs_give_an_interval() -> None:
    """One more would be needed to be as sure, else: (places + 1) (1 - c) >= 1."""
    learned = fit_quantity(alone(unit(45)), np.arange(45.0))
    assert learned.num_calibration == 9
    assert learned(unit(1)[0], 0.9).low is not None
    assert learned(unit(1)[0], 0.91).low is None


def test_what_a_part_tells_does_not_choose_the_model_that_it_judges() -> None:
    """Whatever the values of the part that is left out, the model is the same."""
    vectors = unit(100)
    values = vectors[:, 0].astype(np.float64)
    left = Division.of(alone(vectors), seed=0).parts == 0
    others = np.where(left, 1e6 * np.random.default_rng(0).normal(size=100), values)
    new = unit(1, seed=5)[0]
    learned, fooled = (fit_quantity(alone(vectors), one) for one in (values, others))
    assert learned(new, 0.5).value == fooled(new, 0.5).value
    assert fooled(new, 0.5).high > 1e3  # type: ignore[operator]


def test_like_an_example_are_those_of_other_places() -> None:
    vectors = np.repeat(unit(20), 3, axis=0)
    examples = Examples(vectors, np.repeat(np.arange(20), 3))
    assert examples.nearest(vectors[4])[0] == 3
    near = examples.nearest(vectors[4], example=4)
    assert len(near) == 5
    assert not set(near.tolist()) & {3, 4, 5}


def test_what_is_constant_is_predicted_without_doubt() -> None:
    learned = fit_quantity(alone(unit(50)), np.full(50, 7.0))
    value, low, high = learned(unit(1, seed=5)[0], 0.8)
    assert value == pytest.approx(7.0)
    assert low == pytest.approx(7.0)
    assert high == pytest.approx(7.0)
    assert "r_squared" not in learned.quality(0.8)


def test_a_class_that_a_part_lacks_is_not_likely() -> None:
    """One object of a kind is in one part only; the model of the others goes on."""
    numbers = np.array([0] * 30 + [1] * 29 + [2])
    learned = fit_classes(alone(unit(60)), numbers, 3)
    assert learned.probabilities[-1, 2] == 0
    assert np.isfinite(learned.quality(0.8)["log_loss"])
