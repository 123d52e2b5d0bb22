"""What is drawn is what the truth says."""

import math

import numpy as np
import pytest
import scipy.special

from skylike.trainer.sky import (
    ARTEFACTS,
    FAMILIES,
    draw,
    fourier,
    galaxies,
    profiles,
    spirals,
)
from skylike.trainer.sky.drawing import FLUX, ROTATING
from skylike.trainer.sky.geometry import Frame, half_light_radius
from skylike.trainer.sky.observe import Psf, noise


def _frame(side: int, radius: float | None = None) -> Frame:
    axis = np.arange(side, dtype=np.float32) - np.float32(0.5 * (side - 1))
    return Frame(axis[None, :], axis[:, None], radius or 0.5 * side, 3.0)


def test_there_are_enough_families() -> None:
    """At least fourteen ordinary families and three kinds of artefact."""
    assert len(set(FAMILIES)) >= 14
    assert set(ARTEFACTS) == {"cosmic_ray", "satellite_trail", "ghost"}
    assert not set(FAMILIES) & set(ARTEFACTS)


@pytest.mark.parametrize("side", [48, 160])
@pytest.mark.parametrize("family", FAMILIES + ARTEFACTS)
def test_every_family_draws_at_the_smallest_and_largest_size(
    family: str, side: int
) -> None:
    """Pixels are finite native float32 of the size asked for; the object is inside."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        plain = False if family in ROTATING else None
        drawing = draw(family, rng, shape=(side, side), cube=plain)
        for image in (drawing.pixels, drawing.signal):
            assert image.dtype == np.float32
            assert image.dtype.isnative
            assert image.shape == (side, side)
            assert np.isfinite(image).all()
        assert drawing.signal.min() >= 0
        assert drawing.signal.max() == pytest.approx(drawing.truth["flux_scale"])


@pytest.mark.parametrize("family", ["disc", "ppdisc_rings", "radio_fri", "merger"])
def test_snr_is_what_its_definition_says(family: str) -> None:
    """Signal and noise measured apart give the SNR asked for."""
    plain = False if family in ROTATING else None
    for seed in range(4):
        rng = np.random.default_rng(seed)
        drawing = draw(family, rng, snr=40.0, shape=(150, 150), cube=plain)
        signal = drawing.signal.astype(np.float64) / drawing.truth["flux_scale"]
        sigma = drawing.truth["noise_sigma"] / drawing.truth["flux_scale"]
        assert (signal**2).sum() / signal.sum() / sigma == pytest.approx(40, rel=1e-3)
        rest = (drawing.pixels - drawing.signal) / drawing.truth["noise_sigma"]
        # Neighbours are in the rest: the spread between the quartiles ignores them.
        rest -= _plane(rest)
        low, high = np.percentile(rest, [25, 75])
        assert (high - low) / 1.349 == pytest.approx(1, abs=0.12)


def _plane(image: np.ndarray) -> np.ndarray:
    """Fit a plane that shrugs at bright pixels."""
    y, x = (axis.ravel() for axis in np.indices(image.shape))
    terms = np.stack([np.ones(x.size), x, y], axis=1)
    flat = image.ravel()
    keep = np.ones(flat.size, bool)
    for _ in range(4):
        fit = np.linalg.lstsq(terms[keep], flat[keep])[0]
        keep = np.abs(flat - terms @ fit) < 3
    return (terms @ fit).reshape(image.shape)


def test_snr_of_a_cube_is_that_of_its_moment_0() -> None:
    """Noise of the summed channels against the summed signal."""
    drawing = draw("ppdisc_smooth", np.random.default_rng(5), snr=25.0, cube=True)
    moment = drawing.signal.sum(axis=0, dtype=np.float64)
    rest = (drawing.pixels - drawing.signal).sum(axis=0, dtype=np.float64)
    expected = drawing.truth["noise_sigma"] * math.sqrt(len(drawing.pixels))
    assert (moment**2).sum() / moment.sum() / expected == pytest.approx(25, rel=1e-3)
    assert rest.std() == pytest.approx(expected, rel=0.3)


def test_noise_of_an_interferometer_is_correlated_by_its_beam() -> None:
    """Unit rms, the beam's own autocorrelation, the same at the edges and inside."""
    psf = Psf(5.0, 3.0, 0.0)
    transfer = psf.transfer((90, 96))
    many = noise((300, 90, 96), psf, transfer, np.random.default_rng(0))
    assert many.std() == pytest.approx(1, rel=0.01)
    assert many.std(axis=0).min() > 0.8
    # The autocorrelation of a Gaussian is sqrt(2) times as wide.
    along = (many[..., 3:] * many[..., :-3]).mean()
    across = (many[..., 3:, :] * many[..., :-3, :]).mean()
    assert along == pytest.approx(0.5 ** (2 * 9 / 25), abs=0.01)
    assert across == pytest.approx(0.5 ** (2 * 9 / 9), abs=0.01)


