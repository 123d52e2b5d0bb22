"""Detection: what becomes an object, in which units, and what the sky is."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import sep
from numpy.typing import NDArray

from skylike.service.cutouts import dbscan
from skylike.service.cutouts.detect import Detection, Method, detect, from_labels
from skylike.service.cutouts.measure import measure
from skylike.service.cutouts.sky import divide_by_noise, noise_at, subtract_sky
from skylike.service.errors import BadRequest

EVERY_METHOD = pytest.mark.parametrize("method", list(Method))
STARS = [(x, y) for y in range(25, 200, 50) for x in range(25, 200, 50)]


def star(
    shape: tuple[int, int], x: float, y: float, flux: float, sigma: float = 2.0
) -> NDArray[np.float64]:
    """A round Gaussian of `flux` in all."""
    row, column = np.indices(shape)
    square = (column - x) ** 2 + (row - y) ** 2
    return flux * np.exp(-square / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def noise(shape: tuple[int, int], seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


def field(sky: float = 100.0, seed: int = 0) -> NDArray[np.float32]:
    """Sixteen stars upon sky with noise 1."""
    shape = (200, 200)
    stars = sum(star(shape, x, y, 400.0) for x, y in STARS)
    return np.asarray(sky + stars + noise(shape, seed), np.float32)


def noise_map(found: Detection) -> NDArray[np.float64]:
    row, column = np.indices(found.pixels.shape, np.float64)
    return found.noise_at(column.ravel(), row.ravel()).reshape(row.shape)


def reason(image: Any, **options: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        detect(image, **options)
    return caught.value.reason


@EVERY_METHOD
def test_every_star_becomes_one_object(method: Method) -> None:
    found = detect(field(), method=method)
    assert found.labels.dtype == np.int32
    assert found.num_sources == len(STARS)
    assert {found.labels[y, x] for x, y in STARS} == set(range(1, len(STARS) + 1))


def test_the_image_stays_as_it_was_and_comes_back_without_its_sky() -> None:
    image = field(sky=1000.0)
    before = image.copy()
    found = detect(image)
    np.testing.assert_array_equal(image, before)
    assert found.pixels.dtype == np.float32
    assert abs(np.median(found.pixels[found.labels == 0])) < 0.03
    assert np.mean(noise_map(found)) == pytest.approx(1, abs=0.03)


def test_an_image_may_be_read_only_and_in_any_order_of_memory() -> None:
    image = field()
    image[3, 5] = np.nan
    expected = detect(image)
    other = np.asfortranarray(image)
    other.setflags(write=False)
    found = detect(other)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    constant = np.asfortranarray(np.ones((40, 50), np.float32))
    table = measure(from_labels(constant, np.ones((40, 50), bool)))
    assert table.flux.tolist() == [0]


def test_a_sloping_sky_with_sloping_noise_is_followed() -> None:
    x = np.linspace(0, 1, 512)
    image = 50 + 6 * x + (1 + x) * noise((512, 512))
    found = detect(image.astype(np.float32))
    truth = np.broadcast_to(1 + x, image.shape)
    np.testing.assert_allclose(noise_map(found), truth, rtol=0.15)
    assert np.abs(found.pixels[:, ::8].mean(axis=0)).max() < 0.5
    assert found.num_sources == 0


def test_the_noise_is_known_as_well_at_the_edge_as_in_the_middle() -> None:
    for seed in range(8):
        found = detect(noise((130, 130), seed).astype(np.float32))
        np.testing.assert_allclose(noise_map(found), 1, atol=0.12)


def test_white_noise_shows_no_object() -> None:
    assert detect(noise((2048, 2048)).astype(np.float32)).num_sources == 0


@EVERY_METHOD
@pytest.mark.parametrize("exponent", [-100, -37, 20])
def test_a_power_of_two_changes_no_label_at_all(method: Method, exponent: int) -> None:
    image = field()
    for x, y in STARS:
        image += star(image.shape, x + 9, y + 2, 2000.0).astype(np.float32)
    scaled = np.ldexp(image, exponent)
    first, second = detect(image, method=method), detect(scaled, method=method)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(np.ldexp(first.pixels, exponent), second.pixels)


@EVERY_METHOD
@pytest.mark.parametrize("unit", [1e-11, 1e6])
def test_the_unit_changes_labels_by_no_more_than_rounding(
    method: Method, unit: float
) -> None:
    image = field()
    scaled = (image * np.float64(unit)).astype(np.float32)
    first, second = detect(image, method=method), detect(scaled, method=method)
    assert np.mean(first.labels != second.labels) < 1e-4
    np.testing.assert_allclose(second.noise, unit * first.noise, rtol=1e-3)


@EVERY_METHOD
@pytest.mark.parametrize("value", [0.0, 7e-11, 1234.5, np.nan])
def test_a_constant_image_has_no_objects(method: Method, value: float) -> None:
    image = np.full((60, 70), value, np.float32)
    image[10:20] = np.nan
    found = detect(image, method=method)
    assert found.num_sources == 0
    assert not found.labels.any()
    assert found.noise == 0


@EVERY_METHOD
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 3), (20, 33)])
def test_an_image_may_be_tiny(method: Method, shape: tuple[int, int]) -> None:
    found = detect(noise(shape).astype(np.float32), method=method)
    assert found.labels.shape == shape


@EVERY_METHOD
def test_of_an_image_that_was_cut_all_that_is_left_is_found(method: Method) -> None:
    image = field(sky=0.0)
    image[image < 4] = 0
    found = detect(image, method=method)
    assert np.all(noise_map(found) > 0)
    assert {found.labels[y, x] for x, y in STARS} == set(range(1, len(STARS) + 1))
    assert np.mean(found.labels[image > 4] > 0) > 0.95


def test_a_model_without_noise_is_found_upon_its_sky() -> None:
    image = np.full((128, 128), 5e-11, np.float32)
    image[60:70, 50:65] += np.float32(1e-11)
    found = detect(image)
    assert found.num_sources == 1
    assert found.labels[60:70, 50:65].all()
    assert np.count_nonzero(found.labels) < 200


def test_zeros_beside_a_mosaic_hold_no_objects_and_divide_nothing() -> None:
    image = noise((512, 512)).astype(np.float32)
    image += star(image.shape, 100, 250, 600.0).astype(np.float32)
    image[:, 256:] = 0
    found = detect(image)
    assert found.labels[250, 100] > 0
    assert not found.labels[:, 257:].any()
    assert np.all(noise_map(found) > 0)
    assert np.mean(noise_map(found)[:, :128]) == pytest.approx(1, rel=0.05)


def blank_corners(image: NDArray[np.float32]) -> None:
    """What a round field leaves of its square, and some more: 40 per cent."""
    row, column = np.indices(image.shape)
    away = np.hypot(row - image.shape[0] / 2, column - image.shape[1] / 2)
    image[away > 0.437 * image.shape[0]] = np.nan


def blank_at_random(image: NDArray[np.float32]) -> None:
    """No mesh is half known."""
    image[np.random.default_rng(1).random(image.shape) < 0.6] = np.nan


@pytest.mark.parametrize("blank", [blank_corners, blank_at_random])
def test_sky_and_noise_are_right_where_much_is_blank(blank: Any) -> None:
    image = np.asarray(-3 + 2 * noise((300, 300)), np.float32)
    image += star(image.shape, 150, 150, 3000.0, 4.0).astype(np.float32)
    blank(image)
    blank_pixels = np.isnan(image)
    assert blank_pixels.mean() > 0.35
    found = detect(image)
    np.testing.assert_array_equal(np.isnan(found.pixels), blank_pixels)
    assert not found.labels[blank_pixels].any()
    assert np.all(np.isfinite(noise_map(found)))
    assert np.mean(noise_map(found)) == pytest.approx(2, rel=0.05)
    assert abs(np.nanmedian(found.pixels[found.labels == 0])) < 0.1
    assert found.labels.max() >= 1


@pytest.mark.parametrize("method", [Method.SEP, Method.WATERSHED])
def test_two_stars_that_touch_are_split_unless_contrast_forbids(method: Method) -> None:
    shape = (100, 100)
    pair = star(shape, 45, 50, 2000.0) + star(shape, 54, 50, 1500.0)
    image = np.asarray(pair + noise(shape), np.float32)
    split = detect(image, method=method).labels
    assert split[50, 45] != split[50, 54]
    whole = detect(image, method=method, deblend_contrast=1).labels
    assert whole[50, 45] == whole[50, 54] > 0


def test_dbscan_keeps_an_arc_whole_and_breaks_a_bridge_one_pixel_wide() -> None:
    row, column = np.indices((120, 120))
    away = np.hypot(row - 60, column - 60)
    image = np.asarray(noise((120, 120)) * 0.1, np.float32)
    image[(np.abs(away - 40) < 2.5) & (row > 40)] += 10
    labels = detect(image, method=Method.DBSCAN).labels
    arc = labels[(np.abs(away - 40) < 1.5) & (row > 45)]
    assert np.unique(arc).tolist() == [arc[0]]

    significance = np.zeros((20, 40), np.float32)
    significance[5:15, 5:15] = significance[5:15, 25:35] = 10
    significance[10, 15:25] = 10
    labels = dbscan.group(significance, 1.5, 5)
    assert labels[10, 10] != labels[10, 30]
    assert labels.max() == 2


def test_dbscan_refuses_more_pixels_than_it_can_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dbscan, "MAX_PIXELS", 100)
    assert reason(field(), method=Method.DBSCAN) == "too_many_pixels"


def crowd_of_stars() -> NDArray[np.float32]:
    """1,600 peaks on one plateau: more than the 1,024 sep expects to hang together."""
    row, column = np.indices((500, 500))
    image = noise((500, 500)) * 0.01
    inside = (np.abs(row - 250) < 100) & (np.abs(column - 250) < 100)
    ripple = np.cos(2 * np.pi * row / 5) * np.cos(2 * np.pi * column / 5)
    return np.asarray(image + inside * (3 + 2 * ripple), np.float32)


def comb(size: int) -> NDArray[np.float32]:
    """Stripes along all rows, a third of the pixels: none is complete till the last."""
    image = noise((size, size)) * 0.01
    image[:, np.arange(size) % 13 < 4] += 1
    return np.asarray(image, np.float32)


@pytest.mark.parametrize(
    ("image", "at_least"),
    [(crowd_of_stars(), 1000), (comb(1140), 80)],
    ids=["sub", "pix"],
)
def test_a_crowded_field_gets_larger_buffers_and_gives_them_back(
    image: NDArray[np.float32], at_least: int
) -> None:
    limits = sep.get_extract_pixstack(), sep.get_sub_object_limit()
    with pytest.raises(Exception, match=r"buffer full|overflow"):
        sep.extract(image, 0.3, deblend_cont=0.0, filter_type="conv")
    found = detect(image, deblend_contrast=0.0)
    assert found.num_sources >= at_least
    assert (sep.get_extract_pixstack(), sep.get_sub_object_limit()) == limits


def test_threads_do_not_disturb_each_others_buffers(
    request: pytest.FixtureRequest,
) -> None:
    request.addfinalizer(partial(sep.set_extract_pixstack, sep.get_extract_pixstack()))
    sep.set_extract_pixstack(1000)
    image = comb(130)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(detect, [image] * 200))
    assert {detection.num_sources for detection in found} == {10}
    assert sep.get_extract_pixstack() == 1000


def test_finding_and_measuring_hold_little_more_than_two_frames() -> None:
    shape = (1500, 1500)
    image = noise(shape).astype(np.float32)
    image += np.tile(star((100, 100), 50, 50, 400.0), (15, 15)).astype(np.float32)
    measure(detect(image[:100]))
    tracemalloc.start()
    found = detect(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    measure(found)
    held, peak_of_measuring = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.num_sources == 225
    assert peak < 2.7 * image.nbytes
    assert held < 2.2 * image.nbytes
    assert peak_of_measuring < 2.7 * image.nbytes


@pytest.mark.parametrize(("shape", "mesh"), [((640, 768), 128), ((645, 774), 129)])
def test_samples_of_the_noise_tell_what_the_splines_do(
    shape: tuple[int, int], mesh: int
) -> None:
    slope = 1 + np.linspace(0, 1, shape[0])[:, np.newaxis] + np.linspace(0, 1, shape[1])
    image = (slope * noise(shape)).astype(np.float32)
    frame, samples = subtract_sky(image, None)
    splines = sep.Background(image, bw=mesh, bh=mesh).rms()
    row, column = np.indices(shape, np.float64)
    given = noise_at(samples, shape, column.ravel(), row.ravel()).reshape(shape)
    np.testing.assert_allclose(given, splines, rtol=1e-3)
    expected = frame / splines
    divide_by_noise(frame, samples)
    np.testing.assert_allclose(frame, expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"threshold": 0.0}, "bad_threshold"),
        ({"threshold": float("nan")}, "bad_threshold"),
        ({"min_area": 0}, "bad_min_area"),
        ({"deblend_contrast": 1.5}, "bad_deblend_contrast"),
    ],
)
def test_an_option_without_meaning_is_refused(
    options: dict[str, Any], expected: str
) -> None:
    assert reason(field(), **options) == expected


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (0, 5)])
def test_what_is_not_one_plane_is_refused(shape: tuple[int, ...]) -> None:
    assert reason(np.zeros(shape, np.float32)) == "not_an_image"


def test_labels_of_somebody_else_get_the_same_sky() -> None:
    image = field()
    own = detect(image)
    given = from_labels(image, own.labels.astype(np.uint16) * 7)
    assert given.num_sources == own.num_sources
    np.testing.assert_array_equal(given.labels, own.labels * 7)
    np.testing.assert_array_equal(given.pixels, own.pixels)
    np.testing.assert_array_equal(given.noise, own.noise)


def test_a_mask_is_one_object() -> None:
    image = field()
    mask = detect(image).labels > 0
    given = from_labels(image, mask)
    assert given.num_sources == 1
    np.testing.assert_array_equal(given.labels, mask)


def test_labels_that_cover_the_image_leave_a_sky_all_the_same() -> None:
    given = from_labels(field(), np.ones((200, 200), bool))
    assert isinstance(given, Detection)
    assert np.mean(noise_map(given)) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(
    "labels",
    [
        np.ones((200, 199), int),
        np.ones((200, 200)),
        np.full((200, 200), -1),
        np.full((200, 200), 2**31),
    ],
    ids=["shape", "float", "negative", "huge"],
)
def test_labels_of_no_use_are_refused(labels: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        from_labels(field(), labels)
    assert caught.value.reason == "bad_labels"
