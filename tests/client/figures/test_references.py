"""Every figure looks as it did: against stored pictures, drawn from a simulated sky.

After a change that is meant: REFERENCES=write make test ARGS=tests/client/figures
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.testing.compare import compare_images
from PIL import Image

from skylike.client import Client, Cutout, figures
from skylike.client.figures import Paper, Sample

REFERENCES = Path(__file__).parent / "references"
DPI = 100
TOLERANCE = (
    6.0  # root mean square of levels 0 to 255: other fonts or roundings make 1 to 3
)
LARGEST = 60_000  # bytes

Check = Callable[[Paper], None]


@pytest.fixture
def check(request: pytest.FixtureRequest, tmp_path: Path) -> Check:
    """Compare a figure with its reference, which has the name of the test."""

    def compare(paper: Paper) -> None:
        name = request.node.name.removeprefix("test_").replace("[", "-").strip("]")
        drawn = tmp_path / f"{name}.png"
        paper.write(drawn, dpi=DPI)
        reference = REFERENCES / f"{name}.png"
        if os.environ.get("REFERENCES") == "write":
            with Image.open(drawn) as png:  # as small as it can be
                png.convert("RGB").quantize(256).save(reference, optimize=True)
        assert reference.stat().st_size < LARGEST
        differs = compare_images(str(reference), str(drawn), TOLERANCE)
        assert differs is None, differs

    return compare


def test_map(sample: Sample, check: Check) -> None:
    check(figures.thumbnail_map(sample, layout="pca"))


def test_components(sample: Sample, check: Check) -> None:
    check(figures.components(sample))


def test_similar(
    client: Client, sample: Sample, sky: SimpleNamespace, check: Check
) -> None:
    query = Cutout(sky.draw("ring", 77, BUNIT="Jy/beam"))
    how: dict[str, Any] = {"collection": "sky", "sample": sample, "name": "ring-77"}
    check(figures.similar(client, query, **how, width_mm=88))


def test_clusters(client: Client, check: Check) -> None:
    check(figures.clusters(client, collection="sky"))


def test_anomalies(client: Client, check: Check) -> None:
    check(figures.anomalies(client, collection="sky", num=8))


def test_training(record: Path, check: Check) -> None:
    check(figures.training(record))


def test_a_figure_that_has_changed_is_found(sample: Sample, tmp_path: Path) -> None:
    paper = figures.thumbnail_map(sample, layout="pca", k_sigma=0)
    paper.write(tmp_path / "map.png", dpi=DPI)
    reference = str(REFERENCES / "map.png")
    assert compare_images(reference, str(tmp_path / "map.png"), TOLERANCE) is not None


def test_references_are_small_and_all_of_them_are_used() -> None:
    found = {path.stem for path in REFERENCES.iterdir()}
    drawn = {"map", "components", "similar", "clusters", "anomalies", "training"}
    assert found == drawn


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """What a run tells that learns, and does not collapse."""
    random = np.random.default_rng(0)
    run = tmp_path / "run"
    run.mkdir()
    with (run / "log.jsonl").open("w") as log:
        for step in range(200, 8200, 200):
            noise = random.normal(0, 0.01, 4)
            told = {
                "step": step,
                "loss": 0.1 + np.exp(-step / 1500) + noise[0],
                "held_out_loss": 0.14 + np.exp(-step / 1500) + noise[1],
                "spread": 0.22 - 0.05 * np.exp(-step / 800) + noise[2] / 5,
                "rank": 40 - 20 * np.exp(-step / 2000) + 20 * noise[3],
                "recall": 0.8 - 0.5 * np.exp(-step / 1000),
                "skipped": 0,
            }
            log.write(json.dumps({n: float(v) for n, v in told.items()}) + "\n")
    return run
