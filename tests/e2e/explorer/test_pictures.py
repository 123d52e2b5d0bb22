"""The README's pictures are what is drawn today."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser
from tests.e2e.explorer import pictures


def _levels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.float64)


def test_the_readmes_pictures_are_what_is_drawn(
    browser: Browser, explored: SimpleNamespace, tmp_path: Path
) -> None:
    """But for fonts; after a change that is meant: make pictures."""
    pictures.draw(browser, explored.url, tmp_path)
    readme = (pictures.DOCS.parent / "README.md").read_text()
    for name in pictures.VIEWS:
        drawn, kept = (_levels(at / f"{name}.png") for at in (tmp_path, pictures.DOCS))
        assert drawn.shape == kept.shape
        differs = np.sqrt(np.mean((drawn - kept) ** 2))
        assert differs < 12, f"{name}: {differs:.1f} levels"
        assert f"docs/{name}.png" in readme
        # Another view is far beyond that.
        assert np.sqrt(np.mean((255 - drawn - kept) ** 2)) > 50


@pytest.mark.parametrize("name", list(pictures.VIEWS))
def test_a_picture_is_small(name: str) -> None:
    assert (pictures.DOCS / f"{name}.png").stat().st_size < 150_000
