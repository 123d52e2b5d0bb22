"""The statistics of shape: statmorph's definitions, whatever the unit or the view."""

import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, special

from skylike.service.cutouts.morphology import Morphology, measure
from skylike.service.errors import BadRequest

Pixels = NDArray[np.float64]
Labels = NDArray[np.int64]

SIDE = 128
X, Y = 64.3, 63.6
# In the unit of each. The search for the centre ends at 1e-4 pixels, statmorph's at
# 1e-6. Gini and M20 change only when a pixel joins the object: to rounding or by far.
AGREEMENT = {
    "concentration": 1e-4,
    "asymmetry": 1e-5,
    "smoothness": 5e-5,
    "gini": 1e-6,
    "m20": 1e-6,
    "petrosian_radius": 2e-3,
    "half_light_radius": 2e-4,
}
# Turning the image moves the pixels at which the search for the centre starts, and
# puts the box of sky elsewhere: asymmetry and smoothness rest on its noise.
INVARIANCE = AGREEMENT | {"asymmetry": 1e-2, "smoothness": 3e-2}


def disc_plane(
    axis_ratio: float, angle: float, oversampling: int = 1
) -> tuple[Pixels, Pixels]:
    """Coordinates along the axes of an inclined disc, and as seen from above."""
    y, x = (np.indices((SIDE * oversampling,) * 2) + 0.5) / oversampling - 0.5
    along = (x - X) * np.cos(angle) + (y - Y) * np.sin(angle)
    across = (y - Y) * np.cos(angle) - (x - X) * np.sin(angle)
    return along, across / axis_ratio


def sersic(
    index: float, half_light: float, axis_ratio: float = 1.0, angle: float = 0.0
) -> Pixels:
    """A Sérsic profile of unit flux, oversampled 5 times, and blurred by the PSF."""
    radius = np.hypot(*disc_plane(axis_ratio, angle, oversampling=5))
    b = special.gammaincinv(2 * index, 0.5)
    fine = np.exp(-b * (radius / half_light) ** (1 / index))
    image = fine.reshape(SIDE, 5, SIDE, 5).mean(axis=(1, 3))
    return psf(image / image.sum())


def psf(image: Pixels) -> Pixels:
    return np.asarray(ndimage.gaussian_filter(image, 1.2, mode="constant"))


def blob(x: float, y: float, sigma: float) -> Pixels:
    rows, columns = np.indices((SIDE, SIDE))
    squared = (columns - x) ** 2 + (rows - y) ** 2
    return np.asarray(np.exp(-squared / 2 / sigma**2) / (2 * np.pi * sigma**2))


def spiral() -> Pixels:
    along, across = disc_plane(0.5, 0.6)
    arms = np.cos(2 * np.arctan2(across, along) - np.hypot(along, across) / 3)
    return psf(sersic(1, 10, 0.5, 0.6) * (1 + 0.8 * arms)) + 0.2 * sersic(2, 2)


KINDS: dict[str, Callable[[], Pixels]] = {
    "gaussian": lambda: blob(X, Y, 4),
    "exponential": lambda: sersic(1, 6, 0.7, 0.5),
    "de Vaucouleurs": lambda: sersic(4, 6, 0.8, 1.0),
    "merger": lambda: (
        0.4 * blob(58, 62, 3) + 0.3 * blob(71, 68, 2.5) + 0.3 * sersic(1, 9, 0.6, 0.4)
    ),
    "spiral": spiral,
}


@functools.cache
def scene(kind: str, peak_to_noise: float) -> tuple[Pixels, Labels]:
    """An object of peak 1 in noise, and the pixels that are its, labelled 1."""
    clean = KINDS[kind]()
    clean = clean / clean.max()
    noise = 1 / peak_to_noise
    bright, _ = ndimage.label(ndimage.gaussian_filter(clean, 1) > 1.5 * noise)
    pixels = clean + np.random.default_rng(0).normal(0, noise, clean.shape)
    return pixels, (bright == bright[clean == 1]).astype(np.int64)


def with_neighbours(pixels: Pixels, labels: Labels) -> tuple[Pixels, Labels]:
    pixels, labels = pixels.copy(), labels.copy()
    for label, (x, y, peak) in enumerate([(20, 30, 0.5), (100, 95, 1), (62, 92, 0.6)]):
        neighbour = peak * blob(x, y, 3) * 2 * np.pi * 9
        pixels += neighbour
        labels[(neighbour > 0.02) & (labels == 0)] = label + 2
    return pixels, labels


def with_holes(pixels: Pixels, labels: Labels) -> tuple[Pixels, Labels]:
    pixels = pixels.copy()
    pixels[70:73, 66:70] = np.nan
    pixels[5:9] = np.nan
    pixels[100, 20:60] = np.inf
    return pixels, labels


