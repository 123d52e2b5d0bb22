"""The map is drawn, moved, coloured, chosen from; by WebGL, and by hand without it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect
from scipy.stats import spearmanr
from tests.e2e.explorer.conftest import Visit, is_picture, keep, pixels

from skylike.client import Client

RENDERERS = ("webgl", "canvas")
QUERY = "sky-1-000007"


def address(renderer: str, more: str = "") -> str:
    return f"map?collection=sky&layout=pca&renderer={renderer}{more}"


def frame(page: Page) -> Any:
    found = page.locator(".map-frame")
    page.locator(".map-frame[data-renderer]").wait_for(timeout=90_000)
    page.wait_for_timeout(200)  # for the next frame
    return found


def coloured(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels are of points: those with a hue."""
    numbers = picture.astype(int)
    return np.asarray(numbers.max(axis=2) - numbers.min(axis=2) > 60)


def place_of(page: Page, client: Client, id: str) -> tuple[float, float]:
    """Where the point of an object is on the page, as the page's own marks tell."""
    drawn = client.map(collection="sky", layout="pca")
    at = drawn.ids.index(id)
    x, y = float(drawn.x[at]), float(drawn.y[at])
    mark = page.locator(".map-mark.query").bounding_box()
    assert mark is not None
    here = client.locate(object_id=QUERY, collection="sky", layout="pca")
    assert (x, y) == pytest.approx((here.x, here.y), abs=1e-4)
    return mark["x"], mark["y"]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_points_are_drawn_in_the_colours_of_their_clusters(
    visit: Visit, client: Client, renderer: str
) -> None:
    """Pixels, not only elements; and the legend tells as many as there are."""
    page = visit(address(renderer))
    picture = pixels(frame(page))
    assert page.locator(f".map-frame[data-renderer={renderer}]").count() == 1
    # 240 points of 7 pixels, few of which hide another.
    assert 3000 < np.count_nonzero(coloured(picture)) < 20_000
    hues = {tuple(one) for one in (picture[coloured(picture)] // 32).tolist()}
    assert len(hues) >= 4
    legend = page.locator("#legend button").all_inner_texts()
    found = client.clusters("sky")
    assert len(legend) == len(found.clusters) + (found.num_outside > 0)
    for text, one in zip(legend, found.clusters, strict=False):
        assert one.name in text
        assert str(one.size) in text
    keep(page, f"map-{renderer}")


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_point_shows_its_picture_and_leads_to_its_object(
    visit: Visit, client: Client, renderer: str
) -> None:
    page = visit(address(renderer, f"&id={QUERY}"))
    frame(page)
    page.locator("#query-place").wait_for()
    x, y = place_of(page, client, QUERY)
    page.mouse.move(x + 1, y + 1)
    card = page.locator(".map-card")
    expect(card).to_contain_text(QUERY)
    expect(card).to_contain_text("cluster")
    assert is_picture(card.locator("img"))
    page.mouse.click(x, y)
    expect(page.locator("h1")).to_contain_text(QUERY)
    assert "object?" in page.url


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_map_moves_and_its_address_brings_it_back(
    visit: Visit, renderer: str
) -> None:
    page = visit(address(renderer))
    before = pixels(frame(page))
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    box = page.locator(".map-place").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile("window="))
    page.mouse.move(5, 5)
    moved = pixels(frame(page))
    assert np.count_nonzero(np.abs(moved.astype(int) - before).max(axis=2) > 60) > 2000
    page.wait_for_timeout(400)
    page.reload()
    again = pixels(frame(page))
    differs = np.abs(again.astype(int) - moved).max(axis=2) > 100
    assert np.count_nonzero(differs) < 0.2 * np.count_nonzero(coloured(moved))
    page.get_by_role("button", name="See all").click()
    page.locator(".map-place").focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("L")
    expect(page.locator("#chosen")).to_contain_text("objects")


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("tool", ["Box", "Lasso"])
def test_what_is_drawn_around_is_a_table_and_a_search(
    visit: Visit, renderer: str, tool: str, tmp_path: Path
) -> None:
    page = visit(address(renderer))
    frame(page)
    page.get_by_role("button", name=tool).click()
    box = page.locator(".map-place").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reach = min(box["width"], box["height"]) / 4
    corners = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)]
    page.mouse.move(x - reach, y - reach)
    page.mouse.down()
    for dx, dy in [corners[2]] if tool == "Box" else [*corners[1:], corners[0]]:
        page.mouse.move(x + dx, y + dy, steps=8)
    page.mouse.up()
    told = page.locator("#chosen")
    told.wait_for()
    number = int(re.sub(r"\D", "", told.inner_text()))
    assert 20 < number < 240
    rows = page.locator("#selection tbody tr")
    assert rows.count() == min(number, 60)
    assert is_picture(rows.first.locator("img"))
    with page.expect_download() as downloading:
        page.locator("#selection [data-format=csv]").click()
    path = tmp_path / "chosen.csv"
    downloading.value.save_as(path)
    lines = path.read_text().splitlines()
    assert len(lines) == number + 1
    assert {"object_id", "map_x", "map_y", "ra"} <= set(lines[0].split(","))
    page.get_by_role("button", name="Search like these").click()
    expect(page.locator(".found li.hit").first).to_be_visible()
    assert page.url.count("like=") == 8


