"""A map of 50,000 objects is soon seen and moves, also without graphics hardware."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser
from tests.bench.explorer import frame_rate, lay_out, seen, serving
from tests.conftest import DIMENSION, write_model
from tests.e2e.explorer.conftest import pixels

from skylike.service.collection import SkyObject
from skylike.service.library import Library

NUM = 50_000
ATTEMPTS = 3  # other programs may want the processor


@pytest.mark.slow
def test_fifty_thousand_objects_are_seen_within_3_s_and_move_8_times_a_second(
    browser: Browser, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(NUM, DIMENSION)) * np.linspace(2, 0.5, DIMENSION)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with Library(tmp_path / "data") as library:
        library.create("sky", write_model(tmp_path / "tiny.onnx"))
        objects = [SkyObject(f"o{i}", attributes={"number": i}) for i in range(NUM)]
        library.collection("sky").add(objects, vectors.astype(np.float32))
    lay_out(tmp_path / "data")
    with serving(tmp_path) as served:
        times, rates = [], []
        for _ in range(ATTEMPTS):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            times.append(seen(page, f"{served.url}map?color=number"))
            # Tens of thousands of points that hide each other in part.
            picture = pixels(page.locator(".map-frame")).astype(int)
            hue = picture.max(axis=2) - picture.min(axis=2) > 40
            assert np.count_nonzero(hue) > 50_000
            rates.append(frame_rate(page))
            page.close()
            if min(times) < 3 and max(rates) >= 8:
                break
    assert min(times) < 3
    assert max(rates) >= 8
