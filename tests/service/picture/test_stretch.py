"""Stretches, held against astropy's where it has them."""

import numpy as np
import pytest
from astropy import visualization

from skylike.service.picture import Stretch
from skylike.service.picture.stretch import coloured, levels, limits, stretched, unit

_OF_ASTROPY = {
    Stretch.ASINH: visualization.AsinhStretch(0.1),
    Stretch.LINEAR: visualization.LinearStretch(),
    Stretch.SQUARE_ROOT: visualization.SqrtStretch(),
    Stretch.LOGARITHM: visualization.LogStretch(1000),
}


@pytest.mark.parametrize("stretch", _OF_ASTROPY)
def test_stretches_are_those_of_astropy(stretch: Stretch) -> None:
    values = np.linspace(-0.5, 1.5, 1001)
    expected = _OF_ASTROPY[stretch](np.clip(values, 0, 1))
    np.testing.assert_allclose(stretched(values, stretch), expected, atol=1e-12)


@pytest.mark.parametrize("stretch", Stretch)
@pytest.mark.parametrize("scale", [1e-11, 1.0, 1e6, 1e37])
def test_every_flux_goes_from_black_to_white_and_never_falls(
    stretch: Stretch, scale: float
) -> None:
    random = np.random.default_rng(1)
    pixels = (scale * random.normal(3, 1, (1, 70, 50))).astype(np.float32)
    pixels[0, :3] = np.nan
    found, [[low, high]] = levels(pixels, stretch)
    assert found.min() == 0
    assert found.max() == 1
    assert not found[0, :3].any()
    assert np.nanmin(pixels) <= low < high <= np.nanmax(pixels)
    order = np.argsort(pixels[0, 3:], axis=None)
    assert (np.diff(found[0, 3:].ravel()[order]) >= 0).all()


def test_an_equalised_histogram_is_flat_whatever_the_pixels_were() -> None:
    pixels = np.random.default_rng(2).exponential(1, (1, 200, 200)) ** 3
    found, ends = levels(pixels, Stretch.HISTOGRAM)
    np.testing.assert_array_equal(ends, [[pixels.min(), pixels.max()]])
    counts, _ = np.histogram(found, 10, (0, 1))
    assert np.abs(counts - 4000).max() <= 1


def test_limits_are_percentiles_of_what_is_known() -> None:
    pixels = np.r_[np.arange(1001.0), np.full(500, np.nan), np.inf]
    assert limits(pixels, Stretch.ASINH) == (10, 997)
    assert limits(pixels, Stretch.HISTOGRAM) == (0, 1000)
    assert np.isnan(limits(np.full(3, np.nan), Stretch.ASINH)).all()


def test_few_photons_on_an_empty_sky_are_seen() -> None:
    """Of 96 x 96 pixels twenty: both percentiles are 0, and the picture is not black."""
    pixels = np.zeros((1, 96, 96), np.float32)
    pixels[0, 40:60, 48] = np.arange(1, 21)
    assert limits(pixels, Stretch.ASINH) == (0, 20)
    shown, ends = levels(pixels, Stretch.ASINH)
    assert ends.tolist() == [[0, 20]]
    assert (shown[0, 40:60, 48] > 0.1).all()
    assert np.count_nonzero(shown) == 20


@pytest.mark.parametrize("stretch", Stretch)
@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0, 1e-30])
@pytest.mark.parametrize("channels", [1, 3])
def test_where_all_is_equal_all_is_black(
    stretch: Stretch, value: float, channels: int
) -> None:
    pixels = np.full((channels, 4, 5), value)
    pixels *= 1 + 1e-15 * np.arange(5)  # as rounding leaves them
    assert not levels(pixels, stretch)[0].any()


@pytest.mark.parametrize("stretch", [one for one in Stretch])
def test_colours_keep_the_ratios_of_the_bands(stretch: Stretch) -> None:
    light = np.geomspace(1e-3, 0.3, 40).reshape(5, 8)
    bands = np.stack([1.5 * light, light, 0.5 * light])
    found = coloured(bands, stretch)
    assert found.max() <= 1
    bright = found[1] > 0
    np.testing.assert_allclose(found[0][bright] / found[1][bright], 1.5)
    np.testing.assert_allclose(found[2][bright] / found[1][bright], 0.5)
    if stretch is Stretch.LINEAR:
        np.testing.assert_allclose(found[1], light)


def test_a_band_that_is_not_known_is_dark_and_what_is_too_bright_is_white() -> None:
    bands = np.stack([np.full((1, 2), np.nan), np.full((1, 2), 0.5), np.ones((1, 2))])
    bands[:, 0, 1] = 9.0, 3.0, 2.0
    found = coloured(bands, Stretch.ASINH)
    assert found[0, 0, 0] == 0
    assert found[2, 0, 0] == pytest.approx(2 * found[1, 0, 0])
    np.testing.assert_allclose(found[:, 0, 1], 1)


def test_a_unit_is_the_distance_of_the_limits() -> None:
    pixels = np.array([1e-11, 2e-11, 3e-11], np.float32)
    np.testing.assert_allclose(unit(pixels, 1e-11, 2e-11), [0, 1, 2], atol=1e-6)
