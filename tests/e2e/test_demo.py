"""The demo, in small: the whole way from nothing to answers, as a user runs it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from skylike.service.errors import BadInput, BadSettings
from skylike.trainer import demo
from skylike.trainer.demo import folders

RECIPE = """
steps = 10
batch = 32

[network]
width = 8
dimension = 16
"""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    monkeypatch.setattr("skylike.trainer.demo.demo.RECIPE", recipe)
    for name, count in ("ARCHIVE", 108), ("CALIBRATION", 40), ("ORDINARY", 12), ("ARTEFACTS", 6):  # fmt: skip
        monkeypatch.setattr(folders, f"NUM_{name}", count)


def test_a_simulated_sky_is_learned_indexed_served_and_judged(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    demo.run(out)
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    assert summary["objects"] == 108
    assert 0 < summary["train_seconds"] < summary["seconds"]
    assert 0 < summary["precision_at_10"] <= 1
    assert set(summary["baseline_precision_at_10"]) == {"pca_on_pixels", "random_network", "before_training"}  # fmt: skip
    calibration = summary["calibration"]
    assert calibration["ordinary"]["objects"] == 12
    assert calibration["artefacts"]["objects"] == 6
    assert len(summary["queries"]) == 3
    for query in summary["queries"]:
        assert query["true_class"]
        assert [hit["score"] for hit in query["neighbors"]] == sorted(
            (hit["score"] for hit in query["neighbors"]), reverse=True
        )
        assert len(query["neighbors"]) == 10
        assert query["cluster"]["probability"] > 0
        assert 0 < query["anomaly"]["p_value"] <= 1
    picture = image.imread(out / "similar.png")
    assert picture.shape[1] > 800
    assert np.unique(picture.reshape(-1, picture.shape[-1]), axis=0).shape[0] > 100
    # A second demo in the same place begins anew.
    (out / "similar.png").unlink()
    demo.run(out)
    assert (out / "similar.png").exists()


def test_a_users_own_files_take_the_majority_layout(
    tmp_path: Path, sky: SimpleNamespace
) -> None:
    """Three bands win; single images and broken files are left out, and it says so."""
    source = tmp_path / "mine"
    source.mkdir()
    random = np.random.default_rng(0)
    kinds = ["name,T"]
    for i in range(120):
        kind = ("round", "long", "ring")[i % 3]
        plane = np.frombuffer(sky.draw(kind, i)[-2880 * 4 :], ">f4")[: 48 * 48]
        bands = plane.reshape(48, 48) + random.normal(size=(3, 48, 48))
        (source / f"{i:03}.fits").write_bytes(sky.bands(bands, "irg"))
        kinds.append(f"{i:03}.fits,{kind}")
    (source / "single.fits").write_bytes(sky.draw("round", 999))
    (source / "broken.fits").write_bytes(b"no")
    (tmp_path / "labels.csv").write_text("\n".join(kinds).replace("name", "file", 1))

    summary = demo.run(tmp_path / "demo", source, tmp_path / "labels.csv", "T")
    assert summary["objects"] + summary["rejected"] == round(0.75 * 122)
    assert 0 < summary["precision_at_10"] <= 1
    assert summary["calibration"]["artefacts"] is None
    assert source.exists()
    assert len(list(source.iterdir())) == 122

    (tmp_path / "other.csv").write_text("file,T\nM31,spiral\n")
    with pytest.raises(BadInput, match=r"name 0 of \d+ files.*'\d+\.fits'.*'M31'"):
        demo.run(tmp_path / "demo", source, tmp_path / "other.csv", "T")
    assert not (tmp_path / "demo" / "model.onnx").exists()

    unlabelled = demo.run(tmp_path / "demo", source)
    assert unlabelled["precision_at_10"] is None


def test_a_folder_that_is_no_demo_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadSettings, match="no demo"):
        demo.run(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_too_few_files_are_refused(tmp_path: Path, sky: SimpleNamespace) -> None:
    source = tmp_path / "few"
    source.mkdir()
    (source / "a.fits").write_bytes(sky.draw())
    with pytest.raises(BadInput, match="holds 1 FITS files"):
        demo.run(tmp_path / "demo", source)
