"""The short form of `make soak`."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import draw, write_model
from tests.soak.questions import Truth

from skylike.v1 import search_pb2, types_pb2

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_read_fails_while_collections_are_filled_and_switched() -> None:
    """Half a minute of reads, writes and switches; memory and open files stay."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.soak.run", "--seconds", "30"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed, failed = run.stdout.splitlines()[-1].split(", ")
    assert int(passed.removesuffix(" passed")) > 500
    assert failed == "0 failed"
    assert "'switch': " in run.stderr
    assert "'reindex': " in run.stderr


def test_work_of_a_model_that_is_not_the_named_one_is_seen(tmp_path: Path) -> None:
    """In a vector, and in the order of what was found."""
    models = [write_model(tmp_path / f"{seed}.onnx", seed=seed) for seed in (0, 1)]
    archive = tmp_path / "archive"
    archive.mkdir()
    for number in range(30):
        (archive / f"{number}.fits").write_bytes(draw("ring", number))
    cutout = draw("long")
    truth = Truth.of(models, [cutout], archive, tmp_path / "aside")
    one, other = truth.cutouts
    for made_by in (one, other):
        vector = truth.cutouts[made_by][cutout]
        files = truth.survey[made_by]
        found = sorted((float(vector @ files[name]), name) for name in files)[:-11:-1]
        hits = [
            types_pb2.Hit(object=types_pb2.Object(id=name), score=score)
            for score, name in found
        ]
        embedded = types_pb2.Vector(packed=vector.astype("<f4").tobytes())
        context = types_pb2.Context(model_id=one)
        is_right = made_by == one
        embed = search_pb2.EmbedResponse(context=context, vector=embedded)
        assert truth.is_vector(embed, cutout) is is_right
        neighbors = search_pb2.NeighborsResponse(context=context, hits=hits)
        assert truth.is_nearest(neighbors, cutout) is is_right
