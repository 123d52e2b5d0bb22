"""A client in another language that has none of our files: Node.js, by reflection."""

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skylike.client import Client
from skylike.service.server.serve import SERVICES

HERE = Path(__file__).parent / "foreign"
Service = Callable[[Path, Path], AbstractContextManager["subprocess.Popen[str]"]]


@pytest.mark.slow
def test_a_node_client_answers_as_ours_does(
    service: Service,
    with_npm: Callable[..., None],
    data: Path,
    sky: SimpleNamespace,
    tmp_path: Path,
) -> None:
    """It learns messages and methods from the server alone, and gets the same numbers."""
    ignore = shutil.ignore_patterns("node_modules")
    foreign = shutil.copytree(HERE, tmp_path / "foreign", ignore=ignore)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund")
    with_npm("npm", "ci", *quiet, cwd=foreign)
    cutout, ready = tmp_path / "new.fits", tmp_path / "ready.json"
    cutout.write_bytes(sky.draw("ring", 77))
    with service(data, ready):
        address = json.loads(ready.read_text())["address"]
        done = subprocess.run(
            ["node", "analyze.mjs", address, "sky", cutout],
            cwd=foreign,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with Client(address) as client:
            ours = client.analyze(cutout, collection="sky", k=5, thumbnails=True)
    told = json.loads(done.stdout)
    assert {*SERVICES, "grpc.health.v1.Health"} <= set(told["services"])
    assert "Analyze" in told["methods"]
    _compare(told["answer"], ours)


def _compare(theirs: Any, ours: Any) -> None:
    """Numbers to the last bit; 64-bit numbers are text in JSON."""
    assert theirs["context"]["model_id"] == ours.context.model_id
    assert (
        int(theirs["context"]["collection_version"]) == ours.context.collection_version
    )
    assert [hit["object"]["id"] for hit in theirs["hits"]] == [h.id for h in ours.hits]
    assert [hit["score"] for hit in theirs["hits"]] == [h.score for h in ours.hits]
    assert [hit["rank"] for hit in theirs["hits"]] == [1, 2, 3, 4, 5]
    assert theirs["reading"]["position"]["ra_deg"] == ours.reading.ra_deg
    assert theirs["cluster"]["best"]["name"] == ours.cluster.name
    assert theirs["cluster"]["exemplar_ids"] == list(ours.cluster.exemplar_ids)
    assert theirs["anomaly"]["p_value"] == ours.anomaly.p_value
    assert theirs["anomaly"]["score"] == ours.anomaly.score
    first = theirs["hits"][0]["object"]
    # protobufjs leaves a map that it learned from a descriptor as the list it is.
    attributes = {entry["key"]: entry["value"] for entry in first["attributes"]}
    assert attributes["kind"]["text"] == "ring"
    assert len(first["thumbnail_png"]) > 100
