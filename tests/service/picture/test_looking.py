"""Frames of any size as pictures, as a reader of PNG sees them."""

import io
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as their_fits
from numpy.typing import NDArray
from PIL import Image as Picture_

from skylike.service import fits
from skylike.service.errors import BadCutout
from skylike.service.fits.tiles import Section
from skylike.service.picture import Picture, Stretch, glimpsed, look, seen


def levels(png: bytes) -> NDArray[np.uint8]:
    with Picture_.open(io.BytesIO(png)) as picture:
        picture.verify()
    with Picture_.open(io.BytesIO(png)) as picture:
        return np.asarray(picture)


def _look(image: fits.Image, side: int = 64, **how: Any) -> Picture:
    return look(image, seen(image, None), 1.0, side, **how)


@pytest.mark.parametrize("stretch", Stretch)
@pytest.mark.parametrize("scale", [1e-11, 1.0, 1e6])
def test_the_first_row_is_below(stretch: Stretch, scale: float) -> None:
    ramp = np.arange(40 * 30, dtype=np.float32).reshape(1, 40, 30) * np.float32(scale)
    found = _look(fits.Image(ramp), 40, stretch=stretch)
    grey = levels(found.png)
    assert grey.shape == (40, 30)
    assert (np.diff(grey[:, 0].astype(int)) <= 0).all()
    assert (grey[-1, 0], grey[0, -1]) == (0, 255)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < found.high <= ramp.max()


@pytest.mark.parametrize("value", [np.nan, 7.0])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 50, 300), (3, 20, 20)])
def test_nothing_to_see_is_black_and_told(
    value: float, shape: tuple[int, int, int]
) -> None:
    image = fits.Image(np.full(shape, value, np.float32), fits.Axes.BANDS)
    found = _look(image, 32, decorations=True)
    assert found.is_flat
    assert not levels(found.png).any()
    assert max(levels(found.png).shape[:2]) == 32
    assert found.low == found.high == (None if np.isnan(value) else 7.0)
    assert found.valid_fraction == (0 if np.isnan(value) else 1)


def test_a_narrow_image_stays_narrow() -> None:
    random = np.random.default_rng(3)
    found = _look(
        fits.Image(random.normal(size=(1, 2, 20_000)).astype(np.float32)), 512
    )
    assert levels(found.png).shape == (1, 512)


def test_decorations_are_drawn_where_they_are_told_and_nowhere_else(
    sky: Any,
) -> None:
    image = fits.read(sky.draw("ring", 5, size=100))
    plain, drawn = (_look(image, 200, decorations=one) for one in (False, True))
    bar = drawn.compass.bar
    assert bar is not None
    assert (bar.label, bar.arcsec) == ("5\N{DOUBLE PRIME}", 5.0)
    assert bar.pixels == pytest.approx(50)
    before, after = (levels(one.png) for one in (plain, drawn))
    changed = before != after
    assert not changed[:120].any()  # the upper part is as it was
    line = np.flatnonzero(after[-10, :100] == 255)  # in the row of the bar
    assert len(line) == pytest.approx(bar.pixels, abs=3)
    assert (line[0], len(line)) == (9, line[-1] - line[0] + 1)
    assert changed[:, 120:].any()  # the compass, at the right
    small = _look(image, 64, decorations=True)
    assert small.png == _look(image, 64).png  # no room


@pytest.mark.parametrize("plane", [None, 1])
@pytest.mark.parametrize("letters", ["", "gri"])
def test_a_glimpse_shows_what_reading_all_does(
    tmp_path: Path, plane: int | None, letters: str
) -> None:
    y, x = np.mgrid[:900, :700]
    blob = 100 * np.exp(-((x - 500) ** 2 + (y - 200) ** 2) / 120**2)
    cube = np.stack([blob, 0.3 * blob + y / 50, 2 * blob[:, ::-1]]).astype(np.float32)
    header = their_fits.Header()
    if letters:
        header["BANDS"] = letters
    else:
        header["CTYPE3"] = "FREQ"
    path = tmp_path / "cube.fits"
    their_fits.PrimaryHDU(cube, header).writeto(path)
    with fits.opened(path) as frame:
        frame.box = fits.Box(-100, 0, 700, 950)
        pixels, step = glimpsed(frame, plane, 50)
        image = frame.read()
        glimpse = look(frame.outline(), pixels, step, 50)
    whole = look(image, seen(image, plane), 1.0, 50)
    assert glimpse.valid_fraction == pytest.approx(whole.valid_fraction, abs=0.01)
    found, expected = (levels(one.png).astype(int) for one in (glimpse, whole))
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 2


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
def test_a_glimpse_of_tiles_shows_what_reading_all_does(
    tmp_path: Path, algorithm: str
) -> None:
    y, x = np.mgrid[:600, :500]
    blob = 1000 * np.exp(-((x - 100) ** 2 + (y - 400) ** 2) / 90**2)
    pixels = np.random.default_rng(4).normal(blob, 1).astype(np.float32)
    path = tmp_path / "tiles.fits"
    their_fits.CompImageHDU(
        pixels, compression_type=algorithm, tile_shape=(50, 50), quantize_level=16
    ).writeto(path)
    with fits.opened(path) as frame:
        rows = frame.rows(0, [599, 3, 250])
        expected = frame.whole()
        np.testing.assert_array_equal(rows, expected[0, [599, 3, 250]])
        found, step = glimpsed(frame, None, 50)
        glimpse = look(frame.outline(), found, step, 50)
        whole = look(frame.read(), expected, 1.0, 50)
    apart = levels(glimpse.png).astype(int) - levels(whole.png)
    assert np.abs(apart).mean() < 3


