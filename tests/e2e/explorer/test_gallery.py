"""What is found is shown, narrowed, taken along, and searched on from."""

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from astropy.io import votable
from astropy.table import Table
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect
from tests.conftest import clean_environment
from tests.e2e.explorer.conftest import Visit, is_picture, keep, pixels, settle

from skylike.client import Client, Examples
from skylike.client.filters import Between, Flagged, Labelled, OneOf

QUERY = "sky-1-000007"


def found(page: Page) -> list[str]:
    """Ids of the gallery, in its order."""
    settle(page)
    cards = page.locator(".found li.hit").all()
    return [str(one.get_attribute("data-id")) for one in cards]


def test_neighbours_are_drawn_in_order_with_their_numbers(
    visit: Visit, client: Client
) -> None:
    """Each card has a picture with structure; the query stays pinned beside them."""
    page = visit(f"similar?collection=sky&id={QUERY}&k=12")
    ours = client.neighbors(object_id=QUERY, collection="sky", k=12)
    assert found(page) == [hit.id for hit in ours.hits]
    first = page.locator(".found li.hit").first
    assert ours.hits[0].separation_deg is not None
    for text in (f"{ours.hits[0].score:.3f}", f"{ours.hits[0].separation_deg:.1f}°"):
        expect(first).to_contain_text(text)
    for picture in page.locator(".found li.hit img").all():
        assert is_picture(picture)
    assert is_picture(page.locator(".pinned img"))
    keep(page, "similar")


def test_a_search_goes_on_from_a_neighbour_and_back(
    visit: Visit, client: Client
) -> None:
    """The back button shows what was there before, and forward again."""
    page = visit(f"similar?collection=sky&id={QUERY}&k=12")
    before = found(page)
    page.locator(".found li.hit").nth(2).get_by_role("link", name="Search from").click()
    expect(page.locator("h1")).to_contain_text(before[2])
    expect(page.locator("h1")).to_be_focused()
    after = found(page)
    ours = client.neighbors(object_id=before[2], collection="sky", k=24)
    assert after == [hit.id for hit in ours.hits]
    page.go_back()
    expect(page.locator("h1")).to_contain_text(QUERY)
    assert found(page) == before
    page.go_forward()
    expect(page.locator("h1")).to_contain_text(before[2])
    assert found(page) == after


def test_examples_are_chosen_by_keyboard_and_searched_by(
    visit: Visit, client: Client
) -> None:
    """They stand in the address before the search, and in its query after it."""
    page = visit(f"similar?collection=sky&id={QUERY}&k=12")
    ids = found(page)
    for number, name in ((0, "More like"), (1, "More like"), (9, "Less like")):
        sign = (
            page.locator(".found li.hit").nth(number).get_by_role("button", name=name)
        )
        sign.focus()
        page.keyboard.press("Enter")
        expect(sign).to_have_attribute("aria-pressed", "true")
    assert page.url.count("plus=") == 2
    assert page.url.count("minus=") == 1
    page.reload()
    settle(page)
    assert page.locator(".examples-bar img").count() == 3
    page.get_by_role("button", name="Find more like these").click()
    page.wait_for_url("**like=**unlike=**")
    ours = client.neighbors(Examples(ids[:2], [ids[9]]), collection="sky", k=24)
    assert found(page) == [hit.id for hit in ours.hits]
    assert page.locator(".pinned .minis img").count() == 3


def test_filters_narrow_the_search_and_stand_in_the_address(
    visit: Visit, client: Client
) -> None:
    """What the form says is what our client asks with the same conditions."""
    page = visit(f"similar?collection=sky&id={QUERY}")
    everything = found(page)
    page.locator(".filters > summary").click()
    page.locator("#filters").wait_for()
    row = page.locator(".attribute").first
    row.get_by_label("Name").fill("instrument")
    row.get_by_label("is", exact=True).fill("optical")
    page.get_by_role("button", name="Another").click()
    row = page.locator(".attribute").nth(1)
    row.get_by_label("Name").fill("snr")
    row.get_by_label("or from").fill("20")
    page.locator("#flag-LOW_SN").select_option("no")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**attr=**")
    where = OneOf("instrument", ["optical"]) & Between("snr", low=20)
    where &= ~Flagged(["LOW_SN"])
    ours = client.neighbors(object_id=QUERY, collection="sky", k=24, where=where)
    assert found(page) == [hit.id for hit in ours.hits]
    assert found(page) != everything
    page.reload()
    assert found(page) == [hit.id for hit in ours.hits]
    expect(page.locator(".filters > summary")).to_contain_text("3")
    keep(page, "similar-filters")


def test_labels_and_a_cone_narrow_it_too(visit: Visit, client: Client) -> None:
    page = visit(f"similar?collection=sky&id={QUERY}&label=seen&nolabel=merger%3F")
    where = Labelled("seen") & ~Labelled("merger?")
    ours = client.neighbors(object_id=QUERY, collection="sky", k=24, where=where)
    assert len(ours.hits) == 5
    assert found(page) == [hit.id for hit in ours.hits]
    near = ours.hits[0].object
    page = visit(
        f"similar?collection=sky&id={QUERY}&cone={near.ra_deg},{near.dec_deg},0.001"
    )
    assert found(page) == [near.id]


def test_a_filter_that_nothing_fulfils_says_so(visit: Visit) -> None:
    page = visit(f"similar?collection=sky&id={QUERY}&label=nobody")
    expect(page.locator(".found .state")).to_contain_text("Nothing was found")
    page.get_by_role("button", name="Search without filters").click()
    page.wait_for_url(lambda url: "label" not in url)
    assert len(found(page)) == 24


