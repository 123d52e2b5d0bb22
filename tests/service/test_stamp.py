"""Stamps: any image becomes finite pixels in sigma, or a documented error."""

import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from skylike.service import fits, stamp
from skylike.service.errors import BadModel, BadStamp
from skylike.service.fits import Axes, Image
from skylike.service.flags import Flag
from skylike.service.stamp import StampSpec
from skylike.service.stamp.channels import collapse
from skylike.service.stamp.resample import Grid, cut, resample

SPEC = StampSpec()


def resize(pixels: Any, side: int) -> Any:
    """Resample a square to another number of pixels."""
    grid = Grid(0, pixels.shape[1] / side, side)
    return resample(pixels, grid, grid)


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


def gaussian(size: float, centre: tuple[float, float], side: int) -> Any:
    """A Gaussian of unit flux, integrated over pixels; centre and sigma in pixels."""
    edges = np.arange(side + 1) - 0.5
    y, x = (np.diff(ndtr((edges - at) / size)) for at in centre)
    return np.outer(y, x)


@pytest.mark.parametrize("step", [0.37, 0.9, 1.0, 1.3, 3.7])
@pytest.mark.parametrize("size", [0.5, 0.85, 2.0])
def test_resampling_keeps_flux_and_place(step: float, size: float) -> None:
    """The flux of everything; the place of what is not within one new pixel."""
    pixels = gaussian(size, (24.3, 22.8), 48)[np.newaxis].astype("f4")
    count = int(48 / step)
    grid = Grid(0.2, step, count)
    found = resample(pixels, grid, grid)[0] * step**2
    found = np.nan_to_num(found)
    assert found.sum() == pytest.approx(1, rel=1e-5)
    places = grid.start + (np.arange(count) + 0.5) * step - 0.5
    precision = 0.02 if step < 1.5 * size else step / 4
    assert (found.sum(axis=1) * places).sum() == pytest.approx(24.3, abs=precision)
    assert (found.sum(axis=0) * places).sum() == pytest.approx(22.8, abs=precision)


def test_a_wild_pixel_stays_where_it_is() -> None:
    pixels = np.ones((1, 64, 64), "f4")
    pixels[0, 5, 5] = 1e30
    found = resample(pixels, Grid(0, 0.7, 91), Grid(0, 0.7, 91))[0]
    far = found[20:, 20:]
    np.testing.assert_allclose(far[np.isfinite(far)], 1)


@pytest.mark.parametrize("step", [0.3, 7.1, 190.0])
def test_a_long_image_takes_little_memory_and_keeps_flux(step: float) -> None:
    pixels = np.random.default_rng(1).uniform(size=(1, 8, 50_000)).astype("f4")
    along = Grid(0, step, int(50_000 / step))
    tracemalloc.start()
    found = resample(pixels, Grid(0, 0.5, 16), along)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25 * (pixels.nbytes + found.nbytes)
    covered = pixels[..., : int(along.stop)].sum(dtype=np.float64)
    assert found.sum() * 0.5 * step == pytest.approx(covered, rel=1e-4)


def test_no_kind_of_nan_warns() -> None:
    """A signalling NaN, which files may hold, does in sums."""
    pixels = np.ones((1, 32, 32), "f4")
    pixels.view("u4")[0, 3, 3] = 0x7F800001
    assert np.isfinite(resize(pixels, 20)).sum() > 390


def test_a_cut_beyond_the_image_is_blank_there() -> None:
    pixels = np.arange(36, dtype=np.float32).reshape(1, 4, 9)
    found = cut(pixels, -1, 1, 6, 6)
    assert np.isfinite(found).sum() == 24
    np.testing.assert_array_equal(found[0, 1:5], pixels[0, :, 1:7])
    assert np.isnan(cut(pixels, 50, 50, 3, 3)).all()


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
    side = min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    if np.isfinite(pixels[top : top + side, left : left + side]).mean() < 0.5:
        with pytest.raises(BadStamp):
            stamp.make(image(pixels), SPEC)
    else:
        found = stamp.make(image(pixels), SPEC)
        assert found.pixels.dtype == np.float32
        assert not np.isinf(found.pixels).any()
        assert np.isfinite(found.pixels).mean() > 0.2


def on_the_sky(pixels: Any, *sizes_arcsec: float) -> Image:
    """An image with pixels of these sizes along x and y."""
    header = astropy_fits.Header(
        {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CRVAL1": 150.0,
            "CRVAL2": 2.0,
            "CRPIX1": 1.0,
            "CRPIX2": 1.0,
            "CDELT1": -sizes_arcsec[0] / 3600,
            "CDELT2": sizes_arcsec[-1] / 3600,
            "BMAJ": 3 / 3600,
            "BMIN": 3 / 3600,
            "BPA": 0.0,
        }
    )
    stream = io.BytesIO()
    astropy_fits.PrimaryHDU(np.asarray(pixels, "f4"), header).writeto(stream)
    return fits.read(stream.getvalue())


