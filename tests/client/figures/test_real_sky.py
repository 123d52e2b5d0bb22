"""Every figure of real images, of many instruments."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skylike.client import Client, figures
from skylike.client.figures import Paper
from skylike.service import indexer
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.service.sources import find_sources

ZOO = Path(__file__).parents[4] / "shared" / "data" / "fits"
OBJECTS = (
    "stamps",
    "candels*",
    "m86*",
    "gc_2mass*",
    "hst_acs*",
    "dss*",
    "msx*",
    "bolo*",
)
QUERY = ZOO / "m51_B_int16.fits"

pytestmark = [
    pytest.mark.skipif(
        not ZOO.is_dir(), reason="the collection of real files is not here"
    ),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def real(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service whose collection is of real images."""
    data = tmp_path_factory.mktemp("real") / "data"
    places = [path for pattern in OBJECTS for path in sorted(ZOO.glob(pattern))]
    with Library(data) as library:
        library.create("real", model)
        collection = library.collection("real")
        encoder = library.encoder_of(collection)
        indexer.index(collection, encoder, find_sources(places))
        collection.fit()
        settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
        with Server(Engine(library), settings) as server:
            server.ready()
            with Client(server.address, timeout=120) as client:
                yield client


def _is_drawn(paper: Paper, folder: Path) -> None:
    paper.write(folder / "figure.png", dpi=100)
    with Image.open(folder / "figure.png") as png:
        levels = np.asarray(png.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(levels, axis=0)) > 100
    assert (levels != 255).any(axis=1).mean() > 0.02


def test_maps_components_and_sheets(real: Client, tmp_path: Path) -> None:
    sample = figures.gather(real)
    assert len(sample.objects) > 25
    _is_drawn(figures.thumbnail_map(sample, perplexity=8), tmp_path)
    components = figures.components(sample)
    assert set(components.numbers["measured_on"].values()) == {"pixels"}
    _is_drawn(components, tmp_path)
    _is_drawn(figures.clusters(real), tmp_path)
    _is_drawn(figures.anomalies(real), tmp_path)


def test_a_query_beside_its_nearest_in_their_own_units(
    real: Client, tmp_path: Path
) -> None:
    paper = figures.similar(real, str(QUERY))
    panels = paper.numbers["panels"]
    assert panels[0]["name"] == QUERY.name
    assert all(one["low"] < one["high"] for one in panels)
    assert len(panels) == 7
    _is_drawn(paper, tmp_path)


def test_curves_of_a_training_on_real_images(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        "steps = 6\nbatch = 8\ncheckpoint_steps = 2\n[network]\nwidth = 8\n"
    )
    isolated = ["-I"] if sys.flags.isolated else []
    command = ["-m", "skylike.trainer", "train", ZOO / "stamps"]
    command += ["--out", tmp_path / "run", "--config", recipe]
    subprocess.run(
        [sys.executable, *isolated, *map(str, command)],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    paper = figures.training(tmp_path / "run")
    assert paper.numbers["num_checkpoints"] == 3
    paper.write(tmp_path / "curves.pdf")
