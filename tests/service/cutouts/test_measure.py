"""Measuring: the truth is found again, whatever the unit and the neighbours."""

from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft, optimize, special

from skylike.service.cutouts.detect import Detection, detect, from_labels
from skylike.service.cutouts.measure import Sources, measure

SIZE = 256
X, Y = 121.3, 133.6
# Kind, standard deviation or scale length, and width of the point-spread function.
PROFILES = [
    ("gaussian", 0.0, 1.3),
    ("gaussian", 2.0, 1.0),
    ("gaussian", 4.0, 1.5),
    ("disc", 2.0, 1.3),
    ("disc", 4.0, 1.5),
]
EVERY_PROFILE = pytest.mark.parametrize(("kind", "scale", "psf"), PROFILES)


def transform(
    kind: str, k: NDArray[np.float64], scale: float, psf: float
) -> NDArray[np.float64]:
    """Fourier transform of the profile with the point-spread function; 1 at k = 0."""
    if kind == "gaussian":
        own = np.exp(-((k * scale) ** 2) / 2)
    else:
        own = (1 + (k * scale) ** 2) ** -1.5
    return np.asarray(own * np.exp(-((k * psf) ** 2) / 2))


@cache
def light(
    kind: str,
    scale: float,
    psf: float,
    x: float = X,
    y: float = Y,
    axis_ratio: float = 1.0,
    theta: float = 0.0,
) -> NDArray[np.float64]:
    """A source of flux 1, integrated over pixels; exact but for its mirror images."""
    fine = 2  # half-pixel steps, beyond which the point-spread function leaves nothing
    k_x = 2 * np.pi * fft.rfftfreq(fine * SIZE, 1 / fine)
    k_y = 2 * np.pi * fft.fftfreq(fine * SIZE, 1 / fine)[:, np.newaxis]
    along = k_x * np.cos(theta) + k_y * np.sin(theta)
    across = k_y * np.cos(theta) - k_x * np.sin(theta)
    own = transform(kind, np.hypot(along, across * axis_ratio), scale, 0)
    blur = np.exp(-(k_x**2 + k_y**2) * psf**2 / 2)
    pixel = np.sinc(k_x / (2 * np.pi)) * np.sinc(k_y / (2 * np.pi))
    place = np.exp(-1j * (k_x * x + k_y * y))
    image = fft.irfft2(own * blur * pixel * place, (fine * SIZE, fine * SIZE))
    return np.asarray(image[::fine, ::fine] * fine**2)


def half_light_radius(kind: str, scale: float, psf: float) -> float:
    k = np.linspace(1e-6, 12 / psf, 100_001)
    spectrum = transform(kind, k, scale, psf)
    return float(
        optimize.brentq(
            lambda r: np.trapezoid(spectrum * special.j1(k * r) * r, k) - 0.5, 0.3, 30
        )
    )


def flux_of(image: NDArray[np.float64], signal_to_noise: float) -> float:
    """Flux at which noise 1 leaves that in the best-weighted sum."""
    return float(signal_to_noise / np.sqrt(np.sum(image**2)))


def noise(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(SIZE, SIZE))


