"""Why something is odd, as the client and the command line tell it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skylike.client import Client


@pytest.fixture
def board(tmp_path: Path, sky: SimpleNamespace) -> Path:
    """A checkerboard of which some rows are missing."""
    pixels = 50.0 * ((np.indices((32, 32)) // 4).sum(axis=0) % 2)
    pixels[:4] = np.nan
    noise = np.random.default_rng(0).normal(0, 1, pixels.shape)
    path = tmp_path / "board.fits"
    path.write_bytes(sky.to_fits(pixels + noise))
    return path


def test_an_anomaly_comes_with_its_reasons(
    client: Client, served: SimpleNamespace, board: Path
) -> None:
    found = client.anomaly(board, collection="sky")
    parts = {one.name: one for one in found.anomaly.parts}
    assert parts["mean_distance"].percentile == 100
    assert parts["kth_distance"].score >= parts["mean_distance"].score
    assert found.nearest_cluster is not None
    kind = client.cluster(board, collection="sky").cluster
    assert found.nearest_cluster.name == kind.name
    assert found.nearest_cluster.probability == kind.probability
    [told] = found.outstanding
    assert (told.name, told.archive_median) == ("valid_fraction", 1)
    assert told.archive_z is not None
    assert told.archive_z < -3
    assert "EDGE" in found.flags
    assert found.to_dict()["outstanding"][0]["name"] == "valid_fraction"
    assert client.analyze(board, collection="sky").anomaly is not None
    assert client.collection("sky").nuisances == served.engine.describe("sky").nuisances


def test_the_command_line_tells_the_reasons(
    skylike: Callable[..., Any], served: SimpleNamespace, board: Path
) -> None:
    options = ("--collection=sky", f"--address={served.address}")
    done = skylike("anomaly", board, *options)
    assert done.returncode == 0, done.stderr
    for words in (
        "isolation forest",
        "nearest cluster: cluster ",
        "stands out: valid_fraction 0.875; neighbours 1 (-",
        "flags: EDGE",
    ):
        assert words in done.stdout
    listed = skylike("anomalies", "--controlled", *options)
    assert listed.returncode != 0
    assert "not_controlled" in listed.stderr
