"""A place by its name, where the service was told whom to ask."""

from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.e2e.explorer import archive
from tests.e2e.explorer.conftest import Visit, keep, settle
from tests.sesame import resolving

from skylike.client import Client

THERE = "sky-1-000005"


@pytest.fixture(scope="module")
def named(
    explored: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A service whose resolver calls one object "M 51", and a place without any "nowhere"."""
    with Client(explored.address) as client:
        there = client.get(THERE, collection="sky").object
    assert there.ra_deg is not None
    assert there.dec_deg is not None
    places = {"M 51": (there.ra_deg, there.dec_deg), "nowhere": (10.0, 89.0)}
    folder = archive.copied(explored.folder, tmp_path_factory.mktemp("named"))
    with (
        resolving(places) as resolver,
        archive.serving(folder, "--resolver-url", resolver.url) as served,
    ):
        yield SimpleNamespace(url=served.url, place=places["M 51"], resolver=resolver)


def test_a_name_is_looked_up_and_its_place_is_searched(
    visit: Visit, named: SimpleNamespace, client: Client
) -> None:
    """The address holds the position: a reload finds the same, and asks nobody."""
    page = visit(url=named.url)
    expect(
        page.get_by_label(f"Name, looked up at {named.resolver.host}")
    ).to_be_visible()
    assert Axe().run(page).violations_count == 0
    keep(page, "search-name")
    page.locator("#by-name").fill("M 51")
    page.locator("#by-name").press("Enter")
    page.wait_for_url("**/similar?**")
    ours = client.neighbors(object_id=THERE, collection="sky", k=24)
    for _ in range(2):
        settle(page)
        hits = page.locator(".found li.hit").all()
        assert [hit.get_attribute("data-id") for hit in hits] == [
            hit.id for hit in ours.hits
        ]
        page.reload()
    asked = parse_qs(urlsplit(page.url).query)
    position = [float(asked[name][0]) for name in ("ra", "dec")]
    assert position == pytest.approx(named.place)
    assert named.resolver.asked == ["/nph-sesame/SNV?M%2051"]


def test_what_has_no_place_or_nothing_there_is_told_where_it_was_asked(
    visit: Visit, named: SimpleNamespace
) -> None:
    """An unknown name beside the name; where nothing lies, beside the position it has."""
    page = visit(url=named.url)
    page.locator("#name-form button").click()
    expect(page.locator("#by-name-wrong")).to_contain_text("Give a name")
    page.locator("#by-name").fill("<img src=x onerror=alert(1)>")
    page.locator("#name-form button").click()
    expect(page.locator("#by-name-wrong")).to_contain_text("knows no position of '<img")
    page.locator("#by-name").fill("nowhere")
    page.locator("#name-form button").click()
    expect(page.locator("#by-place-wrong")).not_to_be_empty()
    expect(page.locator("#by-name-wrong")).to_have_count(0)
    expect(page.locator("#by-place")).to_have_value("10.00000 +89.00000")
    expect(page.locator("#by-place")).to_be_focused()


def test_where_nobody_resolves_names_none_is_asked_for(visit: Visit) -> None:
    page = visit("?collection=sky")
    expect(page.locator("#by-place")).to_be_visible()
    expect(page.locator("#by-name")).to_have_count(0)
    expect(page.locator("form")).to_have_count(2)
    page = visit("about")
    expect(page.locator("main")).to_contain_text("Names of objects are not looked up")


def test_who_looks_up_names_is_told_among_the_limits(
    visit: Visit, named: SimpleNamespace
) -> None:
    page = visit("about", url=named.url)
    told = f"Names are looked up by the service at {named.resolver.host}"
    expect(page.locator("main")).to_contain_text(told)
    expect(page.locator("main")).not_to_contain_text("not looked up")
