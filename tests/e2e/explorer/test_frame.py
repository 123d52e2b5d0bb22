"""What all views have in common: addresses, keys, colours, widths, the keyboard."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from tests.e2e.explorer import archive
from tests.e2e.explorer.conftest import (
    SCREENSHOTS,
    Visit,
    is_picture,
    keep,
    pixels,
    settle,
)

from skylike.service.keys import Keys, Scope

VIEWS = {
    "search": "?collection=sky",
    "similar": "similar?collection=sky&id=sky-1-000007&k=12",
    "object": "object?collection=sky&id=sky-1-000003",
    "map": "map?collection=sky&id=sky-1-000007",
    "clusters": "clusters?collection=sky",
    "anomalies": "anomalies?collection=sky",
    "jobs": "jobs?collection=sky",
    "status": "status?collection=sky",
    "about": "about?collection=sky",
}

MAIN = {
    "search": "main form",
    "similar": ".found li.hit img",
    "map": ".map-frame[data-renderer]",
    "clusters": "li.cluster .mean img",
    "anomalies": ".rateable img",
    "object": "main img",
}
"""Of each main view what must be drawn in it."""


@pytest.mark.parametrize("view", MAIN)
def test_a_picture_of_each_main_view_is_kept(visit: Visit, view: str) -> None:
    """Of the whole page, of today, and with something in it beside the frame."""
    page = visit(VIEWS[view])
    drawn = page.locator(MAIN[view]).first
    drawn.wait_for()
    page.wait_for_load_state("networkidle")
    assert pixels(drawn).std() > 5
    (SCREENSHOTS / f"main-{view}.png").unlink(missing_ok=True)
    keep(page, f"main-{view}")
    with Image.open(SCREENSHOTS / f"main-{view}.png") as kept:
        levels = np.asarray(kept.convert("RGB"), float)
    assert levels.shape[0] >= 900
    assert levels.shape[1] == 1280
    assert levels[120:].std() > 5


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_scrolls_sideways_on_a_phone(visit: Visit, view: str) -> None:
    page = visit(VIEWS[view], viewport={"width": 360, "height": 740})
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]
    beyond = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((one) => {
          const box = one.getBoundingClientRect();
          return box.right > innerWidth + 1 && !one.closest(".wide, pre, .unseen");
        }).map((one) => one.outerHTML.slice(0, 200))"""
    )
    assert beyond == []
    keep(page, f"phone-{view}")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("view", ["clusters", "object"])
def test_no_table_about_a_kind_or_oddness_is_cut(
    visit: Visit, view: str, width: int
) -> None:
    """Numbers are seen whole, however long the names of attributes are."""
    page = visit(VIEWS[view], viewport={"width": width, "height": 740})
    page.locator(".compact").first.wait_for(state="attached")
    page.evaluate(
        "document.querySelectorAll('details').forEach((one) => one.open = true)"
    )
    widths = page.locator(".compact").evaluate_all(
        "(all) => all.map((one) => [one.scrollWidth, one.clientWidth])"
    )
    assert widths
    assert [one for one in widths if one[0] > one[1]] == []
    # A name may be broken, but not letter by letter.
    heights = page.locator(".compact tbody tr").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect().height)"
    )
    assert max(heights) < 90
    keep(page, f"tables-{view}-{width}")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_dark_where_the_system_is(visit: Visit, view: str) -> None:
    """And complete again after a reload, from its address alone."""
    page = visit(VIEWS[view], color_scheme="dark")
    assert pixels(page)[:40].mean() < 60
    keep(page, f"dark-{view}")
    text = page.locator("h1").inner_text()
    page.reload()
    settle(page)
    assert page.locator("h1").inner_text() == text


def test_colours_are_switched_and_stay_so(visit: Visit) -> None:
    page = visit(VIEWS["about"])
    assert pixels(page)[:40].mean() > 200
    page.get_by_role("button", name="Switch to dark colours").click()
    assert pixels(page)[:40].mean() < 60
    page.reload()
    settle(page)
    assert pixels(page)[:40].mean() < 60
    page.get_by_role("button", name="Switch to light colours").click()
    assert pixels(page)[:40].mean() > 200


def test_the_keyboard_leads_through_a_page(visit: Visit) -> None:
    """Skip link first; focus is seen, and moves to the title of a view that is opened."""
    page = visit(VIEWS["search"])
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    assert skip.bounding_box()["y"] >= 0  # type: ignore[index]  # it is shown
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.get_by_role("link", name="Status").focus()
    unfocused = pixels(page.get_by_role("link", name="Jobs"))
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("link", name="Jobs")).to_be_focused()
    outline = page.get_by_role("link", name="Jobs").evaluate(
        "(one) => getComputedStyle(one).outlineStyle"
    )
    assert outline == "solid"
    assert unfocused.size
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.locator("#live")).to_have_text("Status")
    assert page.title().startswith("Status")
    expect(page.get_by_role("link", name="Status")).to_have_attribute(
        "aria-current", "page"
    )