def test_flux_scales_span_ten_decades() -> None:
    """Nothing is special about any unit: the same draw from 1e-11 to 1e-1."""
    rng = np.random.default_rng(0)
    drawings = [draw("point_source", rng, shape=(48, 48)) for _ in range(300)]
    scales = np.log10([drawing.truth["flux_scale"] for drawing in drawings])
    assert scales.min() < math.log10(FLUX[0]) + 0.3
    assert scales.max() > math.log10(FLUX[1]) - 0.3
    relative = [d.truth["noise_sigma"] / d.truth["flux_scale"] for d in drawings]
    assert abs(np.corrcoef(scales, np.log(relative))[0, 1]) < 0.2


def test_sersic_has_the_axis_ratio_and_half_light_radius_it_was_given() -> None:
    """Second moments give q and angle; half of the light is inside r_e."""
    frame = _frame(401, radius=50)
    for index, q, angle in ((1.0, 0.6, 0.4), (4.0, 0.7, 2.0)):
        image = profiles.sersic(frame, 12.0, index, q, angle).astype(np.float64)
        along, across = (axis.astype(np.float64) for axis in frame.turned(angle))
        radius = np.hypot(along, across / q)
        inside = radius < 150
        weight = image * inside
        ratio = math.sqrt((weight * across**2).sum() / (weight * along**2).sum())
        assert ratio == pytest.approx(q, rel=0.01)
        assert abs((weight * along * across).sum()) < 1e-3 * (weight * along**2).sum()
        half = image[radius < 12].sum() / image.sum()
        assert half == pytest.approx(0.5, abs=0.03 if index > 2 else 0.01)


def test_position_angle_of_a_drawn_galaxy() -> None:
    """Second moments of an elliptical point along `array_angle_deg`."""
    for seed in range(5):
        drawing = draw("elliptical", np.random.default_rng(seed), shape=(120, 120))
        if drawing.truth["axis_ratio"] > 0.8:
            continue
        y, x = np.indices(drawing.signal.shape).astype(np.float64)
        x -= 59.5 + drawing.truth["offset_x_px"]
        y -= 59.5 + drawing.truth["offset_y_px"]
        weight = drawing.signal * (np.hypot(x, y) < 55) / drawing.truth["flux_scale"]
        xx, yy, xy = ((weight * p).sum() for p in (x * x, y * y, x * y))
        angle = math.degrees(0.5 * math.atan2(2 * xy, xx - yy))
        away = (angle - drawing.truth["array_angle_deg"] + 90) % 180 - 90
        assert abs(away) < 5


def test_ring_lies_at_its_radius() -> None:
    """The brightest deprojected annulus outside the nucleus is the ring's."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        drawing = draw("ring_galaxy", rng, shape=(150, 150))
        truth = drawing.truth
        angle = math.radians(truth["array_angle_deg"])
        y, x = np.indices(drawing.signal.shape).astype(np.float64)
        x -= 74.5 + truth["offset_x_px"]
        y -= 74.5 + truth["offset_y_px"]
        along = math.cos(angle) * x + math.sin(angle) * y
        across = math.cos(angle) * y - math.sin(angle) * x
        across /= math.cos(math.radians(truth["inclination_deg"]))
        radius = np.hypot(along, across)
        start = 0.65 * truth["ring_radius_px"]
        edges = np.arange(start, 70, 1.0)
        light = np.histogram(radius, edges, weights=drawing.signal)[0]
        area = np.histogram(radius, edges)[0]
        brightest = edges[(light / area).argmax()] + 0.5
        assert brightest == pytest.approx(truth["ring_radius_px"], rel=0.1)


def test_width_of_a_point_source_is_the_psf() -> None:
    """The area above half maximum is that of an ellipse of the given FWHM."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        drawing = draw("point_source", rng, shape=(160, 160))
        area = (drawing.signal > 0.5 * drawing.signal.max()).sum()
        fwhm = math.sqrt(4 * area / math.pi)
        assert fwhm == pytest.approx(drawing.truth["psf_fwhm_px"], rel=0.15)


@pytest.mark.parametrize("psf", [Psf(4.0, 3.0, 0.7), Psf(3.5, 3.5, beta=3.0)])
def test_blur_makes_the_psf_of_a_point(psf: Psf) -> None:
    """A delta function through the transfer function is the profile itself."""
    image = np.zeros((1, 60, 64), np.float32)
    image[0, 30, 32] = 1
    spectrum = np.fft.rfft2(image) * psf.transfer((60, 64))
    seen = np.fft.irfft2(spectrum, s=(60, 64))[0]
    y, x = np.indices((60, 64), dtype=np.float32)
    expected = psf.profile(x - 32, y - 30)
    np.testing.assert_allclose(seen / seen.max(), expected, atol=3e-3)