def statmorph_s(pixels: Pixels, labels: Labels) -> Morphology:
    statmorph = pytest.importorskip("statmorph")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = statmorph.SourceMorphology(
            pixels, labels, 1, mask=~np.isfinite(pixels), gain=1.0
        )
    return Morphology(
        concentration=found.concentration,
        asymmetry=found.asymmetry,
        smoothness=found.smoothness,
        gini=found.gini,
        m20=found.m20,
        petrosian_radius=found.rpetro_ellip,
        half_light_radius=found.r50,
    )


def assert_alike(
    found: Morphology, expected: Morphology, tolerances: dict[str, float]
) -> None:
    for name, tolerance in tolerances.items():
        assert getattr(found, name) == pytest.approx(
            getattr(expected, name), abs=tolerance, rel=0
        ), name


def is_blank(found: Morphology) -> bool:
    return bool(np.isnan(dataclasses.astuple(found)).all())


@pytest.mark.parametrize("peak_to_noise", [10, 50, 300])
@pytest.mark.parametrize("kind", KINDS)
def test_every_statistic_is_that_of_statmorph(kind: str, peak_to_noise: float) -> None:
    pixels, labels = scene(kind, peak_to_noise)
    assert_alike(measure(pixels, labels, 1), statmorph_s(pixels, labels), AGREEMENT)


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_and_holes_are_masked_as_statmorph_masks_them(kind: str) -> None:
    pixels, labels = with_holes(*with_neighbours(*scene(kind, 50)))
    assert_alike(measure(pixels, labels, 1), statmorph_s(pixels, labels), AGREEMENT)


@pytest.mark.parametrize(("top", "left"), [(40, 45), (0, 30), (50, 0)])
def test_an_object_at_the_edge_has_the_statistics_of_statmorph(
    top: int, left: int
) -> None:
    pixels, labels = scene("exponential", 50)
    pixels, labels = pixels[top:-10, left:-40], labels[top:-10, left:-40]
    assert_alike(measure(pixels, labels, 1), statmorph_s(pixels, labels), AGREEMENT)


def test_an_object_about_the_very_middle_of_a_pixel_has_those_of_statmorph() -> None:
    pixels = blob(64, 64, 0.9)
    labels = (pixels > pixels.max() / 100).astype(np.int64)
    found = measure(pixels, labels, 1)
    tolerances = {name: AGREEMENT[name] for name in AGREEMENT if name != "m20"}
    assert_alike(found, statmorph_s(pixels, labels), tolerances)
    # The pixel in the middle is the brightest 20%, and at no distance from it.
    assert np.isnan(found.m20)


def test_a_gaussian_has_the_radii_of_its_formula() -> None:
    along, across = disc_plane(0.6, 0.5)
    pixels = np.exp(-(along**2 + across**2) / 2 / 5**2)
    found = measure(pixels, (pixels > 0.01).astype(int), 1)
    # With x = (r / sigma)^2 / 2 the condition of Petrosian is x / (e^x - 1) = 0.2.
    assert found.petrosian_radius == pytest.approx(5 * np.sqrt(2 * 2.6602), rel=3e-3)


def test_the_concentration_of_a_round_gaussian_is_that_of_its_formula() -> None:
    pixels = blob(X, Y, 6)
    found = measure(pixels, (pixels > pixels.max() / 100).astype(int), 1)
    assert found.concentration == pytest.approx(
        2.5 * np.log10(np.log(5) / np.log(5 / 4)), rel=3e-3
    )
    assert found.half_light_radius == pytest.approx(
        6 * np.sqrt(2 * np.log(2)), rel=3e-3
    )


def test_two_nuclei_make_an_object_asymmetric_and_move_its_light_outwards() -> None:
    merger, disc = (measure(*scene(kind, 300), 1) for kind in ("merger", "exponential"))
    assert merger.asymmetry > disc.asymmetry + 0.1
    assert merger.m20 > disc.m20 + 0.5
    assert merger.concentration < disc.concentration


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", [1e-11, 1e6])
def test_the_unit_of_flux_does_not_matter(kind: str, unit: float) -> None:
    pixels, labels = scene(kind, 50)
    found = measure(pixels * unit, labels, 1)
    assert_alike(found, measure(pixels, labels, 1), dict.fromkeys(AGREEMENT, 1e-9))


@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">f8"])
def test_the_type_of_the_pixels_does_not_matter(dtype: str) -> None:
    pixels, labels = scene("spiral", 50)
    found = measure((pixels * 1e-11).astype(dtype), labels.astype(np.uint8), 1)
    assert_alike(found, measure(pixels, labels, 1), dict.fromkeys(AGREEMENT, 1e-5))


