"""One object: its pixels, what is known of it, and what people call it."""

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from tests.e2e.explorer.conftest import Visit, is_picture, keep, pixels, settle
from tests.e2e.explorer.test_gallery import run

from skylike.client import Client

OBJECT = "sky-1-000003"
PAGE = f"object?collection=sky&id={OBJECT}"


@pytest.fixture
def page(visit: Visit) -> Page:
    """The page of an object, complete."""
    return visit(PAGE)


def test_its_pixels_are_drawn_at_every_stretch(page: Page) -> None:
    """Each gives another picture; the choice stands in the address."""
    drawn = {}
    for name in ("asinh", "linear", "square root", "logarithm", "histogram"):
        page.get_by_role("button", name=name).click()
        settle(page)
        page.locator(".stamp img").wait_for()
        assert is_picture(page.locator(".stamp img"))
        drawn[name] = pixels(page.locator(".stamp img")).astype(int)
    names = list(drawn)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.abs(drawn[one] - drawn[other]).mean() > 0.5, (one, other)
    assert "stretch=STRETCH_HISTOGRAM" in page.url
    page.reload()
    settle(page)
    expect(page.get_by_role("button", name="histogram")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert np.array_equal(pixels(page.locator(".stamp img")), drawn["histogram"])


def test_what_is_known_of_it_is_told(page: Page, client: Client) -> None:
    """Position, attributes, header, kind and oddness are those our client gets."""
    there = client.get(OBJECT, collection="sky").object
    answer = client.anomaly(object_id=OBJECT, collection="sky")
    kind = client.cluster(object_id=OBJECT, collection="sky")
    assert there.ra_deg is not None
    text = page.locator("main").inner_text()
    for told in (
        f"{there.ra_deg:.5f}",
        str(there.attributes["family"]),
        "CRVAL1",
        kind.cluster.name,
        "No p-value",
    ):
        assert told in text, told
    page.get_by_text("Why", exact=True).click()
    rows = page.locator("tbody tr").all_inner_texts()
    assert len([row for row in rows if "isolation forest" in row]) == 1
    percentile = page.locator(".scale").get_attribute("aria-label")
    assert percentile is not None
    assert percentile.startswith(f"{answer.anomaly.percentile:.1f} ")
    keep(page, "object")


def test_its_neighbours_lead_on(page: Page, client: Client) -> None:
    ours = client.neighbors(object_id=OBJECT, collection="sky", k=12)
    cards = page.locator("li.hit")
    assert [one.get_attribute("data-id") for one in cards.all()] == [
        hit.id for hit in ours.hits
    ]
    assert is_picture(cards.first.locator("img"))
    cards.first.locator("a.picture").click()
    expect(page.locator("h1")).to_contain_text(ours.hits[0].id)


def test_labels_are_given_and_taken_away(page: Page, client: Client) -> None:
    """Both are in the archive when the page shows them; the keyboard suffices."""
    label = "<b>ring?</b>"

    def stored() -> tuple[str, ...]:
        return tuple(client.get(OBJECT, collection="sky").object.labels)

    before = stored()
    page.locator("#new-label").focus()
    page.keyboard.type(label)
    page.keyboard.press("Enter")
    mark = page.locator(".editable li", has_text=label)
    expect(mark).to_be_visible()
    assert set(stored()) == {*before, label}
    expect(page.locator("#live")).to_contain_text("added")
    mark.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".editable li", has_text=label)).to_have_count(0)
    assert stored() == before


def test_that_there_are_no_labels_is_no_label(visit: Visit) -> None:
    """It is told as plain text, not as what can be taken away."""
    page = visit("object?collection=sky&id=sky-1-000100")
    words = page.locator(".editable .none")
    expect(words).to_have_text("no labels")
    colour = words.evaluate("(one) => getComputedStyle(one).backgroundColor")
    assert colour == "rgba(0, 0, 0, 0)"


def test_ways_out_are_marked_and_tell_nothing_of_us(page: Page) -> None:
    """Nothing is asked for there before somebody follows one (`visit` sees to it)."""
    links = page.locator(".links a").all()
    hosts = [urlsplit(str(one.get_attribute("href"))).hostname for one in links]
    assert len(set(hosts)) == 5
    for one in links:
        assert "noreferrer" in str(one.get_attribute("rel"))
        assert one.get_attribute("target") == "_blank"
        assert "another site" in str(one.text_content())


def test_its_python_and_curl_work(page: Page, tmp_path: Path) -> None:
    assert OBJECT in run(page, "python", tmp_path)[0]
    [answer] = run(page, "curl", tmp_path)
    assert f'"{OBJECT}"' in answer


def test_an_object_without_its_file_shows_the_picture_it_was_indexed_with(
    visit: Visit, explored: SimpleNamespace
) -> None:
    """With a warning in words, and no error."""
    file = explored.folder / "sky" / "sky-1-000011.fits"
    away = file.rename(file.with_suffix(".away"))
    try:
        page = visit("object?collection=sky&id=sky-1-000011")
        assert is_picture(page.locator(".stamp img"))
        expect(page.locator(".warnings")).not_to_be_empty()
        expect(page.locator(".error")).to_have_count(0)
    finally:
        away.rename(file)


def test_an_object_that_is_not_there_is_told(visit: Visit) -> None:
    page = visit("object?collection=sky&id=sky-9-999999")
    expect(page.locator(".error")).to_contain_text("UNKNOWN_ID")
    page.get_by_role("button", name="Try again").click()
    settle(page)
    expect(page.locator(".error")).to_contain_text("UNKNOWN_ID")