def test_only_one_cluster_can_be_shown(visit: Visit) -> None:
    page = visit(address("webgl"))
    all_hues = np.count_nonzero(coloured(pixels(frame(page))))
    first = page.locator("#legend button").first
    first.click()
    expect(page.locator("#legend button").first).to_have_attribute(
        "aria-pressed", "true"
    )
    page.wait_for_timeout(300)
    one_hue = np.count_nonzero(coloured(pixels(frame(page))))
    assert 0 < one_hue < 0.7 * all_hues


@pytest.mark.parametrize("renderer", RENDERERS)
def test_axes_say_what_they_are(visit: Visit, renderer: str) -> None:
    """Each once, within the frame, and drawn."""
    page = visit(address(renderer))
    box = frame(page).bounding_box()
    assert box is not None
    for number in (1, 2):
        title = page.get_by_text(
            re.compile(rf"^PC {number}, [\d.]+ % of the variance$")
        )
        expect(title).to_be_visible()
        place = title.bounding_box()
        assert place is not None
        assert box["x"] <= place["x"] <= box["x"] + box["width"] - place["width"] + 1
        assert box["y"] <= place["y"] <= box["y"] + box["height"] - place["height"] + 1
        assert (place["width"] > place["height"]) == (number == 1)
        assert np.std(pixels(title)) > 5


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_two_of_many_categories_share_a_colour_unsaid(
    visit: Visit, client: Client, colours: str
) -> None:
    """The largest have colours of their own; the rest are grey, and told so."""
    page = visit(address("canvas", "&color=family"), color_scheme=colours)
    frame(page)
    shown, others = page.locator("#legend .legend").all()
    families = {one.attributes["family"] for one in client.objects(collection="sky")}
    inks = [
        group.locator(".swatch").evaluate_all(
            "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
        )
        for group in (shown, others)
    ]
    assert len(inks[0]) == len(set(inks[0])) == 9
    assert len(inks[1]) == len(families) - 9
    assert len(set(inks[1])) == 1
    assert inks[1][0] not in inks[0]
    expect(others).to_contain_text(f"{len(families) - 9} others share a grey")
    keep(page, f"map-families-{colours}")
    chosen = others.get_by_role("button").first
    name = chosen.inner_text().split("\n")[0]
    chosen.click()
    again = page.locator("#legend .legend").nth(1).get_by_role("button").first
    expect(again).to_have_attribute("aria-pressed", "true")
    assert name in again.inner_text()
    page.wait_for_timeout(300)
    assert np.count_nonzero(coloured(pixels(page.locator(".map-frame")))) > 100


VIRIDIS = np.array(
    [
        *([68, 1, 84], [72, 40, 120], [62, 73, 137], [49, 104, 142], [38, 130, 142]),
        *([31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43]),
    ]
)
"""Its first eight ninths; on light ground its end is left out."""


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("color", ["anomaly", "snr"])
def test_points_are_drawn_in_the_colours_of_their_numbers(
    visit: Visit, client: Client, renderer: str, color: str
) -> None:
    """The more, the further along Viridis is the pixel where the point must be."""
    told: dict[str, Any] = (
        {
            one.id: one.percentile
            for one in client.anomalies(collection="sky", limit=None).items
        }
        if color == "anomaly"
        else {one.id: one.attributes["snr"] for one in client.objects(collection="sky")}
    )
    drawn = client.map(collection="sky", layout="pca")
    places = np.stack([drawn.x, drawn.y], axis=1).astype(float)
    ends = (
        drawn.ids.index(QUERY),
        int(np.argmax(np.abs(places - places[0]).min(axis=1))),
    )
    marks = []
    for end in ends:
        page = visit(address(renderer, f"&color={color}&id={drawn.ids[end]}"))
        frame(page)
        page.locator("#query-place").wait_for()
        mark = page.locator(".map-mark.query").bounding_box()
        assert mark is not None
        marks.append((mark["x"], mark["y"]))
    first, second = np.array(marks)
    page.locator(".map-mark.query").evaluate("(mark) => { mark.hidden = true; }")
    scale = (second - first) / (places[ends[1]] - places[ends[0]])
    at = np.rint(first + (places - places[ends[0]]) * scale).astype(int)
    picture = pixels(page).astype(int)
    inside = ((at > 0) & (at < picture.shape[1::-1])).all(axis=1)
    shades = picture[at[inside, 1], at[inside, 0]]
    steps = np.linspace(0, len(VIRIDIS) - 1, 100)
    ramp = np.stack(
        [np.interp(steps, np.arange(len(VIRIDIS)), one) for one in VIRIDIS.T], axis=1
    )
    far = np.linalg.norm(shades[:, None] - ramp, axis=2)
    assert inside.sum() > 200
    assert np.median(far.min(axis=1)) < 50  # WebGL draws them a little through
    values = np.array([told[id] for id in drawn.ids])[inside]
    assert spearmanr(values, far.argmin(axis=1)).statistic > 0.9


