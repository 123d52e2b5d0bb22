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


def test_nothing_of_the_archive_is_odder_than_all_of_it(
    visit: Visit, client: Client
) -> None:
    """The oddest is odder than all others, which is less than the archive."""
    ours = client.anomalies(collection="sky", limit=3).items
    assert 99.5 < ours[0].percentile < 100
    page = visit("anomalies?collection=sky")
    shown = page.locator("li.hit .separation").all_inner_texts()[:3]
    assert shown == [f"{one.percentile:.1f} %" for one in ours]
    page = visit(f"object?collection=sky&id={ours[0].id}")
    for share in page.locator(".share-value").all():
        share.evaluate("(one) => { one.textContent = '> 99.9 %'; }")
        box = share.bounding_box()
        assert box is not None
        assert box["height"] < 30  # one line
        assert share.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    told = f"Odder than {ours[0].percentile:.1f} % of the archive."
    expect(page.locator("main")).to_contain_text(told)


def test_percentiles_and_shares_are_round_only_where_they_are_so(visit: Visit) -> None:
    page = visit("about")
    numbers = [0, 0.000005, 0.03, 0.5, 50, 94.17, 99.6, 99.94, 99.97, 99.9999, 100]
    told = page.evaluate(
        """async (numbers) => {
          const main = document.querySelector("script[type=module]").src;
          const { percent, percentile } = await import(new URL("parts.js", main).href);
          return [numbers.map(percentile), numbers.map((one) => percent(one / 100))];
        }""",
        numbers,
    )
    assert told == [
        ["0.0", "0.000005", "0.03", "0.5", "50.0", "94.2", "99.6", "99.9", "99.97", "99.9999", "100.0"],
        ["0 %", "< 0.1 %", "< 0.1 %", "0.5 %", "50 %", "94 %", "99.6 %", "> 99.9 %", "> 99.9 %", "> 99.9 %", "100 %"],
    ]  # fmt: skip