def test_tiles_of_20000_pixels_a_side_take_little(tmp_path: Path) -> None:
    """They become small files, and would be 1.6 GB of numbers."""
    path = tmp_path / "even.fits"
    length = 20_000
    even = np.ascontiguousarray(np.broadcast_to(np.uint8(3), (length, length)))
    their_fits.CompImageHDU(
        even, compression_type="RICE_1", tile_shape=(100, length)
    ).writeto(path)
    del even
    tracemalloc.start()
    try:
        with fits.opened(path) as frame:
            pixels, step = glimpsed(frame, None, 256)
            found = look(frame.outline(), pixels, step, 256)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300e6
    assert found.is_flat
    assert (found.low, found.high) == (3, 3)


def test_tall_tiles_are_counted_before_they_are_decoded(tmp_path: Path) -> None:
    """However few pixels are asked for, and however small the file."""
    path = tmp_path / "tall.fits"
    their_fits.CompImageHDU(
        np.zeros((4096, 2048), np.int16),
        compression_type="RICE_1",
        tile_shape=(4096, 64),
    ).writeto(path)
    few = fits.Options(limits=fits.Limits(pixels=2**20))
    with fits.opened(path, few) as frame:
        tracemalloc.start()
        try:
            with pytest.raises(BadCutout, match="tiles of 8388608") as caught:
                frame.rows(0, [7])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert caught.value.reason == "size_limit"
        assert peak < 4e6  # half a byte for each of these pixels: none was decoded
        with pytest.raises(BadCutout, match="tiles of 8388608"):
            glimpsed(frame, None, 64)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file of 2100 tiles, one above the other, which are all one place in it."""
    path = tmp_path_factory.mktemp("repeated") / "repeated.fits"
    plain, number = np.zeros((1024, 1024), np.int16), 2100
    their_fits.CompImageHDU(
        plain, compression_type="GZIP_1", tile_shape=plain.shape
    ).writeto(path)
    once = path.read_bytes()
    with their_fits.open(path, disable_image_compression=True) as hdus:
        row, header = hdus[1].data.tobytes(), hdus[1].header
        start = hdus[1].fileinfo()["datLoc"] + len(row)
    heap = once[start : start + header["PCOUNT"]]
    header.update({"NAXIS2": number, "ZNAXIS2": number * len(plain)})
    data = row * number + heap
    data += bytes(-len(data) % 2880)
    path.write_bytes(once[:2880] + header.tostring().encode() + data)
    return path


def test_tiles_of_one_place_are_inflated_once(repeated: Path) -> None:
    """Two gigabytes of pixels, of a file of 60 KB."""
    assert repeated.stat().st_size < 2**16
    begin = time.process_time()
    with fits.opened(repeated) as frame:
        found = frame.read(fits.Box(10, 5000, 20, 5010))
    assert time.process_time() - begin < 1
    assert found.pixels.shape == (1, 10, 10)
    assert not found.pixels.any()


def test_no_more_tiles_are_looked_at_than_take_seconds(repeated: Path) -> None:
    """However few pixels are seen of each."""
    begin = time.process_time()
    with (
        fits.opened(repeated) as frame,
        pytest.raises(BadCutout, match="tiles of 2202009600") as caught,
    ):
        glimpsed(frame, None, 64)
    assert caught.value.reason == "size_limit"
    assert time.process_time() - begin < 5


def test_tiles_that_some_rows_share_are_decoded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And few of those that they do not: as many as may be at once, and not twice."""
    y, x = np.mgrid[:1024, :256]
    path = tmp_path / "shared.fits"
    their_fits.CompImageHDU(
        (y + 1000 * (x % 7)).astype("i2"),
        compression_type="RICE_1",
        tile_shape=(256, 64),
    ).writeto(path)
    decoded: list[int] = []
    read = Section.read

    def counted(self: Section, part: Any) -> Any:
        [*plane, rows] = part
        decoded.append(self.decodes(plane, rows, slice(0, 256)))
        return read(self, part)

    monkeypatch.setattr(Section, "read", counted)
    few = fits.Options(limits=fits.Limits(pixels=2**17))  # two rows of tiles
    numbers = [1000, 3, 250, 255, 256, 511, 512, 3]
    with fits.opened(path, few) as frame:
        found = frame.rows(0, numbers)
    expected = y[numbers] + 1000 * (x[numbers] % 7)
    np.testing.assert_array_equal(found, expected)
    assert decoded == [2**17, 2**17]


@pytest.mark.parametrize("side", [256, 1024])
def test_a_frame_of_20000_pixels_a_side_takes_little(tmp_path: Path, side: int) -> None:
    """800 MB on disk: neither read nor held."""
    path = tmp_path / "large.fits"
    length, value = 20_000, 1000
    header = their_fits.Header(
        {"SIMPLE": True, "BITPIX": 16, "NAXIS": 2, "NAXIS1": length, "NAXIS2": length}
    )
    with path.open("wb") as file:
        file.write(header.tostring().encode())
        start = file.tell()
        for y in range(15_000, 18_000):  # a square, at the upper left
            file.seek(start + 2 * (y * length + 2000))
            file.write(np.full(3000, value, ">i2").tobytes())
        file.truncate(start + 2 * length * length)
    tracemalloc.start()
    began = time.monotonic()
    try:
        with fits.opened(path) as frame:
            pixels, step = glimpsed(frame, None, side)
            found = look(frame.outline(), pixels, step, side)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300e6
    assert time.monotonic() - began < 60
    grey = levels(found.png)
    assert grey.shape == (side, side)
    lit = np.argwhere(grey == 255) / side
    np.testing.assert_allclose(lit.min(axis=0), [0.1, 0.1], atol=2 / side)
    np.testing.assert_allclose(lit.max(axis=0), [0.25, 0.25], atol=2 / side)
    assert found.high == value
