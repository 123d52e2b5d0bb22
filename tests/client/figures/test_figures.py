"""What figures tell is true, legible and kept: numbers, captions, files, hostile names."""

import dataclasses
import io
import itertools
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from astropy.io import fits
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.transforms import Bbox
from PIL import Image
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from skylike.client import Client, Cutout, NewObject, errors, figures, filters
from skylike.client.figures import Paper, Sample, files, layout, shapes, threshold
from skylike.client.figures.clusters import facts
from skylike.client.figures.paper import MM_OF_LETTER, SMALL, decoded, short
from skylike.client.figures.values import Values, labels, show
from skylike.client.kinds import ClusterInfo, MemberShare, NumberSpread, Portrait

Draw = Callable[..., Paper]
MINUS = "\N{MINUS SIGN}"
NAMES = ("map", "similar", "components", "clusters", "anomalies", "training")


@pytest.fixture
def drawers(client: Client, sample: Sample, run: Path) -> dict[str, Draw]:
    """Every figure; each takes its width."""
    one: dict[str, Any] = {"object_id": "ring-3", "collection": "sky", "sample": sample}
    return {
        "map": partial(figures.thumbnail_map, sample, layout="pca"),
        "similar": partial(figures.similar, client, **one),
        "components": partial(figures.components, sample),
        "clusters": partial(figures.clusters, client, collection="sky"),
        "anomalies": partial(figures.anomalies, client, collection="sky"),
        "training": partial(figures.training, run),
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The record of a run that collapses; its last line was cut off."""
    folder = tmp_path / "night"
    folder.mkdir()
    lines = [
        {
            "step": 100 * i,
            "loss": 1 / i,
            "spread": 0.2 / i**2,
            "rank": 30.0,
            "recall": 0.5,
        }
        for i in range(1, 6)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "log.jsonl").write_text(text + '{"step": 600, "lo')
    return folder


class _Reader(RendererAgg):
    """Draws, and remembers the lines of text that were drawn: axes have others, too."""

    def __init__(self, paper: Paper) -> None:
        width, height = paper.bbox.width, paper.bbox.height
        super().__init__(width, height, paper.dpi)  # type: ignore[no-untyped-call]
        self.lines: list[tuple[str, float, Bbox]] = []

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float,
        ismath: Any = False, mtext: Any = None,
    ) -> None:  # fmt: skip
        if angle:
            box = mtext.get_window_extent(self)
        else:
            measure: Any = self.get_text_width_height_descent
            width, height, descent = measure(s, prop, ismath)
            box = Bbox.from_bounds(x, self.height - y - descent, width, height)
        self.lines.append((s, prop.get_size_in_points(), box))
        draw: Any = super().draw_text
        draw(gc, x, y, s, prop, angle, ismath, mtext)


def _lines(paper: Paper) -> list[tuple[str, float, Bbox]]:
    """What can be read: text, size in points, where it stands."""
    reader = _Reader(paper)
    paper.draw(reader)
    return [line for line in reader.lines if line[0].strip()]


@pytest.mark.parametrize("width_mm", [75.0, figures.COLUMN_MM, figures.PAGE_MM])
@pytest.mark.parametrize("name", NAMES)
def test_text_is_large_enough_apart_and_on_the_page(
    drawers: dict[str, Draw], name: str, width_mm: float
) -> None:
    """At the size of print: 6 points, no two texts over each other, none cut off."""
    _is_legible(drawers[name](width_mm=width_mm))


@pytest.mark.parametrize("width_mm", [75.0, figures.COLUMN_MM, figures.PAGE_MM])
def test_long_numbers_at_an_axis_leave_its_name_beside_the_pictures(
    client: Client, sample: Sample, width_mm: float
) -> None:
    """Objects that are much alike have places such as -0.025."""
    how: dict[str, Any] = {"collection": "sky", "sample": sample, "width_mm": width_mm}
    paper = figures.similar(client, object_id="ring-3", **how)
    paper.axes[-1].set_ylim(-0.03, 0.03)
    told = {text for text, _, _ in _lines(paper)}
    assert told & {f"{MINUS}0.02", f"{MINUS}0.025"}
    _is_legible(paper)


def _is_legible(paper: Paper) -> None:
    lines = _lines(paper)
    assert len(lines) > 1
    page = paper.bbox
    for text, size, box in lines:
        assert size >= 6, text
        assert page.x0 - 1 <= box.x0, text
        assert box.x1 <= page.x1 + 1, text
        assert page.y0 - 1 <= box.y0, text
        assert box.y1 <= page.y1 + 1, text
    frames = [axes.get_window_extent() for axes in paper.axes if axes.get_images()]
    for (text, _, box), frame in itertools.product(lines, frames):
        across = min(box.x1, frame.x1) - max(box.x0, frame.x0)
        along = min(box.y1, frame.y1) - max(box.y0, frame.y0)
        assert min(across, along) < -0.5 / 25.4 * paper.dpi or text == "no picture"
    for (one, _, here), (other, _, there) in itertools.combinations(lines, 2):
        overlap_x = min(here.x1, there.x1) - max(here.x0, there.x0)
        overlap_y = min(here.y1, there.y1) - max(here.y0, there.y0)
        assert min(overlap_x, overlap_y) < 1.5, (one, other)


@pytest.mark.parametrize("name", NAMES)
def test_files_hold_the_caption_and_are_the_same_when_drawn_again(
    drawers: dict[str, Draw], name: str, tmp_path: Path
) -> None:
    paper, again = drawers[name](), drawers[name]()
    assert paper.kind == name
    for ending in ("png", "pdf"):
        for drawn, folder in ((paper, "a"), (again, "b")):
            (tmp_path / folder).mkdir(exist_ok=True)
            drawn.write(tmp_path / folder / f"f.{ending}", dpi=100)
        first, second = (tmp_path / n / f"f.{ending}" for n in "ab")
        assert first.read_bytes() == second.read_bytes()
    with Image.open(tmp_path / "a/f.png") as png:
        assert png.info["Description"] == paper.caption
        size_mm = np.array(png.size) / 100 * 25.4
        assert size_mm == pytest.approx([paper.width_mm, paper.height_mm], abs=0.3)
        assert len(png.convert("L").getcolors(256) or []) > 5  # something was drawn
    pdf = (tmp_path / "a/f.pdf").read_bytes()
    assert b"/Subtype /Type3" not in pdf
    assert b"/FontFile2" in pdf  # text is text, with its font
    beside = json.loads((tmp_path / "a/f.json").read_text())
    # Of the two times that an answer was asked for, each tells its own.
    assert beside["caption"] == paper.caption
    assert beside == json.loads(json.dumps(paper.to_dict()))


def test_drawing_leaves_matplotlib_as_it_was(drawers: dict[str, Draw]) -> None:
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "text.usetex": True}):
        for draw in drawers.values():
            draw()._repr_png_()
    assert dict(matplotlib.rcParams) == before


def test_neither_a_display_nor_pyplot_nor_other_packages_are_needed_before_they_are() -> (
    None
):
    isolated = ["-I"] if sys.flags.isolated else []
    script = (
        "import sys; from skylike.client import Client; from skylike.client.cli import main\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import skylike.client.figures\n"
        "late = {'matplotlib.pyplot', 'sklearn', 'scipy', 'astropy'} & set(sys.modules)\n"
        "assert not late, late"
    )
    subprocess.run([sys.executable, *isolated, "-c", script], check=True)


# Numbers


def test_the_core_of_a_distribution_is_found_beside_much_emission() -> None:
    random = np.random.default_rng(0)
    for share in (0.0, 0.1, 0.3):
        noise = random.normal(5, 2, int(90_000 * (1 - share)))
        light = 5 + random.exponential(30, int(90_000 * share))
        found = threshold.core(np.concatenate([noise, light]))
        assert found.mean == pytest.approx(5, abs=0.15)
        assert found.sigma == pytest.approx(2, rel=0.06)
        assert found.threshold(3) == found.mean + 3 * found.sigma
    # A thumbnail has 256 levels, and is clipped.
    levels = np.clip(np.rint(random.normal(40, 9, (96, 96))), 20, 255) / 255
    found = threshold.core(levels)
    assert found.mean * 255 == pytest.approx(40, abs=1)
    assert found.sigma * 255 == pytest.approx(9, rel=0.1)


@pytest.mark.parametrize("sigma", [0.8, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 8.0, 30.0])
@pytest.mark.parametrize("scale", [1.0, 2.92, 1e-11])
def test_the_core_of_whole_numbers_is_not_narrower_than_it_is(
    sigma: float, scale: float
) -> None:
    """As cameras count: bins between the numbers are empty, and mean nothing."""
    random = np.random.default_rng(2)
    counts = np.rint(random.normal(1000.3, sigma, (200, 200)))
    counts[90:110, 90:110] += np.rint(20 * sigma)
    found = threshold.core(scale * counts + 3713 * scale)
    assert found.mean / scale == pytest.approx(4713.3, abs=0.1 * sigma)
    # What is rounded scatters by a twelfth more.
    assert found.sigma / scale == pytest.approx(np.hypot(sigma, 12**-0.5), rel=0.06)


@pytest.mark.parametrize("side", [4, 5, 6, 8, 10, 12, 16])
def test_the_core_of_few_pixels_is_that_of_their_noise(side: int) -> None:
    random = np.random.default_rng(3)
    found = [threshold.core(random.normal(7, 2, (side, side))) for _ in range(100)]
    assert np.median([one.sigma for one in found]) == pytest.approx(2, rel=0.15)
    assert min(one.sigma for one in found) > 0.4


def test_a_sky_of_zeros_is_background_and_one_beside_blank_pixels_too() -> None:
    random = np.random.default_rng(4)
    y, x = np.mgrid[:96, :96] - 47.5
    light = 100 * np.exp(-np.hypot(x, y) / 6)
    assert threshold.core(np.where(light > 1, light, 0)) == threshold.Core(0, 0)
    photons = random.poisson(0.3, (96, 96))
    photons[40:56, 40:56] += random.poisson(9, (16, 16))
    found = threshold.core(photons)
    assert found.mean == pytest.approx(0.3, abs=0.15)
    assert found.sigma == pytest.approx(0.3**0.5, rel=0.2)
    # Blank pixels that were set to 0 are no background, however many they are.
    sky = random.normal(50, 3, (96, 96)) + light
    sky[:, :60] = 0
    found = threshold.core(sky)
    assert found.mean == pytest.approx(50, abs=1)
    assert found.sigma == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((0, 0)), np.full((9, 9), np.nan), np.full((40, 40), 3.0), np.arange(4.0)],
)
def test_pictures_without_noise_have_a_threshold_too(pixels: Any) -> None:
    found = threshold.core(pixels)
    assert np.isfinite([found.mean, found.sigma]).all()


def test_emission_is_what_is_brighter_than_noise_and_not_alone() -> None:
    random = np.random.default_rng(1)
    levels = np.clip(random.normal(0.2, 0.03, (96, 96)), 0, 1).astype(np.float32)
    levels[40:50, 40:50] = 0.8
    levels[10, 10] = 1.0
    mask = threshold.emission(levels, 3)
    assert mask[41:49, 41:49].all()
    assert not mask[10, 10]
    assert mask.sum() < 130
    colours = np.repeat(levels[..., None], 3, axis=2)
    assert (threshold.emission(colours, 3) == mask).mean() > 0.99


def test_principal_components_are_those_of_scikit_learn(sample: Sample) -> None:
    ours = layout.principal(sample.vectors, 3)
    theirs = PCA(3, svd_solver="full").fit(sample.vectors.astype(np.float64))
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_)
    assert np.abs(np.sum(ours.axes * theirs.components_, axis=1)) == pytest.approx(1)
    assert (ours.axes[np.arange(3), np.abs(ours.axes).argmax(axis=1)] > 0).all()


def test_t_sne_keeps_neighbours_and_its_seed(sample: Sample) -> None:
    how: dict[str, Any] = {"perplexity": 10, "metric": "cosine"}
    found = layout.tsne(sample.vectors, seed=0, **how)
    assert trustworthiness(sample.vectors, found.places, metric="cosine") > 0.9
    again = layout.tsne(sample.vectors, seed=0, **how)
    assert (found.places == again.places).all()
    few = layout.tsne(sample.vectors[:7], seed=0, **how)
    assert few.perplexity == 2


def test_the_map_tells_how_it_was_made(sample: Sample) -> None:
    paper = figures.thumbnail_map(sample, perplexity=12, seed=5, k_sigma=2.5)
    for words in (
        "all 60 objects of the collection sky",
        "perplexity 12, cosine distances, seed 5",
        "μ + 2.5 σ",
    ):
        assert words in paper.caption
    numbers = paper.numbers
    assert numbers["perplexity"] == 12
    assert numbers["divergence"] > 0
    assert numbers["model_id"] == sample.context.model_id
    drawn = numbers["objects"]
    assert [one["id"] for one in drawn] == sample.ids
    for one, object_ in zip(drawn, sample.objects, strict=True):
        levels = decoded(object_.thumbnail_png)
        mask = threshold.emission(levels, 2.5)
        if mask.any():
            light = levels[mask].sum() / levels.size
            assert one["light"] == pytest.approx(light, rel=1e-5)
    # What is drawn last lies on top.
    lights = [one["light"] for one in drawn]
    pictures = paper.axes[0].get_images()
    assert len(pictures) == 60
    top = pictures[-1].get_extent()
    x, y = (top[0] + top[1]) / 2, (top[2] + top[3]) / 2
    places = np.array([[one["x"], one["y"]] for one in drawn])
    span = np.ptp(places, axis=0).max()
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    drawn_at = (places[np.argmax(lights)] - middle) / span
    center = [sum(paper.axes[0].get_xlim()) / 2, sum(paper.axes[0].get_ylim()) / 2]
    assert (
        np.sign(drawn_at).tolist() == np.sign([x - center[0], y - center[1]]).tolist()
    )


def test_the_map_is_no_higher_than_its_places_demand(sample: Sample) -> None:
    """In the proportions of the plane, with thumbnails whole, and no empty paper around."""
    paper = figures.thumbnail_map(sample, layout="pca")
    [axes] = paper.axes
    places = np.array([[one["x"], one["y"]] for one in paper.numbers["objects"]])
    across, up = np.ptp(places, axis=0)
    assert up < 0.9 * across  # or nothing can be told
    boxes = np.array([one.get_extent() for one in axes.get_images()])
    left, right, low, high = (
        boxes[:, 0].min(), boxes[:, 1].max(), boxes[:, 2].min(), boxes[:, 3].max(),
    )  # fmt: skip
    bottom, top = axes.get_ylim()
    assert bottom <= low < 0.05
    assert top - 0.05 < high <= top
    assert (left, right) == pytest.approx((0, 1), abs=0.05)
    at = axes.get_position()
    width, height = paper.get_size_inches()
    ratio = at.height * height / (at.width * width)
    assert ratio == pytest.approx(top - bottom)
    assert height < width


def test_a_sample_is_drawn_by_the_service(client: Client) -> None:
    """A million ids are not listed to draw some hundred of them."""
    sample = figures.gather(client, collection="sky", num=12, seed=3)
    drawn = client.objects(collection="sky", sample_size=12, sample_seed=3)
    assert sample.ids == [one.id for one in drawn]
    rings = filters.OneOf("kind", ["ring"])
    some = figures.gather(client, rings, collection="sky", num=5)
    assert {one.attributes["kind"] for one in some.objects} == {"ring"}
    assert some.total == client.count(rings, collection="sky").num_objects


def test_a_sample_is_the_same_for_the_same_seed(client: Client) -> None:
    one, again, other = (
        figures.gather(client, collection="sky", num=12, seed=seed)
        for seed in (1, 1, 2)
    )
    assert one.ids == again.ids != other.ids
    assert (len(one.objects), one.total) == (12, 60)
    found = client.get(one.ids[3], collection="sky", with_vector=True)
    assert found.vector is not None
    assert (one.vectors[3] == found.vector).all()
    with pytest.raises(errors.BadInput) as few:
        figures.gather(client, collection="empty")
    assert few.value.reason == "too_few"
    with pytest.raises(errors.BadInput) as none:  # not all there are
        figures.gather(client, collection="sky", num=0)
    assert none.value.reason == "bad_num"


def test_correlations_are_spearmans_of_what_was_measured(sample: Sample) -> None:
    paper = figures.components(sample)
    places = PCA(3, svd_solver="full").fit_transform(sample.vectors.astype(np.float64))
    assert paper.numbers["measured_on"] == dict.fromkeys(shapes.MEASURES, "thumbnails")
    assert "measured on thumbnails" in paper.caption
    assert "Size is the radius of the circle" in paper.caption
    told = {text for text, _, _ in _lines(paper)}
    assert {"size (half sides)", "complexity"} <= told
    sizes = [
        shapes.measure(threshold.whole(decoded(one.thumbnail_png))).size
        for one in sample.objects
    ]
    expected = stats.spearmanr(places[:, 0], sizes)
    [told] = [
        one
        for one in paper.numbers["correlations"]
        if (one["component"], one["measure"]) == (1, "size")
    ]
    assert abs(told["rho"]) == pytest.approx(abs(expected.statistic))
    assert told["p"] == pytest.approx(expected.pvalue)
    assert told["n"] == 60
    assert len(paper.numbers["correlations"]) == 12
    assert "emission above, its complexity below" in paper.caption
    wide = figures.components(sample, width_mm=180).caption
    assert "emission left, its complexity right" in wide


def test_attributes_of_the_collection_go_before_measuring(sample: Sample) -> None:
    random = np.random.default_rng(0)
    ginis = random.uniform(0.3, 0.6, len(sample.objects)).tolist()
    objects = tuple(
        dataclasses.replace(
            one,
            attributes={
                **one.attributes,
                "gini": value,
                "half_light_radius_pixels": 30 * value,
            },
        )
        for one, value in zip(sample.objects, ginis, strict=True)
    )
    paper = figures.components(
        dataclasses.replace(sample, objects=objects), width_mm=75
    )
    _is_legible(paper)
    assert "size: half_light_radius_pixels" in {text for text, _, _ in _lines(paper)}
    assert "Size is the radius" not in paper.caption
    assert paper.numbers["measured_on"]["gini"] == "attribute gini"
    assert "gini from attribute gini" in paper.caption
    places = layout.principal(sample.vectors, 3).project(sample.vectors)
    [told] = [
        one
        for one in paper.numbers["correlations"]
        if (one["component"], one["measure"]) == (2, "gini")
    ]
    assert told["rho"] == pytest.approx(stats.spearmanr(places[:, 1], ginis).statistic)


def test_shapes_are_measured_as_their_formulas_say() -> None:
    y, x = np.mgrid[:101, :101] - 50.0
    radius = np.hypot(x, y)
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.01, radius.shape)
    disc = shapes.measure((radius < 20) + noise)
    assert disc.size == pytest.approx(20 / 50.5, rel=0.02)
    assert disc.gini == pytest.approx(0, abs=0.02)
    assert disc.concentration == pytest.approx(5 * np.log10(2), rel=0.03)
    peaked = shapes.measure(np.exp(-radius / 6) + noise)
    clumpy = shapes.measure((radius < 20) * (1 + np.sin(x) * np.sin(y)) + noise)
    assert peaked.gini > 0.4
    assert peaked.concentration > disc.concentration
    assert clumpy.complexity > disc.complexity + 0.05
    assert np.isnan(shapes.measure(np.zeros((20, 20))).size)
    # What is not finite is no light.
    blank = (radius < 20) + noise
    blank[0, :3] = np.inf, -np.inf, np.nan
    assert shapes.measure(blank).size == pytest.approx(disc.size, rel=0.02)
    assert shapes.measure(blank).complexity == pytest.approx(disc.complexity, abs=0.02)
    values = np.array([1.0, 2.0, 3.0, 10.0])
    pairs = np.abs(values[:, None] - values).sum() / 2
    assert shapes.gini(values) == pytest.approx(pairs / (values.mean() * 4 * 3))


def test_similar_shows_the_datas_values_in_its_unit(
    client: Client, sample: Sample, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """Pixels are read where this machine has the files, flux 1e-11 or not."""
    for number in range(7):
        bright = fits.open(io.BytesIO(sky.draw("ring", 50 + number)))
        bright[0].data *= 1e-11
        bright[0].header["BUNIT"] = "W/m2"
        path = tmp_path / f"unit-{number}.fits"
        bright.writeto(path)
        if number:
            new = NewObject(f"unit-{number}", str(path), uri=str(path))
            client.add([new], collection="bare")
    query = str(tmp_path / "unit-0.fits")
    paper = figures.similar(client, query, collection="bare", sample=sample)
    found = client.neighbors(query, collection="bare", k=6)
    assert [one["cosine"] for one in paper.numbers["hits"]] == [
        hit.score for hit in found.hits
    ]
    vector = client.embed(query, collection="bare").vector
    hit = client.get(found.hits[0].id, collection="bare", with_vector=True).vector
    assert hit is not None
    assert paper.numbers["hits"][0]["cosine"] == pytest.approx(vector @ hit, abs=1e-5)
    first = paper.numbers["panels"][0]
    low, high = np.percentile(fits.getdata(query), (1, 99.7))
    assert (first["name"], first["unit"]) == ("unit-0.fits", "W/m2")
    assert [first["low"], first["high"]] == pytest.approx(
        [low, high], abs=0.06 * (high - low)
    )
    units = {one["name"]: one["unit"] for one in paper.numbers["panels"]}
    assert sum(unit == "W/m2" for unit in units.values()) >= 6
    told = {text for text, _, _ in _lines(paper)}
    assert any("W/m2" in text and "10⁻" in text for text in told)
    place = layout.principal(sample.vectors, 2).project(vector[None])[0]
    assert paper.numbers["query_place"] == pytest.approx(place)
    client.delete([f"unit-{number}" for number in range(1, 7)], collection="bare")


@pytest.mark.parametrize(
    ("low", "high", "ticks", "power"),
    [
        (-0.5, 4.18, [f"{MINUS}0.50", "4.18"], ""),
        (6850, 6853.5, ["6850.00", "6853.50"], ""),
        (-1e-12, 8.9e-11, [f"{MINUS}0.10", "8.90"], "10⁻¹¹ "),
        (0.0, 3e9, ["0.00", "3.00"], "10⁹ "),
        (12.0, 345.6, ["12", "346"], ""),
        (0.0, 0.0, ["0.00", "0.00"], ""),
        (5e-11, 5e-11, ["5.00", "5.00"], "10⁻¹¹ "),
    ],
)
def test_ends_of_a_colour_bar_are_told_apart(
    low: float, high: float, ticks: list[str], power: str
) -> None:
    assert labels(low, high) == (ticks, power)


def test_pixels_of_a_box_lie_where_they_do_in_the_file_and_are_blank_beyond(
    sky: SimpleNamespace,
) -> None:
    pixels = np.arange(80.0).reshape(8, 10)
    file = sky.to_fits(pixels)
    for box in ((-3, -1, 4, 4), (7, 5, 13, 12), (-2, 2, 12, 6), (20, 20, 25, 24)):
        x0, y0, x1, y1 = box
        values = files.read(file, "0", box)
        assert values is not None
        around = np.pad(pixels, 30, constant_values=np.nan)
        expected = around[y0 + 30 : y1 + 30, x0 + 30 : x1 + 30]
        np.testing.assert_array_equal(values.pixels, expected)
    assert files.read(file, "0", (3, 3, 3, 5)) is None
    assert files.read(file, "0", (0, 0, 10**6, 10**6)) is None


def test_values_without_a_spread_and_with_bad_pixels_are_shown() -> None:
    few = np.zeros((60, 60))
    few[30, 30:35] = np.arange(1, 6)
    assert Values(few, "ph").limits == (0, 5)
    assert Values(np.full((4, 4), 1e-11), "").limits[0] == 1e-11
    # One bad pixel does not blank what is drawn together with it.
    large = np.random.default_rng(0).normal(100, 1, (1300, 1300))
    large[::7, ::5] = np.nan
    large[:6, :6] = np.nan
    paper = Paper(88, 88, kind="map", caption="", numbers={})
    axes = show(paper, 1, 1, 60, Values(large, "Jy", told=None))
    [image] = axes.get_images()
    drawn: Any = np.ma.filled(
        np.ma.masked_invalid(np.ma.asarray(image.get_array())), np.nan
    )
    assert np.isnan(drawn).sum() == 4
    assert np.nanmean(drawn) == pytest.approx(100, abs=0.1)
    show(paper, 1, 1, 60, Values(np.zeros((9, 9)), "Jy", told=(0.0, 0.0)))
    assert paper._repr_png_()


def test_sheets_tell_what_the_service_tells(
    client: Client, sky: SimpleNamespace
) -> None:
    paper = figures.clusters(client, collection="sky")
    found = client.clusters("sky")
    assert [
        (one["label"], one["share"], one["size"]) for one in paper.numbers["clusters"]
    ] == [(one.label, one.weight, one.size) for one in found.clusters]
    assert f"{found.num_outside} of 60 objects are in no cluster" in paper.caption
    assert "1 largest of" in figures.clusters(client, collection="sky", num=1).caption

    paper = figures.anomalies(client, collection="sky", num=5)
    odd = client.anomalies(collection="sky", limit=5)
    assert [(one["name"], one["score"]) for one in paper.numbers["objects"]] == [
        (one.id, one.score) for one in odd.items
    ]
    assert {one["p_value"] for one in paper.numbers["objects"]} == {None}

    queries = [
        Cutout(sky.draw(kind, 900 + i)) for i, kind in enumerate(("ring", "long"))
    ]
    queries.append(Cutout(sky.to_fits(np.random.default_rng(0).normal(0, 1, (48, 48)))))
    paper = figures.anomalies(client, queries, collection="sky")
    told = [client.anomaly(one, collection="sky").anomaly for one in queries]
    told.sort(key=lambda one: -one.score)
    assert [(one["score"], one["p_value"]) for one in paper.numbers["objects"]] == [
        (one.score, one.p_value) for one in told
    ]
    assert f"calibrated on {told[0].num_calibration} ordinary objects" in paper.caption
    with pytest.raises(errors.NotReady):
        figures.clusters(client, collection="bare")


def test_what_all_clusters_share_sets_none_apart() -> None:
    def cluster(label: int, size: int, portrait: Portrait) -> ClusterInfo:
        return ClusterInfo(label, f"cluster {label}", size, 0.5, ("a",), portrait)

    def portrait(
        numbers: tuple[NumberSpread, ...] = (), flags: Any = (), labels: Any = ()
    ) -> Portrait:
        shares = [tuple(MemberShare(*one) for one in told) for told in (flags, labels)]
        return Portrait(b"", numbers, *shares)

    every = ("RESAMPLED", 1.0)
    rare = NumberSpread("beam_arcsec", 2, 240.0, 448.0, 656.0)
    size = NumberSpread("size", 40, 5.0, 9.0, 10.0)
    small = NumberSpread("size", 100, 1.0, 2.0, 3.0)
    first = cluster(
        0, 100, portrait((small,), [("SATURATED", 0.01), every], [("spiral", 0.3)])
    )
    second = cluster(
        1, 43, portrait((rare, size), [("EDGE", 0.2), every], [("spiral", 0.45)])
    )
    third = cluster(2, 60, portrait((), [every], [("merger", 0.5), ("spiral", 0.1)]))
    among = (first, second, third)
    assert [one.name for one in facts(first, among)] == ["size"]
    assert [one.name for one in facts(second, among)] == ["spiral", "size"]
    assert [one.name for one in facts(third, among)] == ["merger"]
    assert facts(third, [third]) == []
    # However large it is: what only its members have sets it apart.
    most = cluster(0, 950, portrait((), [], [("disc", 1.0)]))
    rest = cluster(1, 50, portrait((), [], [("ring", 0.5)]))
    assert [one.name for one in facts(most, [most, rest])] == ["disc"]


def test_a_collapse_is_told(run: Path) -> None:
    paper = figures.training(run)
    assert paper.numbers["num_checkpoints"] == 5
    assert paper.numbers["lowest_spread"] == pytest.approx(0.2 / 25)
    assert paper.numbers["collapsed"] is True
    assert "collapsed to a point, as here" in paper.caption
    assert figures.training(run / "log.jsonl").caption == paper.caption


@pytest.mark.parametrize(
    "content", [None, "", "no json\n", b"\xff\xfe", '{"loss": 1}\n']
)
def test_what_is_no_record_is_refused(
    tmp_path: Path, content: str | bytes | None
) -> None:
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "log.jsonl").write_bytes(data)
    with pytest.raises(errors.BadInput) as refused:
        figures.training(tmp_path)
    assert refused.value.reason == "bad_record"


def test_hostile_names_are_drawn_as_text(sample: Sample, client: Client) -> None:
    """No formula, no line, no mark that turns the writing round, no warning."""
    hostile = "$\\frac{1}{0}$\n\u202egnp.\x1b[31m" + "天体" * 60
    objects = tuple(
        dataclasses.replace(
            one, id=f"{hostile}{i}", thumbnail_png=b"" if i % 2 else one.thumbnail_png
        )
        for i, one in enumerate(sample.objects)
    )
    context = dataclasses.replace(sample.context, collection=hostile)
    odd = dataclasses.replace(sample, objects=objects, context=context)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for paper in (
            figures.thumbnail_map(odd, layout="pca"),
            figures.components(odd),
            figures.similar(
                client, object_id="ring-1", collection="sky", sample=odd, name=hostile
            ),
        ):
            assert paper._repr_png_()
            assert paper.caption.isprintable()
            assert all(text.isprintable() for text, _, _ in _lines(paper))
    assert (
        figures.thumbnail_map(odd, layout="pca").numbers["num_without_thumbnail"] == 30
    )


def test_other_endings_and_places_are_refused(run: Path, tmp_path: Path) -> None:
    paper = figures.training(run)
    for name, reason in (("a.svg", "bad_format"), ("no/a.png", "io_error")):
        with pytest.raises(errors.BadInput) as refused:
            paper.write(tmp_path / name)
        assert refused.value.reason == reason
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    "name", ["SDSS_100.272466-00.188447", "J102933.12+012345.6", "NGC 4038_4039 EAST"]
)
@pytest.mark.parametrize("side_mm", [19.0, 20.6, 30.0])
def test_names_of_catalogues_stay_below_their_pictures(
    name: str, side_mm: float
) -> None:
    """Digits and capitals are wider than other letters."""
    paper = Paper(side_mm, 10.0, kind="names", caption="", numbers={})
    box = paper.place(0, 0, side_mm, 10)
    box.set_axis_off()
    told = short(name, int(side_mm / MM_OF_LETTER))
    box.text(0.5, 0.5, told, ha="center", fontsize=SMALL)
    [(_, _, drawn)] = _lines(paper)
    assert drawn.width <= paper.bbox.width