def single(image: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(image, np.float32)


def brightest(table: Sources) -> int:
    return int(np.nanargmax(table.flux))


@EVERY_PROFILE
@pytest.mark.parametrize("best", [250, 1000])
def test_place_flux_and_radius_are_the_truth(
    kind: str, scale: float, psf: float, best: float
) -> None:
    image = light(kind, scale, psf)
    flux, radius = flux_of(image, best), half_light_radius(kind, scale, psf)
    flux_errors, radius_errors = [], []
    for seed in range(10, 34):
        table = measure(detect(single(40 + flux * image + noise(seed))))
        row = brightest(table)
        assert table.signal_to_noise[row] > 100
        assert np.hypot(table.x[row] - X, table.y[row] - Y) < 0.1
        flux_errors.append(table.flux[row] / flux - 1)
        radius_errors.append(table.half_light_radius[row] / radius - 1)
        sigma = 1 / table.signal_to_noise[row]
        assert abs(flux_errors[-1]) < 0.01 + 4 * sigma
        assert abs(radius_errors[-1]) < 0.01 + 4 * sigma
    error_of_mean = sigma / np.sqrt(len(flux_errors))
    assert abs(np.mean(flux_errors)) < 0.01 + error_of_mean
    assert abs(np.mean(radius_errors)) < 0.01 + error_of_mean


@EVERY_PROFILE
@pytest.mark.parametrize("unit", [1e-11, 1e6])
def test_the_unit_does_not_matter(
    kind: str, scale: float, psf: float, unit: float
) -> None:
    image = light(kind, scale, psf)
    image = 40 + flux_of(image, 400) * image + noise(5)
    one = measure(detect(single(image)))
    other = measure(detect(single(unit * image)))
    row, same = brightest(one), brightest(other)
    for name in ("x", "y", "half_light_radius", "semi_major", "signal_to_noise"):
        assert getattr(other, name)[same] == pytest.approx(
            getattr(one, name)[row], rel=1e-3
        )
    for name in ("flux", "flux_error", "peak"):
        assert getattr(other, name)[same] == pytest.approx(
            unit * getattr(one, name)[row], rel=1e-3
        )


@EVERY_PROFILE
def test_without_noise_only_the_missing_wings_of_a_disc_are_lost(
    kind: str, scale: float, psf: float
) -> None:
    image = light(kind, scale, psf)
    labels = (image > image.max() / 200).astype(np.int32)
    table = measure(Detection(image.astype(np.float32), labels, 1e-9, 1))
    assert table.flux[0] == pytest.approx(1, abs=0.006 if kind == "disc" else 1e-4)
    radius = half_light_radius(kind, scale, psf)
    assert table.half_light_radius[0] == pytest.approx(radius, rel=0.005)


def test_the_flux_scatters_by_its_error() -> None:
    image = light("gaussian", 0, 1.5)
    flux = flux_of(image, 60)
    pulls = []
    for seed in range(40):
        detection = detect(single(flux * image + noise(seed)))
        table = measure(detection)
        row = brightest(table)
        pulls.append((table.flux[row] - flux) / table.flux_error[row])
    assert abs(np.mean(pulls)) < 0.5
    assert 0.75 < np.std(pulls) < 1.3


@pytest.mark.parametrize("theta_deg", [-60.0, 0.0, 30.0, 80.0])
def test_axes_and_angle_are_those_of_the_source(theta_deg: float) -> None:
    image = light("gaussian", 6, 1.5, axis_ratio=0.4, theta=np.radians(theta_deg))
    table = measure(detect(single(flux_of(image, 2000) * image + noise(1))))
    major, minor = np.hypot(6, 1.5), np.hypot(0.4 * 6, 1.5)
    assert table.theta_deg[0] == pytest.approx(theta_deg, abs=2)
    assert table.ellipticity[0] == pytest.approx(1 - minor / major, abs=0.03)
    assert table.semi_major[0] == pytest.approx(major, rel=0.05)
    assert table.semi_minor[0] == pytest.approx(minor, rel=0.05)


def test_a_neighbour_takes_and_gives_little() -> None:
    here = light("gaussian", 2, 1.5)
    image = here + 2 * light("gaussian", 2, 1.5, x=X + 15, y=Y + 5)
    flux = flux_of(here, 1000)
    table = measure(detect(single(flux * image + noise(2))))
    assert len(table.label) == 2
    first = int(np.argmin(np.abs(table.x - X)))
    assert table.flux[first] == pytest.approx(flux, rel=0.03)
    assert table.flux[1 - first] == pytest.approx(2 * flux, rel=0.03)
    assert np.hypot(table.x[first] - X, table.y[first] - Y) < 0.1


def test_what_the_edge_and_missing_columns_hide_is_filled_in() -> None:
    image = light("disc", 4, 1.5)
    flux, radius = flux_of(image, 1000), half_light_radius("disc", 4, 1.5)
    frame = single(flux * image + noise(3))
    cut = measure(detect(frame[:, : int(X) + 6].copy()))
    row = brightest(cut)
    assert cut.flux[row] == pytest.approx(flux, rel=0.1)
    assert cut.half_light_radius[row] == pytest.approx(radius, rel=0.1)
    frame[:, int(X) + 8 : int(X) + 11] = np.nan
    holed = measure(detect(frame))
    row = brightest(holed)
    assert holed.flux[row] == pytest.approx(flux, rel=0.04)
    assert np.hypot(holed.x[row] - X, holed.y[row] - Y) < 0.2


def test_labels_need_not_be_consecutive_nor_ours() -> None:
    image = light("gaussian", 2, 1.5) + light("gaussian", 2, 1.5, x=60, y=60)
    frame = single(flux_of(image, 500) * image + noise(4))
    own = detect(frame)
    numbers = np.array([0, 7, 2**31 - 1])
    given = measure(from_labels(frame, numbers[own.labels]))
    ours = measure(own)
    assert given.label.tolist() == [7, 2**31 - 1]
    for field in fields(Sources)[1:]:
        np.testing.assert_array_equal(
            getattr(given, field.name), getattr(ours, field.name)
        )


def test_a_generous_mask_about_a_faint_source_measures_that_source() -> None:
    image = light("gaussian", 2, 1.5)
    flux = flux_of(image, 100)
    frame = single(10 + flux * image + noise(6))
    row, column = np.indices(frame.shape)
    mask = np.hypot(column - X, row - Y) < 15
    table = measure(from_labels(frame, mask))
    assert len(table.label) == 1
    assert np.hypot(table.x[0] - X, table.y[0] - Y) < 0.5
    assert abs(table.flux[0] - flux) < 4 * table.flux_error[0]


def test_area_peak_and_box_are_the_labels_own() -> None:
    frame = single(noise(7))
    frame[20:24, 30:40] += 50
    frame[21, 35] = 100
    frame[22, 32] = np.nan
    labels = np.zeros(frame.shape, np.int32)
    labels[20:24, 30:40] = 3
    detection = from_labels(frame, labels)
    table = measure(detection)
    assert table.box.tolist() == [[30, 20, 40, 24]]
    assert table.area.tolist() == [39]
    assert table.peak[0] == detection.pixels[21, 35]


def test_a_label_without_data_is_a_row_of_nan_with_a_box() -> None:
    image = light("gaussian", 2, 1.5)
    frame = single(flux_of(image, 500) * image + noise(8))
    labels = np.array(detect(frame).labels)
    frame[200:205, 10:14] = np.nan
    labels[200:205, 10:14] = 9
    table = measure(from_labels(frame, labels))
    assert table.label.tolist() == [1, 9]
    assert table.area[1] == 0
    assert table.box[1].tolist() == [10, 200, 14, 205]
    for field in fields(Sources):
        if field.name not in ("label", "area", "box"):
            column = getattr(table, field.name)
            assert np.isfinite(column[0]), field.name
            assert np.isnan(column[1]), field.name


def test_a_hole_has_a_place_and_a_negative_flux_and_no_radius() -> None:
    image = light("gaussian", 3, 1.5)
    frame = single(noise(9) - flux_of(image, 500) * image)
    row, column = np.indices(frame.shape)
    table = measure(from_labels(frame, np.hypot(column - X, row - Y) < 8))
    assert table.flux[0] < 0
    assert np.hypot(table.x[0] - X, table.y[0] - Y) < 1
    assert np.isnan(table.half_light_radius[0])


def test_a_hot_pixel_has_no_radius_of_its_own() -> None:
    frame = single(0.01 * noise(9))
    frame[50, 60] = 1000
    table = measure(from_labels(frame, frame > 500))
    assert (table.x[0], table.y[0]) == pytest.approx((60, 50), abs=0.01)
    assert table.flux[0] == pytest.approx(1000, rel=0.01)
    assert table.half_light_radius[0] == 0


def test_no_sources_make_an_empty_table() -> None:
    for frame in (np.zeros((40, 40), np.float32), np.full((9, 9), np.nan, np.float32)):
        table = measure(detect(frame))
        for field in fields(Sources):
            assert len(getattr(table, field.name)) == 0
        assert table.box.shape == (0, 4)


def test_a_label_upon_a_constant_image_has_no_light_and_no_noise() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[10:15, 10:15] = 1
    table = measure(from_labels(np.full((40, 40), 3.0, np.float32), labels))
    assert table.flux[0] == 0
    assert table.flux_error[0] == 0
    assert np.isnan(table.signal_to_noise[0])
    assert (table.x[0], table.y[0]) == (12, 12)