def test_the_least_similar_come_when_asked_for(visit: Visit, client: Client) -> None:
    page = visit(f"similar?collection=sky&id={QUERY}")
    page.get_by_role("button", name="Least similar").click()
    page.wait_for_url("**least=1**")
    ours = client.neighbors(object_id=QUERY, collection="sky", k=24, least=True)
    assert found(page) == [hit.id for hit in ours.hits]
    page.get_by_role("button", name="Show more").click()
    page.wait_for_url("**k=48**")
    settle(page)
    assert len(found(page)) == 48


def _downloaded(page: Page, ending: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(f"[data-format={ending}]").click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_what_is_found_is_saved_as_tables(
    visit: Visit, client: Client, tmp_path: Path
) -> None:
    """Readers of others give back the numbers that our client gets."""
    page = visit(f"similar?collection=sky&id={QUERY}&k=12")
    settle(page)
    ours = client.neighbors(object_id=QUERY, collection="sky", k=12)
    tables: dict[str, Any] = {
        "csv": Table.read(_downloaded(page, "csv", tmp_path), format="csv"),
        "ecsv": Table.read(_downloaded(page, "ecsv", tmp_path), format="ascii.ecsv"),
        "vot": votable.parse_single_table(_downloaded(page, "vot", tmp_path)).to_table(
            use_names_over_ids=True
        ),
    }
    for name, table in tables.items():
        assert list(table["object_id"]) == [hit.id for hit in ours.hits], name
        assert list(table["score"]) == [hit.score for hit in ours.hits], name
        assert list(table["ra"]) == [hit.object.ra_deg for hit in ours.hits], name
        assert list(table["family"]) == [
            hit.object.attributes["family"] for hit in ours.hits
        ], name
    assert str(tables["ecsv"]["ra"].unit) == "deg"
    assert tables["ecsv"].meta["model_id"] == ours.context.model_id
    lines = _downloaded(page, "reg", tmp_path).read_text().splitlines()
    assert lines[0] == "# Region file format: DS9 version 4.1"
    assert next(line for line in lines if line.startswith("point(")).endswith(
        f"text={{1 {ours.hits[0].id}}}"
    )
    assert sum(line.startswith("point(") for line in lines) == 12


def test_the_votable_is_valid(visit: Visit, tmp_path: Path) -> None:
    page = visit(f"similar?collection=sky&id={QUERY}&k=12")
    settle(page)
    content = _downloaded(page, "vot", tmp_path).read_bytes()
    told = io.StringIO()
    assert votable.validate(io.BytesIO(content), output=told), told.getvalue()


SEARCHES = {
    "id": f"id={QUERY}&k=12",
    "examples": "like=sky-1-000007&unlike=sky-1-000022&k=12&least=1",
    "filters": f"id={QUERY}&k=12&noflag=LOW_SN&label=seen&attr="
    + quote('["snr",20,null]')
    + "&attr="
    + quote('["instrument","optical"]')
    + "&cone=180,0,180",
}


@pytest.mark.parametrize("search", SEARCHES)
def test_its_python_and_curl_give_what_the_page_shows(
    visit: Visit, search: str, tmp_path: Path
) -> None:
    """Both are run as they stand."""
    page = visit(f"similar?collection=sky&{SEARCHES[search]}")
    ids = found(page)
    assert ids
    assert [line.split()[1] for line in run(page, "python", tmp_path)] == ids
    [answer] = run(page, "curl", tmp_path)
    assert [id for id in ids if f'"{id}"' in answer] == ids


def run(page: Page, kind: str, folder: Path) -> list[str]:
    """Run a snippet of the page; the lines it prints."""
    code = page.locator(f"[data-code={kind}]").text_content()
    assert code is not None
    program = {
        "python": [sys.executable, *(["-I"] if sys.flags.isolated else []), "-c", code],
        "curl": ["bash", "-c", code.replace("curl ", "curl -s ", 1)],
    }[kind]
    done = subprocess.run(
        program,
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_files_python_and_curl_give_what_the_page_shows(
    visit: Visit, explored: SimpleNamespace
) -> None:
    """They name the file, which lies where they are run."""
    folder = explored.folder / "new"
    page = visit()
    page.set_input_files("#file", sorted(folder.glob("*.fits"))[2])
    page.get_by_role("button", name="Find what is like it").click()
    page.wait_for_url("**/similar?**")
    ids = found(page)
    assert [line.split()[1] for line in run(page, "python", folder)] == ids
    [answer] = run(page, "curl", folder)
    assert [id for id in ids if f'"{id}"' in answer] == ids


def test_its_pictures_are_those_of_the_archive(visit: Visit, client: Client) -> None:
    """What is drawn in a card is the object's thumbnail and no other's."""
    page = visit(f"similar?collection=sky&id={QUERY}&k=12")
    settle(page)
    hit = page.locator(".found li.hit").first
    drawn = hit.locator("img")
    assert is_picture(drawn)
    hit.locator(".signs").evaluate("(signs) => { signs.hidden = true; }")
    sizes = drawn.evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
    shown = _levels(Image.fromarray(pixels(drawn)))
    ids = found(page)
    alike = []
    for id in ids:
        stored = client.get(id, collection="sky").object.thumbnail_png
        with Image.open(io.BytesIO(stored)) as image:
            alike.append(np.corrcoef(_levels(image), shown)[0, 1])
            if id == ids[0]:
                assert list(image.size) == sizes
    assert np.argmax(alike) == 0
    assert alike[0] > 0.95


def _levels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("L").resize((32, 32))).ravel()
