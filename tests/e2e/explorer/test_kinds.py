"""Clusters are looked at and named; odd objects are rated by keyboard, and ranked again."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.explorer.conftest import Visit, is_picture, keep, settle

from skylike.client import Client

WHO = "a visitor"


def test_clusters_show_what_they_look_like(visit: Visit, client: Client) -> None:
    page = visit("clusters?collection=sky")
    ours = client.clusters("sky", portraits=True)
    cards = page.locator("li.cluster")
    assert cards.count() == len(ours.clusters)
    for card, one in zip(cards.all(), ours.clusters, strict=True):
        expect(card).to_contain_text(one.name)
        expect(card).to_contain_text(f"{one.size} objects")
        share = 100 * one.size / ours.num_objects
        expect(card).to_contain_text(f"{share:.{0 if share >= 10 else 1}f} % of all")
        assert is_picture(card.locator(".mean img"))
        assert is_picture(card.locator(".exemplars img").first)
        shown = card.locator(".exemplars a").first.get_attribute("href") or ""
        assert one.exemplar_ids[0] in shown
    assert ours.clusters[0].portrait is not None
    page.locator("li.cluster summary").first.click()
    spread = ours.clusters[0].portrait.numbers[0]
    expect(page.locator("li.cluster table").first).to_contain_text(spread.name)
    keep(page, "clusters")


def test_a_cluster_is_named_and_keeps_its_name(visit: Visit, client: Client) -> None:
    before = client.clusters("sky").clusters[0]
    try:
        page = visit("clusters?collection=sky")
        form = page.locator("li.cluster form").first
        form.locator("input").fill("rings & <b>loops</b>")
        form.get_by_role("button").click()
        expect(page.locator("li.cluster h2").first).to_have_text("rings & <b>loops</b>")
        assert client.clusters("sky").clusters[0].name == "rings & <b>loops</b>"
        page.locator("li.cluster h2 a").first.click()
        expect(page.locator("h1")).to_have_text("rings & <b>loops</b>")
        form_of_two = client.clusters("sky").clusters[1]
        page.go_back()
        settle(page)
        second = page.locator("li.cluster form").nth(1)
        second.locator("input").fill("rings & <b>loops</b>")
        second.get_by_role("button").click()
        expect(page.locator("li.cluster .state.error")).to_contain_text("already")
        assert client.clusters("sky").clusters[1].name == form_of_two.name
    finally:
        client.rename_cluster(before.label, before.name, collection="sky")


def test_members_come_the_most_typical_first_page_by_page(
    visit: Visit, client: Client
) -> None:
    one = client.clusters("sky").clusters[0]
    page = visit(f"clusters?collection=sky&cluster={one.label}")
    ours = client.members(one.label, collection="sky", limit=None)
    shown = [card.get_attribute("data-id") for card in page.locator("li.hit").all()]
    assert shown == [member.id for member in ours.items[:48]]
    page.get_by_role("button", name="Show more").click()
    settle(page)
    shown = [card.get_attribute("data-id") for card in page.locator("li.hit").all()]
    assert shown == [member.id for member in ours.items[: len(shown)]]
    assert len(shown) == min(96, one.size)


@pytest.fixture
def unrated(client: Client) -> Iterator[None]:
    """Nobody has rated before, nor after."""
    yield
    for who in {one.who for one in client.ratings(collection="sky").ratings}:
        rated = client.ratings(who=who, collection="sky").ratings
        client.rate({one.id: None for one in rated}, who=who, collection="sky")


def listed(page: Page) -> list[str]:
    settle(page)
    return [
        str(one.get_attribute("data-id"))
        for one in page.locator(".rateable > li").all()
    ]


@pytest.mark.usefixtures("unrated")
def test_the_oddest_are_rated_by_keyboard_and_ranked_again(
    visit: Visit, client: Client
) -> None:
    page = visit("anomalies?collection=sky")
    ours = client.anomalies(collection="sky", limit=60)
    assert listed(page) == [one.id for one in ours.items]
    expect(page.locator("main")).to_contain_text("p-values are not given")
    assert is_picture(page.locator(".rateable img").first)
    keep(page, "anomalies")
    page.locator("#rater").fill(WHO)
    page.locator("#rater").press("Tab")
    page.locator(".rateable > li").first.focus()
    for key in "530":
        page.keyboard.press(key)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    ids = [one.id for one in ours.items]
    fourth = page.locator(".rateable > li").nth(4)
    expect(fourth).to_have_attribute("data-rating", "artefact")
    expect(page.locator(".rateable > li").nth(5)).to_be_focused()
    told = {one.id: one for one in client.ratings(who=WHO, collection="sky").ratings}
    assert {id: one.score for id, one in told.items()} == {
        ids[0]: 5,
        ids[1]: 3,
        ids[2]: 0,
        ids[4]: 0,
    }
    assert told[ids[4]].is_artefact
    page.keyboard.press("u")
    expect(fourth).to_have_attribute("data-rating", "")
    expect(fourth).to_be_focused()
    assert len(client.ratings(who=WHO, collection="sky").ratings) == 3

    page.reload()
    again = listed(page)
    assert again[-3:] == ids[:3]  # rated ones come last
    assert again[0] == ids[3]
    page.get_by_label("Unrated first").uncheck()
    page.wait_for_url(re.compile("rated=mixed"))
    assert listed(page)[:3] == ids[:3]

    page.locator("#rerank").click()
    page.wait_for_url(re.compile("order=taught"))
    taught = client.anomalies(collection="sky", order="taught", limit=60)
    rated = {*ids[:3]}
    found = listed(page)
    assert [one for one in found if one not in rated] == [
        one.id for one in taught.items if one.id not in rated
    ]
    page.get_by_role("button", name="Suggested").click()
    page.wait_for_url(re.compile("order=suggested"))
    suggested = client.suggestions(num=60, collection="sky")
    assert listed(page) == [one.id for one in suggested.items]


@pytest.mark.usefixtures("unrated")
def test_arrows_go_up_and_down_and_nothing_is_taken_back_twice(visit: Visit) -> None:
    page = visit("anomalies?collection=sky")
    cards = page.locator(".rateable > li")
    cards.first.focus()
    columns = cards.evaluate_all(
        "(all) => all.filter((one) => one.offsetTop === all[0].offsetTop).length"
    )
    assert columns > 3
    page.keyboard.press("ArrowDown")
    expect(cards.nth(columns)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    expect(cards.last).to_be_focused()
    page.keyboard.press("Home")
    expect(cards.first).to_be_focused()
    expect(page.locator("#undo")).to_be_disabled()
    cards.first.get_by_role("button", name="Rate 4").click()
    expect(cards.first).to_have_attribute("data-rating", "4")
    page.locator("#undo").click()
    expect(cards.first).to_have_attribute("data-rating", "")
    expect(page.locator("#undo")).to_be_disabled()


def test_typical_ones_and_those_observed_alike_have_their_orders(
    visit: Visit, client: Client
) -> None:
    page = visit("anomalies?collection=sky&order=typical")
    ours = client.anomalies(collection="sky", order="typical", limit=60)
    assert listed(page) == [one.id for one in ours.items]
    page = visit("anomalies?collection=sky&controlled=1")
    ours = client.anomalies(collection="sky", controlled=True, limit=60)
    assert listed(page) == [one.id for one in ours.items]
    expect(page.get_by_label("Among those observed alike")).to_be_checked()
    page.get_by_role("button", name="As taught").click()
    expect(page.locator("main .state")).to_contain_text("Nothing is rated yet")
    expect(page.locator(".state.error, .rating-bar:visible")).to_have_count(0)
    page.get_by_role("button", name="Oddest").click()
    expect(page.locator(".rating-bar")).to_be_visible()


def test_an_unfitted_collection_says_what_to_do_alike_in_every_view(
    visit: Visit,
) -> None:
    """Without alarm, and without what could be done with a fit."""
    told = set()
    for view in ("clusters", "anomalies", "map", "status"):
        page = visit(f"{view}?collection=bare")
        state = page.locator("main .state")
        expect(state).to_have_count(1)
        told.add(state.inner_text())
        expect(state).to_contain_text("skylike jobs start fit")
        expect(page.locator(".error, .map-frame, .rating-bar:visible")).to_have_count(0)
    assert len(told) == 1
