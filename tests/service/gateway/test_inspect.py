"""A look at files and objects, over HTTP."""

import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image as Picture
from tests.service.gateway.conftest import problem_in

from skylike.service.engine import CutoutQuery, Engine, View
from skylike.service.fits import Limits
from skylike.service.library import Library

FITS = {"Content-Type": "application/fits"}


def _levels(answer: dict[str, Any]) -> NDArray[np.uint8]:
    with Picture.open(io.BytesIO(base64.b64decode(answer["picture_png"]))) as picture:
        return np.asarray(picture)


def _look(http: httpx.Client, content: bytes, **how: str) -> dict[str, Any]:
    answer = http.post(
        "/inspect",
        content=content,
        headers=FITS,
        params={"collection": "sky", **how},
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_an_upload_is_shown_with_what_its_headers_say(
    own: httpx.Client, sky: SimpleNamespace
) -> None:
    cards = {"EXPTIME": (30.0, "seconds"), "BUNIT": "Jy/beam", "OBJECT": "M 1"}
    found = _look(own, sky.draw("ring", 4, size=100, **cards), side="200")
    assert _levels(found).shape == (200, 200)
    assert found["context"]["collection"] == "sky"
    assert found["hdus"] == [
        {
            "index": 0,
            "name": "",
            "kind": "image",
            "shape": ["100", "100"],
            "is_chosen": True,
        }
    ]
    assert found["reading"]["unit"] == "Jy/beam"
    assert found["reading"]["flags"] == ["RESAMPLED"]
    assert {"keyword": "EXPTIME", "value": "30.0", "comment": "seconds"} in found[
        "facts"
    ]
    assert found["planes"] == 1
    assert 0 < found["low"] < 7 < 90 < found["high"]
    assert found["scale_bar"]["length_arcsec"] == 5
    assert found["scale_bar"]["length_pixels"] == pytest.approx(50)
    assert found["north_deg"] % 360 == pytest.approx(0, abs=0.01)
    assert found["east_deg"] == pytest.approx(90, abs=0.01)
    plain = _look(own, sky.draw("ring", 4, position=None))
    assert "north_deg" not in plain
    assert "scale_bar" not in plain
    assert _levels(plain).shape == (256, 256)


def test_stretch_plane_and_decorations_are_chosen(
    own: httpx.Client, sky: SimpleNamespace
) -> None:
    random = np.random.default_rng(1)
    cube = random.normal(5, 1, (3, 80, 80)) * np.array([1, 10, 100])[:, None, None]
    content = sky.bands(cube, "gri")
    colour = _look(own, content)
    assert _levels(colour).shape == (256, 256, 3)
    assert colour["planes"] == 3
    assert colour["reading"]["shape"] == [3, 80, 80]
    highs = [_look(own, content, plane=str(plane))["high"] for plane in range(3)]
    assert highs[1] == pytest.approx(10 * highs[0], rel=0.1)
    assert highs[2] == pytest.approx(100 * highs[0], rel=0.1)
    assert colour["high"] == pytest.approx(np.mean(highs))
    # A model of one channel refuses bands, which is told instead of an error.
    assert "cannot be asked about" in colour["reading"]["warnings"][-1]
    names = ("ASINH", "LINEAR", "SQUARE_ROOT", "LOGARITHM", "HISTOGRAM")
    one = sky.draw("round", 3)
    shown = {
        name: _look(own, one, stretch=f"STRETCH_{name}")["picture_png"]
        for name in names
    }
    assert len(set(shown.values())) == len(names)
    assert shown["ASINH"] == _look(own, one)["picture_png"]
    drawn = _look(own, one, decorations="true")
    assert drawn["picture_png"] != shown["ASINH"]
    bare = sky.draw("round", 3, position=None)
    assert (
        _look(own, bare, decorations="true")["picture_png"]
        == _look(own, bare)["picture_png"]
    )


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"plane": "1"}, "BAD_PLANE"),
        ({"plane": "4000000000"}, "BAD_PLANE"),
        ({"side": "1025"}, "BAD_SIDE"),
        ({"stretch": "77"}, "BAD_STRETCH"),
        ({"stretch": "STRANGE"}, "BAD_JSON"),
        ({"hdu": "5"}, "HDU_NOT_FOUND"),
    ],
)
def test_what_cannot_be_shown_is_a_problem(
    own: httpx.Client, sky: SimpleNamespace, how: dict[str, str], reason: str
) -> None:
    params = {"collection": "sky", **how}
    answer = own.post("/inspect", content=sky.draw(), headers=FITS, params=params)
    assert problem_in(answer)["reason"] == reason


@pytest.mark.parametrize(
    "query",
    [{"vector": {"values": [1.0] * 24}}, {"examples": {"like_ids": ["ring-0"]}}, {}],
)
def test_only_files_and_objects_can_be_looked_at(
    own: httpx.Client, query: dict[str, Any]
) -> None:
    answer = own.post("/inspect", json={"collection": "sky", "query": query})
    assert problem_in(answer)["reason"] == "EMPTY_QUERY"


