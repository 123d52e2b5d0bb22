"""Stamps: any image becomes finite pixels in sigma, or a documented error."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skylike.service import stamp
from skylike.service.errors import BadModel, BadStamp
from skylike.service.fits import Axes, Image
from skylike.service.flags import Flag
from skylike.service.stamp import StampSpec
from skylike.service.stamp.resample import central_square, resize

SPEC = StampSpec()


def image(pixels: Any, axes: Axes = Axes.IMAGE, bands: tuple[str, ...] = ()) -> Image:
    array = np.asarray(pixels, np.float32)
    array = array[np.newaxis] if array.ndim == 2 else array
    return Image(array, axes, bands)


def blob(size: int = 64, seed: int = 0, peak: float = 50.0) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    noise = np.random.default_rng(seed).normal(size=(size, size))
    shape = np.exp(-(x**2 + 2 * y**2) / (0.02 * size**2))
    return np.asarray(peak * shape + noise)


@pytest.mark.parametrize("scale", [1e-11, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("level", [0.0, -100.0, 100.0])
def test_neither_unit_nor_background_changes_a_stamp(
    scale: float, level: float
) -> None:
    expected = stamp.make(image(blob()), SPEC).pixels
    found = stamp.make(image(scale * (blob() + level)), SPEC)
    np.testing.assert_allclose(found.pixels, expected, atol=2e-3, rtol=1e-4)
    assert found.flags == Flag(0)


def test_pixels_are_in_sigma_of_the_background() -> None:
    found = stamp.make(image(7 + 3 * blob()), SPEC).pixels[0]
    border = np.concatenate([found[:8].ravel(), found[-8:].ravel()])
    assert abs(np.median(border)) < 0.1
    assert border.std() == pytest.approx(1, abs=0.05)


def test_one_hot_pixel_changes_nothing_else() -> None:
    pixels = blob()
    expected = stamp.make(image(pixels), SPEC).pixels[0, 20:40, 20:40]
    pixels[5, 5] = 1e9
    found = stamp.make(image(pixels), SPEC).pixels[0, 20:40, 20:40]
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_rotated_image_gives_the_rotated_stamp(turns: int) -> None:
    pixels = blob(90)
    expected = np.rot90(stamp.make(image(pixels), SPEC).pixels, turns, (1, 2))
    found = stamp.make(image(np.rot90(pixels, turns)), SPEC).pixels
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("size", [8, 33, 63, 64, 65, 160, 500])
def test_any_size_becomes_the_size_of_the_model(size: int) -> None:
    found = stamp.make(image(blob(size)), SPEC)
    assert found.pixels.shape == (1, 64, 64)
    assert (Flag.RESAMPLED in found.flags) == (size != 64)


def test_the_central_square_of_a_long_image_is_used() -> None:
    wide = np.full((64, 100), 900.0)
    wide[:, 18:82] = blob()
    expected = stamp.make(image(blob()), SPEC).pixels
    np.testing.assert_array_equal(stamp.make(image(wide), SPEC).pixels, expected)


def test_crop_takes_pixels_as_they_are_and_blanks_what_is_beyond() -> None:
    spec = StampSpec(size=32, fit="crop")
    large = stamp.make(image(blob(64)), spec)
    assert Flag.RESAMPLED not in large.flags
    assert large.valid_fraction == 1
    small = stamp.make(image(blob(28)), spec)
    assert small.valid_fraction == pytest.approx((28 / 32) ** 2)
    assert Flag.EDGE in small.flags
    assert np.isnan(small.pixels[0, 0]).all()


class TestHoles:
    """Blank pixels stay blank, are counted, and are flagged."""

    def test_a_blank_side_is_an_edge(self) -> None:
        pixels = blob()
        pixels[:, :16] = np.nan
        found = stamp.make(image(pixels), SPEC)
        assert Flag.EDGE in found.flags
        assert found.valid_fraction == 0.75
        assert np.isnan(found.pixels[0, :, :16]).all()
        assert np.isfinite(found.pixels[0, :, 16:]).all()

    def test_a_hole_inside_is_masked(self) -> None:
        pixels = blob()
        pixels[8:40, 8:40] = np.nan
        assert Flag.MASKED in stamp.make(image(pixels), SPEC).flags

    def test_blank_pixels_do_not_leak_when_resampled(self) -> None:
        pixels = np.ones((128, 128))
        pixels[40:80, 40:80] = np.nan
        found = resize(pixels[np.newaxis].astype("f4"), 64)
        np.testing.assert_allclose(found[np.isfinite(found)], 1)

    @pytest.mark.parametrize(("share", "code"), [(1.0, "all_nan"), (0.6, "low_valid")])
    def test_too_little_data_is_refused(self, share: float, code: str) -> None:
        pixels = blob()
        pixels[: round(64 * share)] = np.nan
        with pytest.raises(BadStamp) as caught:
            stamp.make(image(pixels), SPEC)
        assert caught.value.reason == code


class TestFlags:
    """Poor data are told, not refused."""

    def test_noise_alone_is_low_signal(self) -> None:
        noise = np.random.default_rng(1).normal(size=(64, 64))
        assert Flag.LOW_SN in stamp.make(image(noise), SPEC).flags

    def test_a_plateau_is_saturated(self) -> None:
        assert Flag.SATURATED in stamp.make(image(np.minimum(blob(), 30)), SPEC).flags

    @pytest.mark.parametrize("value", [0.0, 1890.0, 1e-11, -3e5])
    def test_equal_pixels_are_constant_and_finite(self, value: float) -> None:
        found = stamp.make(image(np.full((20, 20), value)), SPEC)
        assert Flag.CONSTANT in found.flags
        assert (found.pixels == 0).all()

    def test_a_thresholded_map_has_no_background_to_measure(self) -> None:
        pixels = np.where(blob() > 10, blob(), 0)
        found = stamp.make(image(pixels), SPEC)
        assert Flag.NO_BACKGROUND in found.flags
        assert np.isfinite(found.pixels).all()


class TestChannels:
    """What the file holds must be what the model wants."""

    bands = np.stack([blob(seed=i) for i in range(3)])

    def test_bands_are_taken_by_name(self) -> None:
        spec = StampSpec(axes=Axes.BANDS, channels=("z", "g"))
        found = stamp.make(image(self.bands, Axes.BANDS, ("g", "r", "z")), spec)
        expected = stamp.make(image(self.bands[2]), SPEC).pixels[0]
        np.testing.assert_array_equal(found.pixels[0], expected)

    def test_cubes_collapse_and_say_so(self) -> None:
        found = stamp.make(image(self.bands, Axes.SPECTRAL), SPEC)
        expected = stamp.make(image(self.bands.mean(axis=0)), SPEC).pixels
        np.testing.assert_allclose(found.pixels, expected, atol=1e-3)
        assert Flag.COLLAPSED in found.flags

    def test_cubes_are_rebinned_to_the_models_channels(self) -> None:
        spec = StampSpec(axes=Axes.SPECTRAL, channels=("blue", "red"))
        cube = np.stack([blob(seed=i) for i in range(7)])
        cube[0, 5, 5] = np.nan
        found = stamp.make(image(cube, Axes.SPECTRAL), spec)
        assert found.pixels.shape == (2, 64, 64)
        assert np.isfinite(found.pixels).all()

    @pytest.mark.parametrize(
        ("axes", "names", "spec"),
        [
            (Axes.BANDS, ("g", "r", "z"), SPEC),
            (Axes.BANDS, ("g", "r", "z"), StampSpec(axes=Axes.BANDS, channels=("u",))),
            (Axes.SPECTRAL, (), StampSpec(axes=Axes.BANDS, channels=("g", "r"))),
        ],
    )
    def test_other_channels_are_refused(
        self, axes: Axes, names: tuple[str, ...], spec: StampSpec
    ) -> None:
        with pytest.raises(BadStamp) as caught:
            stamp.make(image(self.bands, axes, names), spec)
        assert caught.value.reason == "band_mismatch"


def test_tiny_images_are_refused() -> None:
    with pytest.raises(BadStamp) as caught:
        stamp.make(image(blob(64)[:7]), SPEC)
    assert caught.value.reason == "too_small"


@pytest.mark.parametrize(("old", "new"), [(64, 64), (100, 64), (40, 64), (64, 21)])
def test_resampling_keeps_surface_brightness(old: int, new: int) -> None:
    flat = np.full((1, old, old), 3.5, "f4")
    np.testing.assert_allclose(resize(flat, new), 3.5)
    smooth = blob(old, peak=50)[np.newaxis].astype("f4")
    assert resize(smooth, new).mean() == pytest.approx(smooth.mean(), rel=0.03)


def test_central_square_pads_with_nan() -> None:
    found = central_square(np.ones((1, 4, 9), "f4"), 6)
    assert np.isfinite(found).sum() == 24


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(8, 90), st.integers(8, 90)),
    decade=st.integers(-30, 30),
    blank=st.floats(0, 0.49),
    seed=st.integers(0, 99),
)
def test_any_image_gives_finite_pixels_or_a_documented_error(
    shape: tuple[int, int], decade: int, blank: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    pixels = 10.0**decade * random.standard_cauchy(size=shape)
    pixels[random.random(shape) < blank] = np.nan
    # The central square of a long image can hold more holes than the whole.
    if np.isfinite(central_square(image(pixels).pixels, min(shape))).mean() < 0.5:
        with pytest.raises(BadStamp):
            stamp.make(image(pixels), SPEC)
    else:
        found = stamp.make(image(pixels), SPEC)
        assert found.pixels.dtype == np.float32
        assert not np.isinf(found.pixels).any()
        assert np.isfinite(found.pixels).mean() > 0.2


class TestSpec:
    """The description travels as JSON and is checked."""

    def test_round_trip(self) -> None:
        spec = StampSpec(size=32, axes=Axes.BANDS, channels=("g", "r"))
        assert StampSpec.from_json(spec.to_json()) == spec

    @pytest.mark.parametrize(
        "text", ["", "{}x", '{"version": 2}', '{"colour": 1}', '{"channels": []}']
    )
    def test_what_is_no_spec_is_refused(self, text: str) -> None:
        with pytest.raises(BadModel, match="StampSpec"):
            StampSpec.from_json(text)