@pytest.mark.parametrize(
    "turn",
    [np.rot90, lambda a: np.rot90(a, 2), np.flipud, np.fliplr, np.transpose],
    ids=["quarter turn", "half turn", "upside down", "mirrored", "transposed"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_view_does_not_matter(
    kind: str, turn: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    pixels, labels = scene(kind, 300)
    found = measure(turn(pixels), turn(labels), 1)
    assert_alike(found, measure(pixels, labels, 1), INVARIANCE)


def test_what_other_objects_shine_does_not_matter() -> None:
    pixels, labels = with_neighbours(*scene("spiral", 50))
    expected = measure(pixels, labels, 1)
    found = measure(np.where(labels > 1, 7 * pixels, pixels), labels, 1)
    assert_alike(found, expected, dict.fromkeys(AGREEMENT, 1e-5))


def test_a_pixel_without_data_is_as_good_as_one_of_another_object() -> None:
    pixels, labels = with_neighbours(*scene("spiral", 50))
    expected = measure(pixels, labels, 1)
    pixels[labels > 1] = np.nan
    found = measure(pixels, np.where(labels > 1, 0, labels), 1)
    assert_alike(found, expected, dict.fromkeys(AGREEMENT, 1e-5))


def test_the_inputs_are_left_as_they_were() -> None:
    pixels, labels = with_holes(*scene("merger", 50))
    before = pixels.copy(), labels.copy()
    measure(pixels, labels, 1)
    np.testing.assert_array_equal((pixels, labels), before)


def test_each_label_of_a_scene_is_an_object() -> None:
    pixels, labels = with_neighbours(*scene("exponential", 50))
    found = [measure(pixels, labels, label).half_light_radius for label in range(1, 5)]
    assert found[1:] == pytest.approx([3 * np.sqrt(2 * np.log(2))] * 3, rel=0.1)
    assert found[0] > 1.3 * max(found[1:])


@pytest.mark.parametrize("label", [0, -1, 2])
def test_a_label_that_no_object_has_is_refused(label: int) -> None:
    pixels, labels = scene("gaussian", 50)
    with pytest.raises(BadRequest) as caught:
        measure(pixels, labels, label)
    assert caught.value.reason == "bad_label"


def test_a_single_pixel_has_no_morphology() -> None:
    pixels, labels = np.zeros((40, 40)), np.zeros((40, 40), int)
    pixels[20, 20] = labels[20, 20] = 1
    assert is_blank(measure(pixels, labels, 1))


@pytest.mark.parametrize("level", [0.0, -1.0, np.nan])
def test_an_object_without_positive_flux_has_no_morphology(level: float) -> None:
    _, labels = scene("gaussian", 50)
    assert is_blank(measure(np.where(labels, level, 0.0), labels, 1))


def test_an_object_that_fills_the_image_has_no_morphology() -> None:
    assert is_blank(measure(np.ones((50, 50)), np.ones((50, 50), int), 1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (2, 2), (3, 40)])
def test_an_image_too_small_for_apertures_has_no_morphology(
    shape: tuple[int, int],
) -> None:
    assert is_blank(measure(np.ones(shape), np.ones(shape, int), 1))


def test_an_object_with_a_hole_in_its_centre_has_no_morphology() -> None:
    pixels, labels = scene("gaussian", 300)
    pixels = pixels.copy()
    pixels[62:66, 63:67] = np.nan
    assert is_blank(measure(pixels, labels, 1))


def test_an_object_in_a_moat_of_negative_flux_has_no_light_to_share_out() -> None:
    pixels, labels = scene("gaussian", 50)
    distance = np.hypot(*disc_plane(1, 0))
    found = measure(np.where(abs(distance - 13.5) < 2, -1, pixels), labels, 1)
    assert np.isnan(
        [found.concentration, found.half_light_radius, found.smoothness]
    ).all()
    assert np.isfinite([found.petrosian_radius, found.gini, found.m20]).all()


def test_without_sky_there_is_nothing_to_correct_asymmetry_and_smoothness_with() -> (
    None
):
    pixels, labels = scene("exponential", 50)
    everywhere = np.where(labels == 1, 1, 2 * (np.indices(labels.shape).sum(0) % 2))
    found = measure(pixels, everywhere, 1)
    assert np.isnan([found.asymmetry, found.smoothness]).all()
    assert found.concentration == pytest.approx(2.63, abs=0.1)
    assert np.isfinite([found.gini, found.m20, found.petrosian_radius]).all()


def test_noise_of_any_kind_gives_numbers_or_nan_and_no_warning() -> None:
    rng = np.random.default_rng(0)
    for trial in range(100):
        pixels = rng.normal(size=rng.integers(1, 50, 2)) * 10.0 ** rng.integers(-35, 30)
        pixels[rng.random(pixels.shape) < 0.3 * (trial % 3)] = np.nan
        labels = rng.integers(0, 3, pixels.shape)
        labels.flat[0] = 1
        assert not np.isinf(dataclasses.astuple(measure(pixels, labels, 1))).any()