def test_an_object_is_shown_from_its_file_or_else_by_its_thumbnail(
    own: httpx.Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    inside, outside = tmp_path / "a[1].fits", tmp_path.parent / "outside.fits"
    pixels = np.zeros((90, 120), np.float32)
    pixels[20:60, 70:110] = fits.getdata(io.BytesIO(sky.draw("ring", 9)))[:40, :40]
    for path in (inside, outside):
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI")]
        fits.HDUList(hdus).writeto(path, overwrite=True)
    link = tmp_path / "link.fits"
    link.symlink_to(outside)
    thumbnail = own.get("/thumbnail", params={"collection": "sky", "id": "ring-0"})
    for id, uri in (
        ("inside", str(inside)),
        ("outside", str(outside)),
        ("link", str(link)),
        ("gone", str(tmp_path / "gone.fits")),
        ("far", "s3://bucket/x.fits"),
        ("zero", "/a\0b"),
    ):
        source = {"uri": uri, "hdu": "1 (SCI)", "box": [70, 20, 110, 60]}
        content = base64.b64encode(sky.draw("ring", 9)).decode()
        new = {"id": id, "cutout": {"fits": content}, "source": source}
        added = own.post("/objects", json={"collection": "sky", "objects": [new]})
        assert added.status_code == 200, added.text
        body = {"collection": "sky", "query": {"object_id": id}, "side": 40}
        answer = own.post("/inspect", json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        if id == "inside":
            assert found["warnings"] == []
            assert [one["is_chosen"] for one in found["hdus"]] == [False, True]
            assert found["reading"]["shape"] == [1, 40, 40]
            assert _levels(found).shape == (40, 40)
            assert np.ptp(_levels(found)) == 255
        else:
            assert "thumbnail is shown" in found["warnings"][0]
            assert "reading" not in found
            assert "high" not in found
            assert found["hdus"] == found["facts"] == []
            assert _levels(found).shape == (48, 48)
    answer = own.post(
        "/inspect", json={"collection": "sky", "query": {"object_id": "ring-0"}}
    ).json()
    assert base64.b64decode(answer["picture_png"]) == thumbnail.content
    place = {"position": {"ra_deg": 150.0, "dec_deg": 4.0}}
    by_place = own.post(
        "/inspect", json={"collection": "sky", "query": {"sky": place}}
    ).json()
    assert by_place["picture_png"] == answer["picture_png"]
    unknown = own.post(
        "/inspect", json={"collection": "sky", "query": {"object_id": "nobody"}}
    )
    assert problem_in(unknown)["reason"] == "UNKNOWN_ID"


@pytest.mark.parametrize(
    ("pixels", "flags", "fraction"),
    [
        (np.full((1, 1), 5.0), ["CONSTANT"], 1.0),
        (np.full((40, 40), 5.0), ["CONSTANT", "RESAMPLED"], 1.0),
        (np.full((40, 40), np.nan), ["MASKED"], 0.0),
        (np.full((1, 5000), np.nan), ["MASKED"], 0.0),
    ],
)
def test_nothing_to_see_is_shown_flat_with_its_flags(
    own: httpx.Client,
    sky: SimpleNamespace,
    pixels: Any,
    flags: list[str],
    fraction: float,
) -> None:
    found = _look(own, sky.to_fits(pixels), decorations="true", side="100")
    assert not _levels(found).any()
    assert found["reading"]["flags"] == flags
    assert found["reading"]["valid_fraction"] == fraction
    assert found.get("low") == found.get("high")


def test_hostile_headers_are_told_as_plain_lines(
    own: httpx.Client, sky: SimpleNamespace
) -> None:
    """4 MB of cards; script, escapes and controls in those that are shown."""
    content = sky.draw("ring", 1, OBJECT="<script>x</script>", TELESCOP="aaaa")
    content = content.replace(b"'aaaa", b"'\x1b[3\x9b")
    filler = b"".join(f"HIERARCH K{i} = {i}".encode().ljust(80) for i in range(52_000))
    at = content.index(b"END" + b" " * 77)
    header = content[:at] + filler + content[at : at + 80]
    header += b" " * (-len(header) % 2880)
    data = content[(at // 2880 + 1) * 2880 :]
    found = _look(own, header + data)
    facts = {one["keyword"]: one["value"] for one in found["facts"]}
    assert facts["OBJECT"] == "<script>x</script>"
    assert facts["TELESCOP"] == "[3"
    for one in found["facts"]:
        assert all(text.isprintable() for text in one.values())
        assert max(map(len, one.values())) <= 200
    assert _levels(found).shape == (256, 256)


def test_a_large_file_is_looked_at_here_and_there(
    data: Path, sky: SimpleNamespace
) -> None:
    """More pixels than are read at once; it says so."""
    pixels = np.zeros((300, 400), np.float32)
    pixels[200:, :100] = 9
    with Library(data) as library:
        engine = Engine(library, Limits(pixels=10_000))
        found = engine.look("sky", CutoutQuery(sky.to_fits(pixels)), View(side=40))
    assert found.reading is not None
    assert found.reading.shape == (1, 300, 400)
    assert "not all were looked at" in found.reading.warnings[-1]
    with Picture.open(io.BytesIO(found.png)) as picture:
        grey = np.asarray(picture)
    assert grey.shape == (30, 40)
    assert (grey[:10, :10] == 255).all()
    assert not grey[10:].any()
