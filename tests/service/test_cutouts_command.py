"""``skylike-service cutouts`` and ``inspect``, as a person runs them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits as astropy_fits
from click.testing import CliRunner, Result
from PIL import Image as Picture

from skylike.service import fits
from skylike.service.cli import main
from skylike.service.cutouts import Folder
from skylike.service.errors import SkylikeError
from skylike.service.library import Library

PLACES = [(40, 50), (150, 60), (90, 180)]


def run(*words: Any) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def facts(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def field(tmp_path: Path) -> Path:
    y, x = np.mgrid[:240, :300]
    pixels = np.random.default_rng(0).normal(0, 1, (240, 300))
    for x0, y0 in PLACES:
        pixels += 300 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 30)
    header = astropy_fits.Header(
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": -30.0}
        | {"CRPIX1": 1.0, "CRPIX2": 1.0, "CDELT1": -1e-4, "CDELT2": 1e-4}
    )
    path = tmp_path / "a field.fits"
    astropy_fits.PrimaryHDU(pixels.astype("f4"), header).writeto(path)
    return path


def test_a_folder_gets_a_file_for_each_object_and_a_table(
    field: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = facts(run("cutouts", field, "--detect", "--out", out, "--json"))
    assert found["cutouts"] == 3
    rows = pq.read_table(out / "cutouts.parquet").to_pylist()
    assert [row["file"] for row in rows] == [f"a_field_{i}.fits" for i in (1, 2, 3)]
    for row in rows:
        image = fits.read(out / row["file"])
        box = row["x0"], row["y0"], row["x1"], row["y1"]
        assert image.pixels.shape == (1, box[3] - box[1], box[2] - box[0])
        assert image.world is not None
        place = image.world.to_sky(row["x"] - row["x0"], row["y"] - row["y0"])
        assert place == pytest.approx((row["ra"], row["dec"]), abs=1e-9)
        assert any(np.hypot(row["x"] - x, row["y"] - y) < 0.1 for x, y in PLACES)
        assert row["source"] == str(field)


def test_a_collection_gets_each_object_once(
    field: Path, tmp_path: Path, model: Path
) -> None:
    words = ("cutouts", field, "--detect", "--collection", "sky", "--json")
    where = ("--data", tmp_path / "data", "--model", model)
    first = facts(run(*words, *where))
    assert (first["cutouts"], first["known"], first["rejected"]) == (3, 0, 0)
    again = facts(run(*words, *where))
    assert (again["cutouts"], again["known"], again["objects"]) == (0, 3, 3)
    with Library(tmp_path / "data") as library:
        found = library.collection("sky").get("a field/1")
        assert found.uri == str(field)
        assert found.box is not None
        assert found.position is not None
        assert found.attributes["signal_to_noise"] > 100  # type: ignore[operator]
        assert found.thumbnail.startswith(b"\x89PNG")


def test_a_collection_tells_what_a_catalogue_lost(
    field: Path, tmp_path: Path, model: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,x,y,size\na,40,50,\nb,9000,50,30\nc,,50,30\nd,40,50,31\n")
    words = ("cutouts", field, "--catalog", table, "--collection", "sky", "--json")
    where = ("--data", tmp_path / "data", "--model", model)
    found = facts(run(*words, *where))
    assert (found["cutouts"], found["left_out"], found["rejected"]) == (1, 3, 0)
    with Library(tmp_path / "data") as library:
        position = library.collection("sky").get("a field/d").position
    world = fits.read(field).world
    assert world is not None
    assert position is not None
    place = world.to_sky(40.0, 50.0)
    assert (position.ra_deg, position.dec_deg) == pytest.approx(place, abs=1e-9)


def test_a_file_with_an_equals_sign_is_no_band(field: Path, tmp_path: Path) -> None:
    path = tmp_path / "run=3.fits"
    path.write_bytes(field.read_bytes())
    for name in (path, f"{path}[0]"):
        out = tmp_path / "out"
        found = facts(run("cutouts", name, "--box", "1,1,9,9", "--out", out, "--json"))
        assert found["cutouts"] == 1
        [row] = pq.read_table(out / "cutouts.parquet").to_pylist()
        assert (row["source"], row["hdu"]) == (str(path), "0")


def test_a_run_that_breaks_off_leaves_a_table_of_what_it_wrote(
    field: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    facts(run("cutouts", field, "--box", "1,1,9,9", "--out", out, "--json"))
    add, count = Folder.add, 0

    def interrupted(self: Folder, *words: Any) -> Path:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return add(self, *words)

    monkeypatch.setattr(Folder, "add", interrupted)
    assert run("cutouts", field, "--detect", "--out", out).exit_code == 1
    rows = pq.read_table(out / "cutouts.parquet").to_pylist()
    assert [row["file"] for row in rows] == ["a_field_1.fits", "a_field_2.fits"]
    assert not list(out.glob("*.part"))


def test_of_several_images_a_bad_one_stops_nothing(
    field: Path, tmp_path: Path, model: Path
) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"nothing")
    words = ("cutouts", bad, field, "--detect", "--json")
    found = facts(run(*words, "--out", tmp_path / "out"))
    assert (found["cutouts"], found["rejects"][0]["reason"]) == (3, "not_fits")
    data = ("--collection", "sky", "--data", tmp_path / "data", "--model", model)
    found = facts(run(*words, *data))
    assert (found["cutouts"], found["rejects"][0]["reason"]) == (3, "not_fits")
    alone = run("cutouts", bad, "--detect", "--out", tmp_path / "out")
    assert alone.exit_code == 2
    assert "bad.fits: this is not a FITS file" in alone.stderr


def test_bands_in_a_file_each_are_one_image(tmp_path: Path, field: Path) -> None:
    found = facts(
        run(
            *("cutouts", f"g={field}", f"r={field}", "--box", "0,0,30,20"),
            *("--box", "5,5,25,25", "--out", tmp_path / "out", "--json"),
        )
    )
    assert found["cutouts"] == 2
    image = fits.read(tmp_path / "out" / "a_field_0_0_30_20.fits")
    assert image.bands == ("g", "r")
    assert image.pixels.shape == (2, 20, 30)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "o"], "give one of --catalog, --detect, --mask and --box"),
        (["--detect", "--box", "1,2,3,4", "--out", "o"], "give one of --catalog"),
        (["--detect"], "give either --out or --collection"),
        (["--detect", "--collection", "sky"], "--collection needs --data"),
        (["--catalog", __file__, "--column", "ra", "--out", "o"], "ROLE=NAME"),
        (["--catalog", "no.csv", "--out", "o"], "no.csv: there is no such file"),
        (
            ["--catalog", "t", "--size", "9", "--column", "size=s", "--out", "o"],
            "give either --size or --column",
        ),
        (["--box", "1,2,3,4", "--blank", "outside", "--out", "o"], "--blank needs"),
        (["--box", "1,2,3,4", "--method", "sep", "--out", "o"], "--method needs"),
        (["--mask", "m", "--min-area", "9", "--out", "o"], "--min-area needs --detect"),
    ],
)
def test_wrong_usage_is_told(field: Path, words: list[str], message: str) -> None:
    result = run("cutouts", field, *words)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--box", "1,2,3"], "bad_box"),
        (["--box", "3,3,1,1"], "bad_box"),
        (["--detect", "--size", "wide"], "bad_size"),
    ],
)
def test_values_without_meaning_are_told(
    field: Path, tmp_path: Path, words: list[str], reason: str
) -> None:
    result = run("cutouts", field, *words, "--out", tmp_path / "o")
    assert isinstance(result.exception, SkylikeError)
    assert result.exception.reason == reason


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    field: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    result = run("cutouts", field, "--detect", "--out", tmp_path / "taken" / "o")
    assert isinstance(result.exception, SkylikeError)
    assert result.exception.reason == "bad_folder"


def test_inspect_tells_what_would_be_read_and_shows_it(
    field: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "preview.png"
    found = facts(run("inspect", field, "--json", "--preview", picture))
    assert (found["read"], found["axes"], found["shape"]) == (
        "0",
        "image",
        [1, 240, 300],
    )
    assert found["pixel_scale_arcsec"] == pytest.approx(0.36)
    assert found["hdus"][0]["kind"] == "image"
    assert found["is_mirrored"] is False
    with Picture.open(picture) as shown:
        assert shown.size == (768, 614)
        levels = np.asarray(shown)
    # The first row is below: the source at y = 180 is above the one at y = 50.
    row, column = (239 - 180) * 768 // 300, 90 * 768 // 300
    assert levels[row, column] > 200
    text = run("inspect", field).stdout
    assert "pixel_scale_arcsec   0.36" in text


def test_inspect_lists_the_units_of_a_file_that_cannot_be_read(
    tmp_path: Path, sky: SimpleNamespace
) -> None:
    path = tmp_path / "cube.fits"
    path.write_bytes(sky.to_fits(np.zeros((3, 20, 20), "f4")))
    result = run("inspect", path, "--json")
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert found["error"]["reason"] == "axis_ambiguous"
    assert found["hdus"][0]["shape"] == [3, 20, 20]
    found = facts(run("inspect", path, "--axis-kind", "bands", "--json"))
    assert found["bands"] == ["1", "2", "3"]


def test_limits_are_options_and_settings(field: Path) -> None:
    assert run("inspect", field, "--max-pixels", "1000").exit_code == 2
    result = CliRunner().invoke(
        main, ["inspect", str(field)], env={"SKYLIKE_MAX_PIXELS": "1000"}
    )
    assert result.exit_code == 2
    assert "at most 1000 are read at once" in result.stderr