class TestAngularScale:
    """A pixel of the stamp is an angle on the sky, whatever the image's pixels."""

    spec = StampSpec(size=32, scale="angular", arcsec_per_pixel=1.0)

    def test_the_same_sky_gives_the_same_stamp_at_any_pixel_scale(self) -> None:
        stamps = []
        for scale in (0.5, 1.0):
            side = round(64 / scale)
            centre = (side - 1) / 2
            pixels = 500 / scale**2 * gaussian(3 / scale, (centre, centre), side)
            noise = np.random.default_rng(0).normal(size=(64, 64))
            pixels += np.kron(noise, np.ones((side // 64, side // 64)))
            stamps.append(stamp.make(on_the_sky(pixels, scale), self.spec))
        np.testing.assert_allclose(stamps[0].pixels, stamps[1].pixels, atol=0.35)
        assert all(one.pixel_scale_arcsec == pytest.approx(1) for one in stamps)
        assert Flag.RESAMPLED in stamps[0].flags
        assert Flag.RESAMPLED not in stamps[1].flags

    def test_oblong_pixels_become_square(self) -> None:
        pixels = np.outer(*(gaussian(s, (31.5, 31.5), 64).sum(0) for s in (8, 4)))
        pixels += 1e-6 * np.random.default_rng(0).normal(size=pixels.shape)
        found = stamp.make(on_the_sky(pixels, 2.0, 1.0), self.spec).pixels[0]
        core = np.clip(found, 0, None)
        spread = [core.sum(axis=axis) for axis in (0, 1)]
        widths = [
            np.sqrt(np.average((np.arange(32) - 15.5) ** 2, weights=line))
            for line in spread
        ]
        assert widths[0] == pytest.approx(widths[1], rel=0.02)

    def test_the_beam_is_carried_along(self) -> None:
        found = stamp.make(on_the_sky(blob(), 1.0), self.spec)
        assert found.resolution_pixels == pytest.approx(3)

    def test_what_lies_beyond_the_frame_is_an_edge(self) -> None:
        found = stamp.make(on_the_sky(blob(30), 1.0), self.spec)
        assert found.valid_fraction == pytest.approx((30 / 32) ** 2)
        assert Flag.EDGE in found.flags

    @pytest.mark.parametrize(
        ("scale", "code"), [(1e-4, "low_valid"), (20.0, "too_small")]
    )
    def test_scales_that_do_not_fit_are_refused(self, scale: float, code: str) -> None:
        """Neither takes memory for what is not there."""
        with pytest.raises(BadStamp) as caught:
            stamp.make(on_the_sky(blob(), scale), self.spec)
        assert caught.value.reason == code

    def test_without_a_scale_it_is_refused(self) -> None:
        with pytest.raises(BadStamp, match="the file has no WCS") as caught:
            stamp.make(image(blob()), self.spec)
        assert caught.value.reason == "no_wcs"


class TestCollapse:
    """A spectral line becomes its moments."""

    v = np.linspace(-50, 50, 101)

    def cube(self) -> Image:
        """A rotating disc: a Gaussian line, 5 wide, at 0.5 x, on a continuum of 7."""
        y, x = np.mgrid[:24, :24] - 11.5
        height = 20 * np.exp(-(x**2 + y**2) / 72)
        lines = height * np.exp(-((self.v[:, None, None] - 0.5 * x) ** 2) / 50)
        noise = np.random.default_rng(0).normal(0, 0.05, lines.shape)
        pixels = (lines + 7 + noise).astype("f4")
        pixels[:, 0, 0] = np.nan
        return Image(pixels, Axes.SPECTRAL, spectral=self.v)

    def test_moments_of_a_known_line(self) -> None:
        cube = self.cube()
        planes = {
            how: collapse(cube, how)[4:20, 4:20]
            for how in ("moment0", "moment1", "moment2", "peak", "continuum")
        }
        y, x = (np.mgrid[:24, :24] - 11.5)[:, 4:20, 4:20]
        height = 20 * np.exp(-(x**2 + y**2) / 72)
        integral = height * 5 * np.sqrt(2 * np.pi) + 7 * 101
        np.testing.assert_allclose(planes["moment0"], integral, rtol=0.01)
        np.testing.assert_allclose(planes["moment1"], 0.5 * x, atol=0.2)
        np.testing.assert_allclose(planes["moment2"], 5, atol=0.5)
        np.testing.assert_allclose(planes["peak"], height + 7, atol=0.3)
        np.testing.assert_allclose(planes["continuum"], 7, atol=0.15)

    def test_a_pixel_without_data_is_blank_in_every_plane(self) -> None:
        cube = self.cube()
        for how in ("moment0", "moment1", "moment2", "peak", "continuum"):
            assert np.isnan(collapse(cube, how)[0, 0])

    def test_the_spec_says_how_and_each_plane_is_a_channel(self) -> None:
        spec = StampSpec(
            size=16,
            axes=Axes.SPECTRAL,
            channels=("gas", "motion"),
            collapse=("moment0", "moment1"),
        )
        found = stamp.make(self.cube(), spec)
        assert found.pixels.shape == (2, 16, 16)
        assert found.pixels[1, 8, 11] > found.pixels[1, 8, 4]
        one = StampSpec(size=16, collapse=("peak",))
        assert stamp.make(self.cube(), one).pixels.shape == (1, 16, 16)


class TestSpec:
    """The description travels as JSON and is checked."""

    def test_round_trip(self) -> None:
        spec = StampSpec(size=32, axes=Axes.BANDS, channels=("g", "r"))
        assert StampSpec.from_json(spec.to_json()) == spec

    @pytest.mark.parametrize(
        "fields",
        [
            {"scale": "angular"},
            {"arcsec_per_pixel": 1.0},
            {"scale": "source"},
            {"half_light_radii": 3.0},
            {"collapse": ("peak", "peak")},
            {"scale": "angular", "arcsec_per_pixel": 0.0},
        ],
    )
    def test_what_contradicts_itself_is_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="validation error"):
            StampSpec(**fields)

    @pytest.mark.parametrize(
        "text", ["", "{}x", '{"version": 2}', '{"colour": 1}', '{"channels": []}']
    )
    def test_what_is_no_spec_is_refused(self, text: str) -> None:
        with pytest.raises(BadModel, match="StampSpec"):
            StampSpec.from_json(text)
