"""What the pages say of flags, shares and counts is so, and can be understood."""

import re

from playwright.sync_api import expect
from tests.e2e.explorer.conftest import ROOT, Visit

from skylike.client import Client

OBJECT = "sky-1-000003"
USUAL = {"RESAMPLED", "COLLAPSED"}


def _meanings() -> dict[str, str]:
    """Flags and what they say, as the service's own README has them."""
    text = (ROOT / "service" / "README.md").read_text()
    return dict(re.findall(r"^\| `([A-Z_]+)` \| \d+ \| (.+) \|$", text, re.MULTILINE))


def test_every_flag_is_explained(visit: Visit) -> None:
    meanings = _meanings()
    assert len(meanings) == 8
    page = visit("about")
    told = page.get_by_role("region", name="Flags")
    names = told.locator("dt").all_inner_texts()
    assert dict(zip(names, told.locator("dd").all_inner_texts(), strict=True)) == (
        meanings
    )
    page = visit(f"object?collection=sky&id={OBJECT}")
    shown = page.locator(".facts .flags li").first
    expect(shown).to_have_attribute("title", meanings[shown.inner_text()])


def test_what_every_object_has_is_not_told_as_poor(
    visit: Visit, client: Client
) -> None:
    """Being resampled is no fault: cards are silent of it, and so is what explains oddness."""
    hits = client.neighbors(object_id=OBJECT, collection="sky", k=24).hits
    flags = {one.object.id: set(one.object.flags) for one in hits}
    assert any(one & USUAL for one in flags.values())
    page = visit(f"similar?collection=sky&id={OBJECT}")
    for card in page.locator("li.hit").all():
        shown = set(card.locator(".flags li").all_inner_texts())
        assert shown == flags[card.get_attribute("data-id") or ""] - USUAL
    assert set(client.get(OBJECT, collection="sky").object.flags) <= USUAL
    page = visit(f"object?collection=sky&id={OBJECT}")
    page.locator("summary", has_text="Why").click()
    expect(page.get_by_text("Told by")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("Poor about it")
    page = visit("clusters?collection=sky")
    usual = page.locator(".flags li", has_text="RESAMPLED")
    assert usual.count() > 0
    for one in usual.all():
        expect(one).to_have_class("usual")
