"""A browser before a service with a drawn sky; whatever a page does wrong fails its test."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from tests.e2e.explorer import archive

from skylike.client import Client

ROOT = Path(__file__).parents[3]
SCREENSHOTS = ROOT / "build" / "screenshots"
REQUIRED = "BROWSER_REQUIRED"
OPTIONS = (
    "--no-sandbox",  # not for root, who runs in containers
    # Pictures of WebGL without graphics hardware.
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)

Visit: TypeAlias = Callable[..., Page]


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A service for the whole run: ``url``, ``address``, ``folder`` with ``new/*.fits``.

    Its collection ``sky`` is fitted and shall stay as it is, but for what a test undoes;
    ``bare`` is empty.
    """
    folder = tmp_path_factory.mktemp("explored")
    archive.build(folder)
    with archive.serving(folder) as served:
        archive.furnish(served.address)
        yield served


@pytest.fixture
def client(explored: SimpleNamespace) -> Iterator[Client]:
    """Asks the same service as the browser."""
    with Client(explored.address) as opened:
        yield opened


# Not for the whole run: while it is open no other test can have an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    program = shutil.which("chromium")
    if program is None:
        told = "no browser here: chromium is missing"
        (pytest.fail if REQUIRED in os.environ else pytest.skip)(told)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(OPTIONS))
        yield opened
        opened.close()


class Watch:
    """What a page does that no page shall do.

    Attributes
    ----------
    wrong
        Errors of its scripts, and what its policy refused.
    elsewhere
        Addresses of other places that it asked for.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.wrong: list[str] = []
        self.elsewhere: list[str] = []
        self._url = url
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._console)
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        # That the service refused something is shown to people, and asserted there.
        is_answer = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_answer:
            self.wrong.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.elsewhere.append(request.url)


@pytest.fixture
def visit(browser: Browser, explored: SimpleNamespace) -> Iterator[Visit]:
    """Opens a view in a window of its own, and waits until it is complete.

    Options are those of Playwright's ``new_context``; ``url`` is that of another service.
    """
    contexts, watches = [], []

    def opened(path: str = "", *, url: str = explored.url, **options: Any) -> Page:
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        watches.append(Watch(page, url))
        page.goto(url + path)
        settle(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for watch in watches for one in watch.wrong] == []
    assert [one for watch in watches for one in watch.elsewhere] == []


def settle(page: Page) -> None:
    """Wait until nothing is loading, or somebody has to say something first."""
    page.locator("main h1, main .state, dialog").first.wait_for()
    if page.locator("dialog").count():
        return
    page.locator("main .loading, main [aria-busy=true]").first.wait_for(
        state="detached"
    )


def pixels(what: Page | Locator) -> NDArray[np.uint8]:
    """What is drawn, (rows, columns, 3)."""
    with Image.open(io.BytesIO(what.screenshot(animations="disabled"))) as image:
        return np.asarray(image.convert("RGB"))


def is_picture(what: Locator) -> bool:
    """Whether there is a picture with structure, and not an even area."""
    what.scroll_into_view_if_needed()
    what.evaluate(
        "(image) => image.complete || new Promise((resolve) => { image.onload = resolve; })"
    )
    return float(pixels(what).std()) > 5


def keep(page: Page, name: str) -> None:
    """Keep a picture of the whole page, for people."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(
        path=SCREENSHOTS / f"{name}.png", full_page=True, animations="disabled"
    )
