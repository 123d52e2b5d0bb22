"""Two bands: the same object is no candidate, a nebula is, and depth is told apart."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from skylike.service.cutouts.compare import (
    ExtentComparison,
    Isophote,
    compare_extents,
)
from skylike.service.cutouts.detect import detect
from skylike.service.errors import BadRequest

SHAPE = (260, 260)
EVERY_ISOPHOTE = pytest.mark.parametrize("isophote", list(Isophote))


def gaussian(
    x: float, y: float, flux: float, sigma: float, axis_ratio: float = 1.0
) -> NDArray[np.float64]:
    """Along x as wide as `sigma`, along y by the axis ratio less."""
    row, column = np.indices(SHAPE)
    square = (column - x) ** 2 + ((row - y) / axis_ratio) ** 2
    area = 2 * np.pi * sigma**2 * axis_ratio
    return np.asarray(flux * np.exp(-square / (2 * sigma**2)) / area)


def noisy(image: NDArray[Any], sigma: float, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(scale=sigma, size=SHAPE)
    return np.asarray(20 + image + noise, np.float32)


def galaxies(seed: int) -> Any:
    """Twenty-five of many sizes, shapes and fluxes."""
    random = np.random.default_rng(seed)
    places = [(x, y) for y in range(30, 260, 50) for x in range(30, 260, 50)]
    return np.sum(
        [
            gaussian(
                x + random.uniform(-5, 5),
                y + random.uniform(-5, 5),
                10 ** random.uniform(1.5, 4),
                random.uniform(1.5, 4),
                random.uniform(0.4, 1),
            )
            for x, y in places
        ],
        axis=0,
    )


GALAXY = gaussian(130, 120, 600, 2.5)
NEBULA = gaussian(134, 120, 6000, 12, 0.5)


def main(table: ExtentComparison) -> int:
    return int(np.argmax(table.area_first))


@EVERY_ISOPHOTE
def test_the_same_objects_at_the_same_depth_are_no_candidates(
    isophote: Isophote,
) -> None:
    candidates: list[bool] = []
    for seed in range(6):
        image = galaxies(seed)
        first, second = noisy(image, 1, 2 * seed), noisy(image, 1, 2 * seed + 1)
        table = compare_extents(first, second, isophote=isophote)
        candidates.extend(table.candidate)
        large = table.area_second > 60
        assert np.median(table.area_ratio[large]) == pytest.approx(1, abs=0.1)
        assert np.median(table.centroid_offset[large]) < 0.2
    assert len(candidates) > 100
    assert np.mean(candidates) < 0.01


@EVERY_ISOPHOTE
@pytest.mark.parametrize("second_noise", [0.5, 1.0, 2.0])
def test_a_nebula_about_a_galaxy_is_a_candidate(
    isophote: Isophote, second_noise: float
) -> None:
    first = noisy(GALAXY + NEBULA, 1, 1)
    second = noisy(GALAXY, second_noise, 2)
    table = compare_extents(first, second, isophote=isophote)
    row = main(table)
    assert table.candidate[row]
    assert table.area_ratio[row] > 2
    assert table.extent_ratio[row] > 1.4
    assert 1.5 < table.centroid_offset[row] < 4.5


def test_area_extent_and_axis_ratio_are_those_of_the_isophote() -> None:
    """A flat ellipse in one band and a flat disc in the other."""
    row, column = np.indices(SHAPE)
    ellipse = ((column - 130) / 40) ** 2 + ((row - 120) / 20) ** 2 < 1
    disc = np.hypot(column - 130, row - 120) < 10
    # At twice the threshold, what smoothing adds at the rim it takes there as well.
    first, second = noisy(3.0 * ellipse, 1, 3), noisy(0.3 * disc, 0.1, 4)
    table = compare_extents(first, second, ellipse)
    assert table.label.tolist() == [1]
    assert table.area_first[0] == pytest.approx(np.pi * 40 * 20, rel=0.05)
    assert table.area_second[0] == pytest.approx(np.pi * 10**2, rel=0.05)
    assert table.extent_first[0] == pytest.approx(np.hypot(40, 20) / 2, rel=0.03)
    assert table.extent_second[0] == pytest.approx(10 / np.sqrt(2), rel=0.03)
    assert table.axis_ratio_first[0] == pytest.approx(0.5, abs=0.02)
    assert table.axis_ratio_second[0] == pytest.approx(1, abs=0.03)
    assert table.area_ratio[0] == table.area_first[0] / table.area_second[0]
    assert table.extent_ratio[0] == table.extent_first[0] / table.extent_second[0]


def test_depth_alone_makes_candidates_at_the_noise_but_not_at_the_peaks() -> None:
    at_noise, at_peak = 0, 0
    ratios: list[float] = []
    for seed in range(4):
        image = galaxies(20 + seed)
        bands = noisy(image, 1, 30 + seed), noisy(image, 3, 40 + seed)
        at_noise += compare_extents(*bands).candidate.sum()
        table = compare_extents(*bands, isophote=Isophote.PEAK_FRACTION)
        at_peak += table.candidate.sum()
        ratios.extend(table.area_ratio[table.area_second > 40])
    assert at_noise >= 10
    assert at_peak <= 1
    assert len(ratios) >= 20
    assert np.median(ratios) == pytest.approx(1, abs=0.1)


def test_an_object_of_one_band_only_is_infinitely_larger_there() -> None:
    first, second = noisy(NEBULA, 1, 5), noisy(0 * NEBULA, 1, 6)
    table = compare_extents(first, second)
    row = main(table)
    assert table.area_second[row] == table.extent_second[row] == 0
    assert table.area_ratio[row] == table.extent_ratio[row] == np.inf
    assert np.isnan(table.axis_ratio_second[row])
    assert np.isnan(table.centroid_offset[row])
    assert table.candidate[row]
    at_peak = compare_extents(first, second, isophote=Isophote.PEAK_FRACTION)
    assert np.isnan(at_peak.area_ratio[main(at_peak)])
    assert not at_peak.candidate.any()
    reverse = compare_extents(second, first)
    assert reverse.area_ratio.max() == 0
    assert not reverse.candidate.any()


def test_an_object_reaches_beyond_the_label_that_names_it() -> None:
    first, second = noisy(GALAXY + NEBULA, 1, 7), noisy(GALAXY, 1, 8)
    label = detect(second).labels
    number = label[120, 130]
    assert number > 0
    table = compare_extents(first, second, label == number)
    assert table.label.tolist() == [1]
    assert table.area_first[0] > 3 * np.count_nonzero(label == number)
    assert table.candidate[0]


def test_touching_objects_are_parted() -> None:
    pair = gaussian(110, 120, 5000, 5) + gaussian(135, 120, 5000, 5)
    labels = np.zeros(SHAPE, np.int32)
    labels[118:123, 108:113] = 4
    labels[118:123, 133:138] = 9
    table = compare_extents(noisy(pair, 1, 9), noisy(pair, 1, 10), labels)
    assert table.label.tolist() == [4, 9]
    np.testing.assert_allclose(table.area_first[0], table.area_first[1], rtol=0.15)
    assert table.centroid_offset.max() < 0.3


@EVERY_ISOPHOTE
def test_each_band_has_a_unit_of_its_own(isophote: Isophote) -> None:
    first, second = noisy(GALAXY + NEBULA, 1, 11), noisy(GALAXY, 1, 12)
    plain = compare_extents(first, second, isophote=isophote)
    other = compare_extents(
        (first * np.float64(1e-11)).astype(np.float32),
        (second * np.float64(1e6)).astype(np.float32),
        isophote=isophote,
    )
    for field in fields(ExtentComparison):
        np.testing.assert_allclose(
            getattr(plain, field.name)[main(plain)],
            getattr(other, field.name)[main(other)],
            rtol=1e-2,
        )


def test_pixels_without_data_belong_to_nothing() -> None:
    first, second = noisy(GALAXY + NEBULA, 1, 13), noisy(GALAXY, 1, 14)
    whole = compare_extents(first, second, GALAXY > 1)
    first[:, 140:] = np.nan
    cut = compare_extents(first, second, GALAXY > 1)
    assert 0 < cut.area_first[0] < 0.8 * whole.area_first[0]
    assert cut.area_second[0] == whole.area_second[0]


def test_a_constant_band_shows_nothing() -> None:
    first, nothing = noisy(GALAXY, 1, 15), np.full(SHAPE, 3.0, np.float32)
    assert compare_extents(first, nothing).candidate.any()
    assert len(compare_extents(nothing, nothing).label) == 0


def test_bands_of_different_shapes_are_refused() -> None:
    image = noisy(GALAXY, 1, 16)
    with pytest.raises(BadRequest) as caught:
        compare_extents(image, image[:-1])
    assert caught.value.reason == "shape_mismatch"


def test_a_threshold_in_the_sky_is_refused() -> None:
    image = noisy(GALAXY, 1, 17)
    with pytest.raises(BadRequest) as caught:
        compare_extents(image, image, GALAXY > 1, threshold=0)
    assert caught.value.reason == "bad_threshold"


@pytest.mark.parametrize("hole", ["all", "half", "core"])
def test_missing_data_make_no_candidate(hole: str) -> None:
    """A band that does not know is not a band that shows nothing."""
    first, second = (noisy(GALAXY, 1.0, seed) for seed in (1, 2))
    row, column = np.indices(SHAPE)
    missing = {
        "all": np.ones(SHAPE, bool),
        "half": column >= 130,
        "core": np.hypot(column - 130, row - 120) < 4,
    }
    labels = (np.hypot(column - 130, row - 120) < 9).astype(int)
    second[missing[hole]] = np.nan
    found = compare_extents(first, second, labels)
    assert not found.candidate.any()
    assert not np.isinf(found.area_ratio).any()
    other = compare_extents(second, first, labels)
    assert not other.candidate.any()
