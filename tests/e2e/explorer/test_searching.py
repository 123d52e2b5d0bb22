"""Searches begin with a file, a name, a place or chance, and their address brings them back."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from playwright.sync_api import Page, expect
from tests.conftest import draw
from tests.e2e.explorer.conftest import Visit, is_picture, keep, pixels, settle

from skylike.client import Client, Cutout


def _found(page: Page) -> list[str]:
    settle(page)
    cards = page.locator(".found li.hit")
    return [str(one.get_attribute("data-id")) for one in cards.all()]


def _scores(page: Page) -> list[float]:
    texts = page.locator(".found li.hit .score").all_inner_texts()
    return [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]


def test_a_file_is_looked_at_and_finds_what_our_client_finds(
    visit: Visit, explored: SimpleNamespace, client: Client
) -> None:
    """Its picture is drawn, its stretch can be changed, a reload finds the same again."""
    file = sorted((explored.folder / "new").glob("*.fits"))[0]
    page = visit()
    page.set_input_files("#file", file)
    picture = page.locator("#looked img")
    picture.wait_for()
    assert is_picture(picture)
    before = pixels(picture)
    page.get_by_role("button", name="linear").click()
    expect(page.get_by_role("button", name="linear")).to_have_attribute(
        "aria-pressed", "true"
    )
    settle(page)
    assert is_picture(page.locator("#looked img"))
    assert np.abs(pixels(page.locator("#looked img")).astype(int) - before).mean() > 1
    expect(page.locator("#looked")).to_contain_text("Position")
    keep(page, "search-file")

    page.get_by_role("button", name="Find what is like it").click()
    page.wait_for_url("**/similar?**")
    ours = client.analyze(file, collection="sky", k=24)
    assert _found(page) == [hit.id for hit in ours.hits]
    assert _scores(page) == [round(hit.score, 3) for hit in ours.hits]
    assert is_picture(page.locator(".pinned img"))
    assert ours.anomaly is not None
    assert ours.anomaly.p_value is not None
    expect(page.locator(".pinned")).to_contain_text("p-value")
    told = page.locator(".found li.hit .separation").first.inner_text()
    assert told == f"{ours.hits[0].separation_deg:.1f}°"

    page.reload()
    assert _found(page) == [hit.id for hit in ours.hits]
    expect(page.locator(".pinned .note")).to_contain_text("picture is not kept")


def _square(page: Page, x: float, y: float, reach: float) -> None:
    """Draw a square on the picture of a file; in shares of it, from its lower left."""
    picture = page.locator("#looked img")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    left, top = box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + reach * box["width"] / 2, top, steps=3)
    page.mouse.move(left + reach * box["width"], top, steps=3)
    page.mouse.up()


def test_a_part_of_a_picture_is_searched_with(
    visit: Visit, explored: SimpleNamespace, client: Client, tmp_path: Path
) -> None:
    """Of a field with two objects the one that a square is drawn around, or numbers name."""
    first, second = sorted((explored.folder / "new").glob("*.fits"))[:2]
    field = np.zeros((200, 400), np.float32)
    for path, (y, x) in ((first, (20, 40)), (second, (110, 300))):
        image = fits.getdata(path).astype(np.float32)
        image = (image - np.median(image)) / np.nanmax(np.abs(image))
        field[y : y + 64, x : x + 64] = image[:64, :64]
    file = tmp_path / "field.fits"
    fits.writeto(file, field)
    page = visit()
    page.set_input_files("#file", file)
    page.locator("#looked img").wait_for()
    whole = pixels(page.locator("#looked img"))
    _square(page, (300 + 32) / 400, (110 + 32) / 200, 32 / 400)
    drawn = page.locator("#looked .facts").first
    expect(drawn).to_contain_text("64 \N{MULTIPLICATION SIGN} 6")
    left, right, bottom, top = (
        int(one)
        for side in page.locator("#cut").input_value().split(",")
        for one in side.split(":")
    )
    assert (left, right, bottom, top) == pytest.approx((301, 364, 111, 174), abs=2)
    assert np.std(pixels(page.locator("#looked img"))) > 1.5 * np.std(whole)
    # Within what is shown, and then in numbers.
    _square(page, 0.5, 0.5, 0.25)
    expect(drawn).to_contain_text("32 \N{MULTIPLICATION SIGN} 32")
    page.locator("#cut").fill("300-364")
    page.locator("#cut").press("Enter")
    expect(page.locator("#cut")).to_have_attribute("aria-invalid", "true")
    page.locator("#cut").fill("9001:9064,1:64")
    page.locator("#cut").press("Enter")
    expect(page.locator("#looked .error")).to_contain_text("NO_OVERLAP")
    page.locator("#cut").fill("301:364,111:174")
    page.locator("#cut").press("Enter")
    expect(drawn).to_contain_text("64 \N{MULTIPLICATION SIGN} 64")
    expect(page.locator("#looked .error")).to_have_count(0)
    keep(page, "search-part")
    page.get_by_role("button", name="Find what is like it").click()
    page.wait_for_url("**/similar?**")
    ours = client.analyze(Cutout(file, hdu="[301:364,111:174]"), collection="sky", k=24)
    assert _found(page) == [hit.id for hit in ours.hits]
    [asked] = parse_qs(urlsplit(page.url).query)["hdu"]
    assert asked == "[301:364,111:174]"
    page.go_back()
    page.set_input_files("#file", file)
    page.locator("#cut").fill("301:364,111:174")
    page.locator("#cut").press("Enter")
    page.locator("#uncut").click()
    expect(drawn).to_contain_text("200 \N{MULTIPLICATION SIGN} 400")


def test_an_hdu_and_a_plane_can_be_chosen(
    visit: Visit, tmp_path: Path, explored: SimpleNamespace
) -> None:
    """Each choice shows other pixels, and the HDU goes along into the search."""
    source = sorted((explored.folder / "new").glob("*.fits"))[0]
    with fits.open(source) as opened:
        image = opened[0].data.astype(np.float32)
        header = opened[0].header
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    cube = np.stack([image, image[::-1], image.T]).astype(np.float32)
    file = tmp_path / "two.fits"
    third = fits.Header({"CTYPE3": "FREQ", "CRVAL3": 1e9, "CDELT3": 1e6, "CRPIX3": 1})
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(image, header, name="SCI"),
            fits.ImageHDU(
                np.hypot(y - 9, x - 9).astype(np.float32), header, name="OTHER"
            ),
            fits.ImageHDU(cube, third, name="CUBE"),
        ]
    ).writeto(file)
    page = visit()
    page.set_input_files("#file", file)
    choice = page.locator("#hdu")
    choice.wait_for()
    assert "SCI" in choice.locator("option:checked").inner_text()
    first = pixels(page.locator("#looked img"))
    choice.select_option("2")
    expect(page.locator("#looked .facts").first).to_contain_text("OTHER")
    settle(page)
    second = pixels(page.locator("#looked img"))
    assert np.abs(first.astype(int) - second).mean() > 10
    page.locator("#hdu").select_option("3")
    plane = page.locator("#plane")
    plane.wait_for()
    assert plane.locator("option").count() == 4
    together = pixels(page.locator("#looked img"))
    plane.select_option("1")
    settle(page)
    page.wait_for_timeout(300)
    one = pixels(page.locator("#looked img"))
    assert together.shape != one.shape or np.abs(together.astype(int) - one).mean() > 1
    page.locator("#hdu").select_option("2")
    expect(page.locator("#looked .facts").first).to_contain_text("OTHER")
    page.get_by_role("button", name="Find what is like it").click()
    page.wait_for_url("**/similar?**")
    assert parse_qs(urlsplit(page.url).query)["hdu"] == ["2"]
    assert len(_found(page)) == 24


def test_what_is_no_fits_is_told_and_can_be_replaced(
    visit: Visit, tmp_path: Path, explored: SimpleNamespace
) -> None:
    """The reason is there in words; another file then works."""
    wrong = tmp_path / "notes.txt"
    wrong.write_text("this is no picture of the sky\n" * 200)
    page = visit()
    page.set_input_files("#file", wrong)
    expect(page.locator("#looked .error")).to_contain_text("NOT_FITS")
    page.set_input_files("#file", sorted((explored.folder / "new").glob("*.fits"))[1])
    page.locator("#looked img").wait_for()
    assert is_picture(page.locator("#looked img"))
    expect(page.locator("#looked .error")).to_have_count(0)


def test_an_id_is_searched_from_and_an_unknown_one_is_told(
    visit: Visit, client: Client
) -> None:
    page = visit("?collection=sky")
    page.locator("#by-id").fill("sky-9-999999")
    page.locator("#by-id").press("Enter")
    expect(page.locator("#by-id-wrong")).to_contain_text("sky-9-999999")
    expect(page.locator("#by-id")).to_be_focused()
    page.locator("#by-id").fill("sky-1-000003")
    page.locator("#by-id").press("Enter")
    page.wait_for_url("**/similar?**")
    ours = client.neighbors(object_id="sky-1-000003", collection="sky", k=24)
    assert _found(page) == [hit.id for hit in ours.hits]


@pytest.mark.parametrize("form", ["decimal", "colons", "letters"])
def test_a_place_is_understood_as_people_write_it(
    visit: Visit, client: Client, form: str
) -> None:
    """All ways name the same object; its position is that of the archive."""
    there = client.get("sky-1-000005", collection="sky").object
    assert there.ra_deg is not None
    assert there.dec_deg is not None
    text = _written(there.ra_deg, there.dec_deg, form)
    page = visit("?collection=sky")
    page.locator("#by-place").fill(text)
    page.locator("#place-form button").click()
    page.wait_for_url("**/similar?**")
    ours = client.neighbors(object_id="sky-1-000005", collection="sky", k=24)
    assert _found(page) == [hit.id for hit in ours.hits]


def _written(ra: float, dec: float, form: str) -> str:
    if form == "decimal":
        return f"{ra:.6f}, {dec:.6f}"
    sign = "-" if dec < 0 else "+"

    def parts(value: float) -> tuple[int, int, float]:
        minutes, seconds = divmod(value * 3600, 60)
        return int(minutes // 60), int(minutes % 60), seconds

    hours, degrees = parts(ra / 15), parts(abs(dec))
    if form == "colons":
        return (
            "{:02}:{:02}:{:07.4f} ".format(*hours)
            + sign
            + "{:02}:{:02}:{:06.3f}".format(*degrees)
        )
    return "{}h{}m{:.4f}s ".format(*hours) + sign + "{}d{}m{:.3f}s".format(*degrees)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "Give right ascension"),
        ("150.1", "no pair"),
        ("400 2", "0 to below 360"),
        ("10:61:00 +2:0:0", "below 60"),
        ("150 95", "-90 to 90"),
        ("<img src=x onerror=alert(1)> 5", "no letters"),
    ],
)
def test_a_place_that_is_none_is_told_before_anything_is_asked(
    visit: Visit, text: str, wrong: str
) -> None:
    page = visit("?collection=sky")
    page.locator("#by-place").fill(text)
    page.locator("#place-form button").click()
    expect(page.locator("#by-place-wrong")).to_contain_text(wrong)
    expect(page.locator("#by-place")).to_be_focused()
    expect(page.locator("#by-place")).to_have_attribute("aria-invalid", "true")


def test_where_nothing_lies_that_is_told(visit: Visit) -> None:
    page = visit("?collection=sky")
    page.locator("#by-place").fill("10 89")
    page.locator("#place-form button").click()
    expect(page.locator("#by-place-wrong")).not_to_be_empty()


def test_chance_finds_an_object(visit: Visit) -> None:
    page = visit("?collection=sky")
    assert page.locator(".glimpse img").count() == 24
    assert is_picture(page.locator(".glimpse img").first)
    keep(page, "search")
    page.get_by_role("button", name="Take one at random").click()
    page.wait_for_url("**/similar?**")
    assert len(_found(page)) == 24


def test_what_is_offered_of_an_archive_is_drawn_by_lot(
    visit: Visit, client: Client
) -> None:
    """From all of it, however large it is, and each time anew."""
    asked = []
    page = visit("about")
    page.on(
        "request",
        lambda one: (
            asked.append(one.post_data_json) if "objects/list" in one.url else None
        ),
    )
    offers = []
    for _ in range(2):
        page.goto(page.url.rpartition("/")[0] + "/?collection=sky")
        page.locator(".glimpse img").first.wait_for()
        offers.append(
            page.locator(".glimpse a").evaluate_all(
                "(all) => all.map((one) => one.title)"
            )
        )
    assert [one["sample_size"] for one in asked] == [24, 24]
    for one, shown in zip(asked, offers, strict=True):
        ours = client.objects(
            collection="sky", sample_size=24, sample_seed=one["sample_seed"]
        )
        assert shown == [each.id for each in ours]
    assert set(offers[0]) != set(offers[1])


def _shown(visit: Visit, file: Path, content: bytes) -> tuple[NDArray[np.int64], str]:
    """The picture that is drawn of a file, and what is said of it below."""
    file.write_bytes(content)
    page = visit("?collection=sky")
    page.set_input_files("#file", file)
    picture = page.locator("#looked img")
    picture.wait_for()
    assert is_picture(picture)
    said = page.locator("#looked figcaption").inner_text()
    return pixels(picture).max(axis=2).astype(int), said


def test_scale_bar_and_arrows_are_drawn_where_the_sky_is_known(
    visit: Visit, tmp_path: Path
) -> None:
    """Pixels: a bar as long as is said, arrows that turn with the sky, or neither."""
    side, file = 96, tmp_path / "round.fits"
    content: dict[str, Any] = {"size": side, "seed": 3}
    plain, said = _shown(visit, file, draw(**content, position=None))
    assert "bar" not in said
    placed, said = _shown(visit, file, draw(**content))
    turned, _ = _shown(visit, file, draw(**content, CDELT2=-0.2 / 3600))
    assert plain.shape == placed.shape == turned.shape
    ny, nx = plain.shape
    added = np.abs(placed - plain) > 60
    assert not added[: ny // 2].any()
    [seconds] = re.findall(r"bar ([\d.]+)\N{DOUBLE PRIME}", said)
    pixel = nx / side  # of the file, on the screen
    # Of the last rows a part may be of the page.
    bar = (placed > 240)[ny // 2 : -2, : nx // 2].sum(axis=1).max()
    assert bar == pytest.approx(float(seconds) / 0.2 * pixel, abs=pixel)
    again = np.abs(turned - placed) > 60
    assert not again[: ny // 2].any()
    assert not again[:, : nx // 2].any()  # the bar stays
    assert _points_up(placed)
    assert not _points_up(turned)


def _points_up(picture: NDArray[np.int64]) -> bool:
    """Whether the arrow to the north leaves that to the east upwards."""
    ny, nx = picture.shape
    corner = picture[2 * ny // 3 : -9, 2 * nx // 3 : -9] > 240
    north = np.flatnonzero(corner[:, corner.sum(axis=0).argmax()])
    east = corner.sum(axis=1).argmax()
    return bool(north.mean() < east)
