"""What strangers put into files and names is shown harmlessly, or refused in words."""

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from playwright.sync_api import Page, expect
from tests.conftest import draw, to_fits
from tests.e2e.explorer import archive
from tests.e2e.explorer.conftest import Visit, is_picture, keep, pixels, settle
from tests.e2e.explorer.test_gallery import run

from skylike.client import Client, NewObject

SCRIPT = "<script>top.evil=1</script><img src=x onerror=top.evil=1>"
IDS = (
    SCRIPT,
    "\"quoted' & <b>bold</b>",
    "../../etc/passwd",
    "javascript:top.evil=1",
    "a/b/c?id=1&collection=other#x",
    "%2e%2e%2f%00",
    "\u202egnp.exe",
    "\u661f\u7cfb \U0001f30c e\u0301",
    '=HYPERLINK("x")',
    "x" * 500,
)


@pytest.fixture(scope="module")
def hostile(
    explored: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A service of its own with a collection of such names, labels and attributes."""
    folder = archive.copied(explored.folder, tmp_path_factory.mktemp("hostile"))
    with archive.serving(folder) as served:
        with Client(served.address) as client:
            client.create_collection("hostile", model_of="sky")
            client.add(
                [
                    NewObject(
                        id,
                        draw("ring", number, OBJECT=SCRIPT[:60]),
                        attributes={SCRIPT: SCRIPT, "rtl": "\u202eabc\u0007\u200b"},
                        labels=[SCRIPT[:150]],
                    )
                    for number, id in enumerate(IDS)
                ],
                collection="hostile",
            )
        yield served


def is_harmless(page: Page) -> bool:
    """Whether nothing ran, and nothing became an element; `visit` sees to the rest."""
    return bool(
        page.evaluate(
            """() => top.evil === undefined
              && !document.querySelector("main script, main [onerror], main b > b, main i")
              && ![...document.querySelectorAll("main img")].some((one) => one.src.endsWith("/x"))
              && ![...document.querySelectorAll("a[href]")].some((one) => one.protocol === "javascript:")"""
        )
    )


@pytest.mark.parametrize("number", range(len(IDS)))
def test_names_of_any_kind_are_but_texts(
    visit: Visit, hostile: SimpleNamespace, number: int
) -> None:
    """They are searched from, looked at, and lead to themselves and nowhere else."""
    page = visit("?collection=hostile", url=hostile.url)
    page.locator("#by-id").fill(IDS[number])
    page.locator("#id-form button").click()
    page.wait_for_url("**/similar?**")
    settle(page)
    ids = {str(one.get_attribute("data-id")) for one in page.locator("li.hit").all()}
    assert ids == set(IDS) - {IDS[number]}
    assert is_picture(page.locator(".found li.hit img").first)
    assert is_harmless(page)
    page.get_by_role("link", name="Look at it").click()
    page.wait_for_url("**/object?**")
    settle(page)
    page.locator(".facts").first.wait_for()
    assert is_harmless(page)
    if number == 0:
        expect(page.locator("h1")).to_have_text(SCRIPT)
        keep(page, "hostile-object")


def test_what_turns_or_hides_text_is_made_visible(
    visit: Visit, hostile: SimpleNamespace
) -> None:
    page = visit("object?collection=hostile&id=javascript:top.evil=1", url=hostile.url)
    text = page.locator("main").inner_text()
    assert "\ufffdabc\u2407\ufffd" in text
    assert "\u202e" not in text
    assert SCRIPT in text


def test_their_snippets_still_run(
    visit: Visit, hostile: SimpleNamespace, tmp_path: Path
) -> None:
    """Quotes in ids end no string, and no command."""
    page = visit(
        "similar?collection=hostile&like="
        + "&like=".join(
            [
                "%22quoted%27%20%26%20%3Cb%3Ebold%3C%2Fb%3E",
                "%E6%98%9F%E7%B3%BB%20%F0%9F%8C%8C%20e%CC%81",
            ]
        ),
        url=hostile.url,
    )
    settle(page)
    shown = page.locator(".found li.hit").count()
    assert shown == len(IDS) - 2
    assert len(run(page, "python", tmp_path)) >= shown
    [answer] = run(page, "curl", tmp_path)
    assert answer.count('"score"') == shown


def _upload(page: Page, file: Path) -> None:
    page.set_input_files("#file", file)
    page.locator("#looked .file-name, #looked .error").first.wait_for(timeout=60_000)
    settle(page)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_script_in_a_header_is_but_a_text(visit: Visit, tmp_path: Path) -> None:
    page = visit("?collection=sky")
    text = "<script>top.evil=1</script>"
    file = _write(tmp_path / "<img src=x onerror=top.evil=1>.fits", draw(OBJECT=text))
    _upload(page, file)
    assert is_picture(page.locator("#looked img"))
    page.get_by_text("Header", exact=True).click()
    expect(page.locator("#looked .header")).to_contain_text(text)
    expect(page.locator(".file-name")).to_contain_text("<img src=x")
    assert is_harmless(page)
    page.get_by_role("button", name="Find what is like it").click()
    page.wait_for_url("**/similar?**")
    settle(page)
    assert page.locator(".found li.hit").count() == 24
    assert is_harmless(page)


def test_a_header_of_four_mebibytes_is_shown(visit: Visit, tmp_path: Path) -> None:
    """Of what is in it only what matters."""
    header = fits.Header()
    header["OBJECT"] = "crowded"
    card = fits.Card("COMMENT", "x" * 70).image.encode()
    content = io.BytesIO()
    fits.PrimaryHDU(np.random.default_rng(0).normal(size=(48, 48)), header).writeto(
        content
    )
    whole = content.getvalue()
    end = whole.index(b"END     ")
    blocks = 4 * 2**20 // 2880 - 2
    comments = card * (blocks * 36)
    head = whole[:end] + comments + b"END".ljust(80)
    head += b" " * (-len(head) % 2880)
    data = whole[(end // 2880 + 1) * 2880 :]
    page = visit("?collection=sky")
    _upload(page, _write(tmp_path / "crowded.fits", head + data))
    assert is_picture(page.locator("#looked img"))
    assert page.locator("#looked .header > dt").count() < 300


def test_an_image_of_one_pixel_is_shown(visit: Visit, tmp_path: Path) -> None:
    """With what is poor about it."""
    page = visit("?collection=sky")
    _upload(page, _write(tmp_path / "one.fits", to_fits(np.ones((1, 1)))))
    expect(page.locator("#looked img")).to_be_visible()
    expect(page.locator("#looked")).to_contain_text("1 \N{MULTIPLICATION SIGN} 1")
    # A black square, as nothing is brighter than the rest, but for its round corners.
    drawn = pixels(page.locator("#looked img"))
    assert min(drawn.shape[:2]) > 200
    assert drawn[20:-20, 20:-20].max() == 0
    page.get_by_role("button", name="Find what is like it").click()
    page.locator(".found li.hit, #looked .error").first.wait_for()
    assert is_harmless(page)


def test_an_image_that_is_too_large_to_be_searched_with_is_shown_all_the_same(
    visit: Visit, tmp_path: Path
) -> None:
    """20,000 by 20,000 pixels in a small file; that it is too large is told in words."""
    side = 20_000
    image = np.zeros((side, side), np.uint8)
    image[:1000, :1000] = np.arange(1000) // 4
    stream = io.BytesIO()
    fits.CompImageHDU(image, compression_type="RICE_1", tile_shape=(100, side)).writeto(
        stream
    )
    page = visit("?collection=sky")
    _upload(page, _write(tmp_path / "large.fits", stream.getvalue()))
    assert is_picture(page.locator("#looked img"))
    page.get_by_role("button", name="Find what is like it").click()
    refused = page.locator("#looked .error")
    expect(refused).to_contain_text("SIZE_LIMIT")
    expect(refused).to_contain_text("give a section such as")
    assert is_harmless(page)
    # What is advised helps.
    page.locator("#cut").fill("1:1000,1:1000")
    page.locator("#cut").press("Enter")
    expect(page.locator("#looked .facts").first).to_contain_text("1000")
    expect(page.locator("#looked .warnings")).to_have_count(0)
    page.get_by_role("button", name="Find what is like it").click()
    page.wait_for_url("**/similar?**")
    settle(page)
    assert page.locator(".found li.hit").count() == 24
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]