def test_colours_layouts_and_filters_stand_in_the_address(visit: Visit) -> None:
    page = visit(address("webgl"))
    frame(page)
    page.locator("#color").select_option("anomaly")
    page.wait_for_url(re.compile("color=anomaly"))
    frame(page)
    assert page.locator(".legend-ramp").is_visible()
    page.locator("#color option[value=family]").wait_for(state="attached")
    page.locator("#color").select_option("family")
    page.wait_for_url(re.compile("color=family"))
    frame(page)
    expect(page.locator("#legend")).to_contain_text("elliptical")
    page.goto(page.url + "&label=seen")
    frame(page)
    expect(page.locator("#about-map")).to_contain_text("9 objects")


@pytest.mark.parametrize("renderer", RENDERERS)
def test_of_many_a_density_is_drawn_with_a_sample(visit: Visit, renderer: str) -> None:
    page = visit(address(renderer, "&limit=40&color=none"))
    frame(page)
    expect(page.locator("#about-map")).to_contain_text("40 of them")
    page.locator("#shown").select_option("both")
    page.wait_for_timeout(400)
    both = pixels(frame(page))
    page.locator("#shown").select_option("points")
    page.wait_for_timeout(400)
    points = pixels(frame(page))
    page.locator("#shown").select_option("density")
    page.wait_for_timeout(400)
    density = pixels(frame(page))
    filled, dotted = (
        np.count_nonzero(picture.min(axis=2) < 225) for picture in (density, points)
    )
    assert filled > 240  # each object is in a cell that is filled
    assert dotted > 100
    for other in (density, points):
        differs = np.abs(both.astype(int) - other).max(axis=2) > 30
        assert np.count_nonzero(differs) >= 40


def test_without_webgl_the_map_is_drawn_by_hand(
    visit: Visit,
) -> None:
    """Where the browser gives no WebGL, and the address does not say so."""
    page = visit("map?collection=sky&layout=pca")
    frame(page)
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind.startsWith('webgl') ? null : get.call(this, kind, ...more); };"
    )
    page.reload()
    assert frame(page).get_attribute("data-renderer") == "canvas"
    expect(page.locator("#by-hand")).to_contain_text("no graphics hardware")
    assert np.count_nonzero(coloured(pixels(page.locator(".map-frame")))) > 3000


def test_a_collection_without_a_fit_says_what_to_do(visit: Visit) -> None:
    page = visit("map?collection=bare")
    expect(page.locator("main .state")).to_contain_text("Nothing is fitted yet")
    assert page.locator("main .error").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    ("color", "heading"),
    [("cluster", "cluster"), ("anomaly", "anomaly percentile"), ("snr", "snr")],
)
def test_what_is_chosen_is_listed_whole_with_what_its_colour_means(
    visit: Visit, width: int, color: str, heading: str
) -> None:
    """However long ids are, and however little room there is."""
    size = {"width": width, "height": 900}
    page = visit(address("canvas", f"&color={color}"), viewport=size)
    frame(page)
    page.locator("#list-view").click()
    expect(page.locator("#chosen")).to_have_text(
        "200 objects, the nearest to the middle of 240 in view"
    )
    expect(page.locator("#selection th").nth(2)).to_have_text(heading)
    text = page.locator("#selection tbody tr").first.locator("td").nth(2)
    assert text.inner_text() != ""
    page.evaluate(
        """() => { for (const one of document.querySelectorAll("#selection tbody bdi")) {
          if (one.closest("a")) one.textContent = "SDSS_101.931235-00.348775";
        } }"""
    )
    place = page.locator("#selection .wide")
    seen, there = place.evaluate("(one) => [one.clientWidth, one.scrollWidth]")
    assert there <= seen
    box = page.locator("#selection tbody tr").first.bounding_box()
    assert box is not None
    assert box["height"] < 120


def test_on_a_phone_the_map_is_as_high_as_it_is_wide(visit: Visit) -> None:
    """What is beside it would be empty, since both axes have one scale."""
    page = visit(address("canvas"), viewport={"width": 390, "height": 844})
    box = frame(page).bounding_box()
    assert box is not None
    assert box["height"] <= 390
    assert box["height"] >= 0.9 * box["width"]
