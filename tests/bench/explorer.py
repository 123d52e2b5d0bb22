"""The map: what a million objects cost the service, and how fluently a browser draws.

Without graphics hardware: chromium draws by SwiftShader, as in the tests.
"""

import json
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from playwright.sync_api import Page, sync_playwright
from tests.bench.measure import Measure
from tests.bench.service import _data
from tests.process import Service

from skylike.client import Client
from skylike.service.collection.laying import laid_out
from skylike.service.collection.stages import Stages
from skylike.service.collection.view import gather
from skylike.service.library import Library
from skylike.service.progress import Shown

SIZES = (100_000, 1_000_000)
DRAWN = 50_000
TIMES = 5
SECONDS = 3.0
OPTIONS = (
    "--no-sandbox",
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)


def measure() -> list[Measure]:
    """All figures of this theme."""
    found = []
    for size in SIZES:
        with TemporaryDirectory(dir=_data(size).parent) as folder:
            shutil.copytree(_data(size), Path(folder) / "data")
            found += measured(Path(folder), size)
    return found


def measured(folder: Path, size: int) -> list[Measure]:
    """The figures of one archive, in ``data`` below a folder of its own."""
    seconds = lay_out(folder / "data")
    with serving(folder) as served, Client(served.address, timeout=120) as client:
        client.wait_ready(60)
        times = []
        for _ in range(TIMES + 1):
            start = time.perf_counter()
            drawn = client.map(color="anomaly" if client.clusters().clusters else "")
            times.append(time.perf_counter() - start)
        assert drawn.total == size
        asked = Measure(
            f"explorer.map_{size}",
            statistics.median(times[1:]),
            "s for GetMap after the first; at most 1",
            {"first call": times[0], "principal components": seconds},
        )
        return [asked, *drawings(served.url, size)]


def lay_out(data: Path) -> float:
    """Make the map of an archive without all else that a fit makes; in how many seconds."""
    with Library(data) as library, library.using("sky") as archive:
        rows, vectors = gather([source for _, source in archive._view.sources()])
        start = time.perf_counter()
        with TemporaryDirectory() as nowhere:
            stages = Stages(Path(nowhere), {})
            found = laid_out(rows, vectors, [], 0, stages, Shown.NOT)
        seconds = time.perf_counter() - start
        archive._catalog.fits.save(found)
    return seconds


@contextmanager
def serving(folder: Path) -> Iterator[SimpleNamespace]:
    """Serve ``data`` below a folder: ``address`` for programs, ``url`` for browsers."""
    with Service(folder / "data", folder, "--http-address", "127.0.0.1:0"):
        told = json.loads((folder / "ready.json").read_text())
        url = f"http://{told['http_address']}/"
        yield SimpleNamespace(address=told["address"], url=url)


def drawings(url: str, size: int) -> list[Measure]:
    """How soon the map is seen, and how often it is drawn while it is dragged."""
    program = shutil.which("chromium")
    assert program is not None
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=list(OPTIONS)
        )
        for renderer in ("webgl", "canvas"):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            first = seen(page, f"{url}map?color=none&renderer={renderer}&shown=points")
            rate = frame_rate(page)
            page.close()
            found.append(
                Measure(
                    f"explorer.{renderer}_{size}",
                    rate,
                    f"frames/s while {DRAWN} points are dragged; at least 8",
                    {"first view, s (at most 3)": first},
                )
            )
        browser.close()
    return found


def seen(page: Page, address: str) -> float:
    """Seconds until the map of an address is drawn."""
    start = time.perf_counter()
    page.goto(address)
    page.locator(".map-frame[data-renderer]").wait_for(timeout=120_000)
    return time.perf_counter() - start


def frame_rate(page: Page, seconds: float = SECONDS) -> float:
    """Frames in a second that a browser shows while the map is dragged about."""
    box: Any = page.locator(".map-place").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(
        "() => { window.counted = 0; const count = () => { window.counted += 1;"
        " window.counting = requestAnimationFrame(count); }; count(); }"
    )
    start, step = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < seconds:
        step += 1
        page.mouse.move(x + 80 * ((step % 20) / 10 - 1), y + 40 * ((step % 14) / 7 - 1))
    frames = page.evaluate(
        "() => { cancelAnimationFrame(window.counting); return window.counted; }"
    )
    page.mouse.up()
    return float(frames) / taken
