"""The README's pictures of the explorer, drawn from the sky that its tests look at.

``make pictures`` writes them anew, after a change that is meant: look at them before they
are committed.
"""

import io
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from tests.e2e.explorer import archive
from tests.e2e.explorer.conftest import OPTIONS, settle

DOCS = Path(__file__).parents[3] / "docs"
SCALE = 0.75  # pixels of a picture in one of the page
_QUERY = "collection=sky&id=sky-1-000007"
VIEWS = {
    "explorer": (f"similar?{_QUERY}&k=12", "light", 770),
    "explorer-map": (
        f"map?{_QUERY}&layout=pca&color=cluster&renderer=webgl", "dark", 980,
    ),
}  # fmt: skip
"""Of each picture the address, the colours, and the height of the window."""


def draw(browser: Browser, url: str, folder: Path) -> None:
    """Write all pictures of a service at an address into a folder."""
    for name, (address, scheme, height) in VIEWS.items():
        context = browser.new_context(
            viewport={"width": 1280, "height": height},
            device_scale_factor=SCALE,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        page.goto(url + address)
        settle(page)
        page.wait_for_load_state("networkidle")  # pictures in the page, too
        content = page.screenshot(animations="disabled")
        context.close()
        with Image.open(io.BytesIO(content)) as picture:  # as small as it can be
            small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
            small.save(folder / f"{name}.png", optimize=True)


def main() -> None:
    """Draw a sky, serve it, and write the pictures into ``docs``."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("no browser here: chromium is missing")
    with TemporaryDirectory(prefix="skylike-") as name, sync_playwright() as playwright:
        folder = Path(name)
        archive.build(folder)
        opened = playwright.chromium.launch(executable_path=program, args=list(OPTIONS))
        with archive.serving(folder) as served:
            archive.furnish(served.address)
            draw(opened, served.url, DOCS)
        opened.close()


if __name__ == "__main__":
    main()
