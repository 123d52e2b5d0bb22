"""What is shown of a visitor's file is what is searched with, also while answers are awaited."""

import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy.io import fits
from playwright.sync_api import Page, Route, expect
from tests.e2e.explorer.conftest import Visit, is_picture, settle
from tests.e2e.explorer.test_searching import _square

FIND = "Find what is like it"


class Held:
    """Looks at files that are on their way until they are let go."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._held: list[Route] = []
        self.is_holding = True
        page.route(re.compile("/v1/inspect"), self._route)

    def _route(self, route: Route) -> None:
        if self.is_holding:
            self._held.append(route)
        else:
            route.continue_()

    def arrive(self, number: int) -> None:
        """Wait until so many looks have been asked for."""
        for _ in range(100):
            if len(self._held) >= number:
                return
            self._page.wait_for_timeout(50)
        pytest.fail(f"{len(self._held)} of {number} looks were asked for")

    def let_go(self) -> None:
        """Let all answers come, and those of later looks."""
        self.is_holding = False
        for route in self._held:
            route.continue_()


@pytest.fixture
def several(explored: SimpleNamespace, tmp_path: Path) -> Path:
    """A file of two images and a cube whose third axis nothing explains."""
    source = sorted((explored.folder / "new").glob("*.fits"))[0]
    with fits.open(source) as opened:
        image, header = opened[0].data.astype(np.float32), opened[0].header
    cube = np.stack([image, image[::-1], image.T]).astype(np.float32)
    file = tmp_path / "several.fits"
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(image, header, name="FIRST"),
            fits.ImageHDU(image[::-1], header, name="SECOND"),
            fits.ImageHDU(cube, name="CUBE"),
        ]
    ).writeto(file)
    return file


def _looked(page: Page, file: Path) -> None:
    page.set_input_files("#file", file)
    expect(page.locator("#looked .facts").first).to_contain_text("FIRST")


def _searched_hdu(page: Page) -> str:
    page.get_by_role("button", name=FIND).click()
    page.wait_for_url("**/similar?**")
    settle(page)
    return parse_qs(urlsplit(page.url).query).get("hdu", [""])[0]


def test_what_is_not_seen_yet_is_not_searched_with(visit: Visit, several: Path) -> None:
    page = visit()
    _looked(page, several)
    held = Held(page)
    page.locator("#hdu").select_option("2")
    held.arrive(1)
    expect(page.get_by_role("button", name=FIND)).to_be_disabled()
    held.let_go()
    expect(page.locator("#looked .facts").first).to_contain_text("SECOND")
    assert _searched_hdu(page) == "2"


def test_a_square_is_of_the_picture_it_is_drawn_on(visit: Visit, several: Path) -> None:
    """Whatever else has been asked for meanwhile; that is given up."""
    page = visit()
    _looked(page, several)
    held = Held(page)
    page.locator("#hdu").select_option("2")
    held.arrive(1)
    _square(page, 0.5, 0.5, 0.25)
    held.arrive(2)
    held.let_go()
    expect(page.locator("#cut")).not_to_have_value("")
    expect(page.locator("#looked .facts").first).to_contain_text("FIRST")
    expect(page.locator("#hdu")).to_have_value("1")


def test_after_a_refusal_what_is_shown_leads_on(visit: Visit, several: Path) -> None:
    """The choices, a square and the search are of the picture that is still there."""
    page = visit()
    _looked(page, several)
    page.locator("#hdu").select_option("3")
    expect(page.locator("#looked .error")).to_contain_text("AXIS_AMBIGUOUS")
    expect(page.locator("#hdu")).to_have_value("1")
    _square(page, 0.5, 0.5, 0.25)
    expect(page.locator("#looked .error")).to_have_count(0)
    expect(page.locator("#looked .facts").first).to_contain_text("FIRST")
    cut = page.locator("#cut").input_value()
    assert _searched_hdu(page) == f"[{cut}]"


def test_an_axis_that_nothing_explains_can_be_explained(
    visit: Visit, several: Path
) -> None:
    """Also where another image is shown already."""
    page = visit()
    _looked(page, several)
    page.locator("#hdu").select_option("3")
    expect(page.locator("#looked .error")).to_contain_text("AXIS_AMBIGUOUS")
    page.locator("#axis").select_option("AXIS_KIND_SPECTRAL")
    expect(page.locator("#looked .facts").first).to_contain_text("CUBE")
    expect(page.locator("#hdu")).to_have_value("3")
    expect(page.locator("#axis")).to_have_value("AXIS_KIND_SPECTRAL")
    assert is_picture(page.locator("#looked img"))


def test_what_explains_the_axis_of_one_image_is_not_said_of_another(
    visit: Visit, several: Path
) -> None:
    """Whose own header may explain it."""
    with fits.open(several, mode="append") as opened:
        header = fits.Header({"CTYPE3": "FREQ", "CDELT3": 1e6, "CRVAL3": 1e9})
        opened.append(fits.ImageHDU(opened["CUBE"].data, header, name="LINE"))
    page = visit()
    _looked(page, several)
    page.locator("#hdu").select_option("3")
    page.locator("#axis").select_option("AXIS_KIND_BANDS")
    expect(page.locator("#looked .facts").first).to_contain_text("bands")
    page.locator("#hdu").select_option("4")
    expect(page.locator("#looked .facts").first).to_contain_text("LINE")
    expect(page.locator("#looked .facts").first).to_contain_text("spectral")
    expect(page.locator("#axis")).to_have_value("")


def test_a_file_that_was_mended_can_be_chosen_again(
    visit: Visit, several: Path
) -> None:
    """Browsers keep quiet about a file that is chosen already."""
    page = visit()
    _looked(page, several)
    with page.expect_file_chooser() as chosen:
        page.locator("label.drop").click()
    assert page.locator("#file").evaluate("(input) => input.files.length") == 0
    expect(page.locator("#looked .facts").first).to_contain_text("FIRST")
    chosen.value.set_files(several)
    expect(page.locator("#looked .facts").first).to_contain_text("FIRST")


def test_the_answer_of_an_earlier_file_does_not_replace_the_later(
    visit: Visit, several: Path, explored: SimpleNamespace
) -> None:
    later = sorted((explored.folder / "new").glob("*.fits"))[1]
    page = visit()
    held = Held(page)
    page.set_input_files("#file", several)
    held.arrive(1)
    held.is_holding = False
    page.set_input_files("#file", later)
    expect(page.locator("#looked .file-name")).to_contain_text(later.name)
    held.let_go()
    page.wait_for_timeout(1000)
    expect(page.locator("#looked .file-name")).to_contain_text(later.name)


@pytest.mark.parametrize("is_phone", [False, True])
def test_to_draw_is_advised_where_it_can_be_done(
    visit: Visit, several: Path, is_phone: bool
) -> None:
    """A finger scrolls; the numbers are there for all."""
    page = visit(has_touch=is_phone, is_mobile=is_phone)
    _looked(page, several)
    expect(page.locator("#cut")).to_be_visible()
    expect(page.get_by_text("draw a square")).to_have_count(0 if is_phone else 1)


def test_a_search_begins_beside_the_files_name(visit: Visit, several: Path) -> None:
    """Nobody scrolls for it past picture, choices and facts."""
    page = visit()
    _looked(page, several)
    find = page.locator("#find").bounding_box()
    picture = page.locator("#looked img").bounding_box()
    assert find is not None
    assert picture is not None
    assert find["y"] + find["height"] <= picture["y"]
    assert find["y"] + find["height"] < 900
    hdu = page.locator("#hdu").bounding_box()
    cut = page.locator("#cut").bounding_box()
    assert hdu is not None
    assert cut is not None
    assert abs(hdu["y"] - cut["y"]) < 2  # fields of a row stand in line
