"""Thumbnails: what a reader of PNG makes of them."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from skylike.service import thumbnail
from skylike.service.fits import Axes, Image


def levels(png: bytes) -> NDArray[np.uint8]:
    """The levels of a PNG, (ny, nx) or (ny, nx, 3); a wrong checksum is an error."""
    with Picture.open(io.BytesIO(png)) as picture:
        picture.verify()
    with Picture.open(io.BytesIO(png)) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("scale", [1e-11, 1.0, 1e6])
def test_a_ramp_rises_by_asinh_from_the_bottom(scale: float) -> None:
    ny, nx = 40, 30
    ramp = np.linspace(-1, 1, ny * nx).reshape(1, ny, nx).astype(np.float32)
    found = levels(thumbnail.preview(Image(ramp * np.float32(scale)), ny))
    assert found.shape == (ny, nx)
    low, high = np.quantile(ramp, [0.01, 0.997], method="nearest")
    unit = np.clip((ramp[0, ::-1] - low) / (high - low), 0, 1)
    wanted = 255 * np.arcsinh(unit / 0.1) / np.arcsinh(10)
    assert np.abs(found - wanted).max() <= 0.51


def test_three_bands_are_colours_and_blanks_are_black() -> None:
    random = np.random.default_rng(3)
    pixels = random.normal(size=(3, 64, 64)).astype(np.float32)
    pixels[:, :8] = np.nan
    pixels[:, 8:] += 5
    pixels[1, 8:] += np.linspace(0, 30, 56)[:, np.newaxis]
    found = levels(thumbnail.render(Image(pixels, Axes.BANDS, ("i", "r", "g"))))
    assert found.shape == (64, 64, 3)
    assert not found[-8:].any()
    red, green, blue = found[:56].astype(float).mean(axis=1).T
    assert green[0] > 1.5 * max(red[0], blue[0])
    assert green[50] < 0.7 * min(red[50], blue[50])


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_nothing_to_see_is_black(value: float) -> None:
    pixels = np.full((1, 20, 20), value, np.float32)
    assert not levels(thumbnail.render(Image(pixels))).any()
