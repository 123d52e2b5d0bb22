"""``Client.inspect`` and ``skylike inspect``: a file is looked at."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image as Picture

from skylike.client import Client, ObjectId, errors


def _size(png: bytes) -> tuple[int, int]:
    with Picture.open(io.BytesIO(png)) as picture:
        picture.load()
        return picture.size


def test_a_file_is_looked_at(client: Client, sky: Any, tmp_path: Path) -> None:
    path = tmp_path / "ring.fits"
    path.write_bytes(sky.draw("ring", 3, size=100, BUNIT="Jy", EXPTIME=30.0))
    found = client.inspect(path, collection="sky", side=200, decorations=True)
    assert _size(found.picture_png) == (200, 200)
    assert [(one.index, one.shape, one.is_chosen) for one in found.hdus] == [
        (0, (100, 100), True)
    ]
    assert found.reading is not None
    assert (found.reading.unit, found.reading.flags) == ("Jy", ("RESAMPLED",))
    assert ("EXPTIME", "30.0") in [(one.keyword, one.value) for one in found.facts]
    assert found.scale_bar is not None
    assert found.scale_bar.length_arcsec == 5
    assert found.north_deg is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.high
    assert found.context.asked is not None
    assert found.context.asked.method == "Inspect"
    json.dumps(found.to_dict())
    assert found._repr_png_() == found.picture_png
    found.save(tmp_path / "ring.png")
    assert (tmp_path / "ring.png").read_bytes() == found.picture_png
    with pytest.raises(errors.BadInput) as refused:
        found.save(tmp_path)
    assert refused.value.reason == "io_error"
    other = client.inspect(path, collection="sky", side=200, stretch="linear")
    assert other.picture_png != found.picture_png


def test_an_object_without_a_file_is_shown_by_its_thumbnail(client: Client) -> None:
    found = client.inspect(ObjectId("ring-0"), collection="sky")
    kept = client.get("ring-0", collection="sky").object.thumbnail_png
    assert found.picture_png == kept
    assert found.reading is None
    assert "thumbnail" in found.warnings[0]
    again = client.inspect(object_id="ring-0", collection="sky")
    assert again.picture_png == kept


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"stretch": "cubic"}, "bad_stretch"),
        ({"side": 0}, "bad_side"),
        ({"side": 2000}, "bad_side"),
        ({"plane": -1}, "bad_plane"),
        ({"plane": 7}, "bad_plane"),
    ],
)
def test_a_look_that_cannot_be_taken_says_why(
    client: Client, sky: Any, how: dict[str, Any], reason: str
) -> None:
    with pytest.raises(errors.BadInput) as refused:
        client.inspect(sky.draw(), collection="sky", **how)
    assert refused.value.reason == reason


def test_the_command_tells_and_writes_the_picture(
    skylike: Callable[..., Any], served: SimpleNamespace, sky: Any, tmp_path: Path
) -> None:
    path, png = tmp_path / "ring.fits", tmp_path / "ring.png"
    path.write_bytes(sky.draw("ring", 3, OBJECT="M 1"))
    at = {"SKYLIKE_ADDRESS": served.address}
    done = skylike("inspect", path, "--collection=sky", "--output", png, **at)
    assert done.returncode == 0, done.stderr
    for told in (
        "* HDU 0   image 48 x 48",
        "OBJECT   M 1",
        "north is 0.0",
        "shown from",
    ):
        assert told in done.stdout
    assert _size(png.read_bytes()) == (512, 512)
    done = skylike("inspect", "--id=ring-0", "--collection=sky", "--json", **at)
    told = json.loads(done.stdout)
    assert told["reading"] is None
    assert "thumbnail" in told["warnings"][0]
    for wrong in ((), (path, "--id=ring-0")):
        assert skylike("inspect", *wrong, **at).returncode == 2
    failed = skylike("inspect", path, "--collection=sky", "--plane=9", **at)
    assert failed.returncode == 1
    assert "bad_plane" in failed.stderr
