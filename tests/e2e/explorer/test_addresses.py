"""An address that somebody mistyped is told, and never answered by what it does not ask."""

from types import SimpleNamespace

import pytest
from playwright.sync_api import expect
from tests.e2e.explorer.conftest import Visit, settle
from tests.e2e.explorer.test_map import frame

from skylike.client import Client, NewObject

NOWHERE = ("ra=abc&dec=1", "ra=&dec=", "ra=1&dec=1&radius=wide", "id=", "at=1,2")
SEARCH = "similar?collection=sky&id=sky-1-000007"


@pytest.mark.parametrize("query", NOWHERE)
def test_what_is_no_place_is_not_searched_around(visit: Visit, query: str) -> None:
    """Zero degrees are a place, and nothing that is no number may become them."""
    page = visit(f"similar?collection=sky&{query}")
    expect(page.locator("main .state")).to_contain_text("names nothing to search for")
    assert page.locator("li.hit").count() == 0


@pytest.mark.parametrize("label", ["abc", "-1", "1e0", "0x1", ""])
def test_what_is_no_cluster_has_no_members(visit: Visit, label: str) -> None:
    page = visit(f"clusters?collection=sky&cluster={label}")
    expect(page.locator("main .state")).to_contain_text("no such cluster")
    assert page.locator("li.hit").count() == 0
    page.get_by_role("link", name="All clusters").click()
    page.locator(".cluster-list").wait_for()


@pytest.mark.parametrize(
    "more", ["attr=[broken", "attr=7", "cone=1,2", "cone=,,5", "cone=1,2,-1"]
)
def test_what_is_no_filter_is_told(visit: Visit, more: str) -> None:
    page = visit(f"{SEARCH}&{more}")
    expect(page.locator("main .note")).to_contain_text(more.partition("=")[2])
    assert page.locator("li.hit").count() == 24


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (f"{SEARCH}&k=abc", "k=abc"),
        (f"{SEARCH}&k=24&k=3", "k=3"),
        (f"{SEARCH}&least=no", "least=no"),
        (f"{SEARCH}&at=here", "at=here"),
        (f"{SEARCH}&at=400,2", "at=400,2"),
        (f"{SEARCH}&cone=0,0,180&cone=9,9,1", "9,9,1"),
        (f"{SEARCH}&id=other", "id=other"),
        (f"{SEARCH}&collection=bare", "collection=bare"),
        (f"{SEARCH}&cone=&k=abc", "k=abc"),
        ("object?collection=sky&id=sky-1-000003&id=other", "id=other"),
        ("clusters?collection=sky&fit=1&fit=2", "fit=2"),
        ("clusters?collection=sky&cluster=0&cluster=1", "cluster=1"),
        ("map?collection=sky&renderer=canvas&color=snr&color=none", "color=none"),
        ("map?collection=sky&renderer=canvas&layout=pca&layout=tsne", "layout=tsne"),
        ("object?collection=sky&id=sky-1-000003&stretch=EVIL", "stretch=EVIL"),
        ("object?collection=sky&id=sky-1-000003&plane=abc", "plane=abc"),
        ("anomalies?collection=sky&order=zzz", "order=zzz"),
        ("map?collection=sky&renderer=canvas&window=2,1,0,1", "window=2,1,0,1"),
        ("map?collection=sky&renderer=canvas&limit=-5", "limit=-5"),
        ("map?collection=sky&renderer=canvas&shown=zzz", "shown=zzz"),
    ],
)
def test_what_is_no_such_thing_is_told(visit: Visit, address: str, told: str) -> None:
    """And is not taken for something else, such as any word for the least similar."""
    page = visit(address)
    expect(page.locator("main .note")).to_contain_text(f"left out: {told}")
    if address.startswith(SEARCH):
        expect(page.locator("h1")).to_contain_text("Like ")


def test_what_is_as_it_should_be_is_not_told(visit: Visit) -> None:
    page = visit(f"{SEARCH}&k=3&least=1&cone=0,0,180&attr=")
    expect(page.locator("h1")).to_contain_text("Least like ")
    assert page.locator("main .note").count() == 0


@pytest.mark.parametrize(
    ("k", "number"),
    [("2.4", 2), ("1e9", 239), ("-3", 1), ("many", 24), ("Infinity", 239), ("", 24)],
)
def test_any_number_of_objects_is_understood(visit: Visit, k: str, number: int) -> None:
    page = visit(f"{SEARCH}&k={k}")
    assert page.locator("li.hit").count() == number


@pytest.mark.parametrize("more", ["stretch=EVIL", "plane=abc", "plane=-1", "plane=1e0"])
def test_what_is_no_look_at_an_object_is_left_out(visit: Visit, more: str) -> None:
    page = visit(f"object?collection=sky&id=sky-1-000003&{more}")
    expect(page.locator(".stamp figcaption")).to_contain_text("black")
    assert page.locator("main .error").count() == 0


def test_of_a_plane_that_is_not_there_the_next_try_leads_on(visit: Visit) -> None:
    page = visit("object?collection=sky&id=sky-1-000003&plane=99")
    expect(page.locator("main .error")).to_contain_text("BAD_PLANE")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".stamp figcaption")).to_contain_text("black")
    assert "plane" not in page.url


@pytest.mark.parametrize("limit", ["abc", "-5", "0", "99999999999999", "40.4"])
def test_any_limit_of_a_map_is_understood(visit: Visit, limit: str) -> None:
    page = visit(f"map?collection=sky&layout=pca&renderer=canvas&limit={limit}")
    frame(page)
    words = "40 of them" if limit == "40.4" else "240 objects."
    expect(page.locator("#about-map")).to_contain_text(words)


@pytest.mark.parametrize("more", ["color=__proto__", "layout=zzz"])
def test_a_map_that_cannot_be_drawn_leads_to_one_that_can(
    visit: Visit, more: str
) -> None:
    page = visit(f"map?collection=sky&renderer=canvas&{more}")
    expect(page.locator(".map-frame .error")).to_contain_text("refused")
    page.get_by_role("link", name="without these choices").click()
    frame(page)
    assert more not in page.url


def test_what_holds_one_object_or_none_is_said_in_right_words(
    visit: Visit, client: Client, explored: SimpleNamespace
) -> None:
    page = visit("?collection=bare")
    expect(page.locator(".lead")).to_contain_text("Give a piece of sky. Answers")
    file = sorted((explored.folder / "new").glob("*.fits"))[0]
    client.create_collection("lonely", model_of="sky")
    try:
        client.add([NewObject("only", file)], collection="lonely")
        page = visit("?collection=lonely")
        expect(page.locator(".lead")).to_contain_text("the one object of the archive")
        page.get_by_role("button", name="Take one at random").click()
        page.wait_for_url("**/similar?**")
        settle(page)
        expect(page.locator(".found")).to_contain_text("holds nothing else")
    finally:
        client.delete_collection("lonely")