def test_a_drop_of_a_file_can_be_chosen_by_keyboard(visit: Visit) -> None:
    page = visit(VIEWS["search"])
    # Chromium may learn only a moment later that somebody waits for what it would show.
    with page.expect_file_chooser():
        page.locator("#file").focus()
        expect(page.locator("#file")).to_be_focused()
        page.keyboard.press("Enter")


def test_nothing_moves_where_that_is_asked_for(visit: Visit) -> None:
    page = visit(VIEWS["search"], reduced_motion="reduce")
    page.evaluate(
        """() => {
          const dots = document.createElement("span");
          dots.className = "dots";
          document.querySelector("main").append(dots);
        }"""
    )
    seconds = page.locator(".dots").evaluate(
        "(one) => getComputedStyle(one).animationDuration"
    )
    assert float(seconds.removesuffix("s")) < 0.001


def test_another_collection_is_chosen_and_empty_ones_say_so(visit: Visit) -> None:
    page = visit(VIEWS["search"])
    page.locator("#collection").select_option("bare")
    page.wait_for_url("**collection=bare")
    expect(page.locator("main")).to_contain_text("The collection is empty.")
    page.get_by_role("link", name="Status").click()
    page.wait_for_url("**/status?collection=bare")
    settle(page)
    expect(page.locator("main")).to_contain_text("Nothing is fitted yet")
    page = visit("?collection=nowhere")
    page.get_by_role("button", name="Take one at random").click()
    expect(page.locator(".error").first).to_contain_text("UNKNOWN_COLLECTION")


@pytest.fixture
def copied(explored: SimpleNamespace, tmp_path: Path) -> Path:
    """A folder with a copy of the archive, for a service of its own."""
    return archive.copied(explored.folder, tmp_path)


@pytest.fixture
def page_below(browser: Browser, explored: SimpleNamespace) -> Iterator[Page]:
    """A view whose address a proxy has put below a folder."""
    context = browser.new_context()
    below = f"{explored.url}archive/of/ours/"

    def forward(route: Route) -> None:
        address = route.request.url.replace(below, explored.url)
        route.fulfill(response=route.fetch(url=address))

    context.route(f"{below}**", forward)
    page = context.new_page()
    page.goto(below + VIEWS["similar"])
    yield page
    context.close()


def test_a_service_with_keys_asks_for_one(visit: Visit, copied: Path) -> None:
    """A wrong one is told; pictures come with it; a reader's may not write."""
    key = Keys(copied / "data" / "keys.json").add("reader", Scope.READ)
    with archive.serving(copied) as served:
        page = visit(VIEWS["similar"], url=served.url)
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("An API key, please")
        dialog.get_by_label("Key").fill("skylike_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("does not know that key")
        page.get_by_role("dialog").get_by_label("Key").fill(key)
        page.keyboard.press("Enter")
        page.locator(".found li.hit").first.wait_for()
        settle(page)
        assert page.locator(".found li.hit").count() == 12
        for picture in page.locator(".found li.hit img").all()[:4]:
            picture.scroll_into_view_if_needed()
            expect(picture).to_have_attribute("src", re.compile("blob:.*"))
            assert is_picture(picture)
        assert key not in page.url
        assert "$SKYLIKE_API_KEY" in str(
            page.locator("[data-code=curl]").text_content()
        )
        page.goto(served.url + VIEWS["object"])
        settle(page)
        assert page.get_by_role("dialog").count() == 0
        page.locator("#new-label").fill("mine")
        page.keyboard.press("Enter")
        expect(page.locator(".error")).to_contain_text("MISSING_SCOPE")


def test_who_gives_no_key_is_told_and_may_try_again(visit: Visit, copied: Path) -> None:
    Keys(copied / "data" / "keys.json").add("reader", Scope.READ)
    with archive.serving(copied) as served:
        page = visit(VIEWS["status"], url=served.url)
        page.get_by_role("button", name="Not now").click()
        expect(page.locator("main .error")).to_be_visible()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("dialog")).to_be_visible()


def test_a_service_that_has_gone_is_told_and_found_again(
    visit: Visit, copied: Path
) -> None:
    """The page stays, and tries again when it is asked to."""
    with archive.serving(copied) as served:
        page = visit(VIEWS["search"], url=served.url)
        served.process.stop()
        page.get_by_role("button", name="Take one at random").click()
        expect(page.locator("main .error").first).to_contain_text("cannot be reached")


def test_it_works_under_a_path_of_a_proxy(page_below: Page) -> None:
    """Addresses are relative, so that a folder before them changes nothing."""
    settle(page_below)
    assert page_below.locator(".found li.hit").count() == 12
    page_below.get_by_role("link", name="Status").click()
    page_below.wait_for_url("**/archive/of/ours/status?collection=sky")
    settle(page_below)
    expect(page_below.locator("main")).to_contain_text("CatalogService")