def test_channels_of_a_cube_sum_to_the_disc() -> None:
    """Rotation moves light between channels, not between pixels."""
    cube = draw("ppdisc_rings", np.random.default_rng(3), shape=(64, 64), cube=True)
    assert 8 <= len(cube.signal) <= 32
    assert cube.truth["num_channels"] == len(cube.signal)
    moment = cube.signal.sum(axis=0)
    # The two outermost thirds of the line are mirror images about the centre.
    first = cube.signal[: len(cube.signal) // 3].sum(axis=0)
    last = cube.signal[-(len(cube.signal) // 3) :].sum(axis=0)
    if cube.truth["inclination_deg"] > 15:
        y, x = np.indices(first.shape)
        angle = math.radians(cube.truth["array_angle_deg"])
        along = math.cos(angle) * (x - 31.5) + math.sin(angle) * (y - 31.5)
        separation = (last * along).sum() / last.sum()
        separation -= (first * along).sum() / first.sum()
        assert np.sign(separation) == cube.truth["rotation_sense"]
    # Seen as an image, it is symmetric about its centre, as its family is.
    moment = moment / moment.max()
    assert np.corrcoef(moment.ravel(), moment[::-1, ::-1].ravel())[0, 1] > 0.8


def test_what_cannot_be_drawn_is_refused() -> None:
    """Unknown families, and cubes of things that do not rotate."""
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no family 'quasar'"):
        draw("quasar", rng)
    with pytest.raises(ValueError, match="does not rotate"):
        draw("radio_fri", rng, cube=True)


def test_projected_disc_is_the_closed_form() -> None:
    """The table integrated along the line of sight is z K1(z)."""
    z = galaxies._REDUCED[1:]
    expected = z * scipy.special.k1(z)
    np.testing.assert_allclose(galaxies._PROJECTED[1:], expected, atol=1e-3)


def test_transforms_are_the_usual_ones() -> None:
    """There and back; of an even image, from one quarter; noise of unit variance."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, 20, 24), dtype=np.float32)
    spectrum = fourier.forward(images)
    assert spectrum.dtype == np.complex64
    np.testing.assert_allclose(spectrum, np.fft.rfft2(images), atol=1e-4)
    np.testing.assert_allclose(fourier.inverse(spectrum, 24), images, atol=1e-5)
    y, x = (np.abs(np.fft.fftfreq(n) * n).astype(np.float32) for n in (20, 24))
    whole = np.exp(-(y[:, None] ** 2) / 9 - x**2 / 4)
    expected = np.fft.rfft2(whole) / whole.sum()
    np.testing.assert_allclose(fourier.even(whole[:11, :13]), expected, atol=1e-6)
    for columns in (32, 33):
        noise = fourier.inverse(fourier.white_noise((2000, 30, columns), rng), columns)
        np.testing.assert_allclose(noise.var(axis=0), 1, atol=0.2)
        assert noise.var() == pytest.approx(1, abs=0.01)
    assert [fourier.fast_length(n) for n in (48, 49, 97, 181)] == [48, 50, 100, 192]


def test_half_of_the_light_lies_within_the_half_light_radius() -> None:
    """Of an exponential disc, within 1.678 scale lengths (Freeman 1970)."""
    frame = _frame(301)
    radius = np.hypot(frame.x, frame.y)
    disc = half_light_radius(np.exp(-radius / 15), frame)
    assert disc == pytest.approx(1.678 * 15, rel=0.01)
    assert half_light_radius(np.zeros(frame.shape, np.float32), frame) is None


def test_a_grand_design_has_as_many_arms_as_the_truth_says() -> None:
    """The strongest azimuthal order of the face-on disc outside the bulge."""
    numbers = set()
    for seed in range(40):
        frame = _frame(121)
        sketch = spirals.spiral_grand_design(frame, np.random.default_rng(seed))
        if math.degrees(sketch.inclination or 0) > 20:
            continue
        radius, azimuth = np.hypot(frame.x, frame.y), np.arctan2(frame.y, frame.x)
        scale = sketch.parameters["scale_length_px"]
        assert isinstance(scale, float)
        best = []
        for factor in (1.4, 1.6, 1.8):
            ring = np.abs(radius - factor * scale) < 1
            orders = [
                abs(np.sum(sketch.image[ring] * np.exp(-1j * m * azimuth[ring])))
                for m in range(1, 7)
            ]
            best.append(1 + int(np.argmax(orders)))
        arms = sketch.parameters["num_arms"]
        numbers.add(arms)
        assert max(set(best), key=best.count) == arms, seed
    assert numbers == {2, 3, 4}


def test_thin_discs_look_as_long_as_their_inclination_makes_them() -> None:
    for family in "spiral_grand_design", "ppdisc_smooth", "ring_galaxy":
        truth = draw(family, np.random.default_rng(3)).truth
        expected = math.cos(math.radians(truth["inclination_deg"]))
        assert truth["axis_ratio"] == pytest.approx(expected)
    assert "axis_ratio" not in draw("edge_on", np.random.default_rng(3)).truth
