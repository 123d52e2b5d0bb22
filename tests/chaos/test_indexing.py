"""Bulk indexing, killed at random moments and started again.

KILLS=20 SEED=1 for a long run, as `make chaos` does.
"""

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from skylike.service.collection import SkyObject
from skylike.service.library import Library

KILLS = int(os.environ.get("KILLS", "6"))
SEED = int(os.environ.get("SEED", "0"))
EDGES = "x0", "y0", "x1", "y1"
SHARD = 64
NUM_IMAGES = 2 * SHARD * KILLS
RUN = """
import sys
from pathlib import Path
from skylike.service.indexer import files, tabled
from skylike.service.library import Library
from skylike.service.sources import find_sources

if __name__ == "__main__":
    data, archive, rejects = map(Path, sys.argv[2:])
    files._SHARD = int(sys.argv[1])
    with Library(data) as library:
        sky = library.collection("sky")
        encoder = library.encoder_of(sky)
        print("begun", flush=True)
        lists = archive / "names.txt", archive / "parts.parquet"
        sources = find_sources([archive, *lists])
        with tabled(rejects) as refused:
            files.index(sky, encoder, sources, refused=refused)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_never_was(
    model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    """The same ids, attributes and rejects, and vectors within 1e-6."""
    archive = tmp_path / "archive"
    archive.mkdir()
    for number in range(NUM_IMAGES):
        drawn = sky.draw(("round", "ring")[number % 2], number, OBJECT=f"M{number}")
        match number % 10:
            case 3:
                (archive / f"{number}.fits").write_bytes(drawn[:4000])
            case 7:
                (archive / f"{number}.fits.gz").write_bytes(gzip.compress(drawn))
            case _:
                (archive / f"{number}.fits").write_bytes(drawn)
    (archive / "names.txt").write_text("20.fits[0]\n20.fits\n./20.fits\n")
    table = {
        "id": [f"part {number % 30}" for number in range(40)],
        "uri": [f"{number % 4 * 10}.fits" for number in range(40)],
        **{
            edge: [number] * 40
            for edge, number in zip(EDGES, (2, 3, 34, 35), strict=True)
        },
    }
    pq.write_table(pa.table(table), archive / "parts.parquet")
    script = tmp_path / "run.py"
    script.write_text(RUN)

    def run(name: str, shards: int | None = None, seconds: float = 0) -> int:
        """Run to the end, or until some more shards are done and some time is over."""
        where = tmp_path / name, archive, tmp_path / f"{name}.parquet"
        command = [sys.executable, *map(str, (script, SHARD, *where))]
        manifest = tmp_path / name / "collections" / "sky" / "indexing.jsonl"
        done = len(manifest.read_bytes().splitlines()) if manifest.exists() else 1
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            if shards is not None:
                while process.poll() is None and (
                    not manifest.exists()
                    or len(manifest.read_bytes().splitlines()) < done + shards
                ):
                    time.sleep(0.001)
                time.sleep(seconds)
                process.kill()
            return process.wait()

    for name in "whole", "killed":
        with Library(tmp_path / name) as library:
            library.create("sky", model)
    assert run("whole") == 0
    random = np.random.default_rng(SEED)
    seen = []
    for _ in range(KILLS):
        run("killed", int(random.integers(3)), random.uniform(0, 0.1))
        with Library(tmp_path / "killed") as library:
            seen.append(len(library.collection("sky")))
    assert run("killed") == 0
    assert seen == sorted(seen)
    assert any(0 < count < NUM_IMAGES * 9 // 10 for count in seen), seen
    killed, whole = (_content(tmp_path, name) for name in ("killed", "whole"))
    assert killed.objects == whole.objects
    assert killed.rejects == whole.rejects
    np.testing.assert_allclose(killed.vectors, whole.vectors, atol=1e-6)


class _Content(NamedTuple):
    """What a run made."""

    objects: dict[str, SkyObject]
    rejects: list[tuple[str, ...]]
    vectors: NDArray[np.float32]


def _content(folder: Path, name: str) -> _Content:
    with Library(folder / name) as library:
        sky = library.collection("sky")
        objects = {
            one.id: sky.get(one.id) for _, one in sky.scroll(limit=NUM_IMAGES + 41)
        }
        vectors = np.stack([sky.vector(id) for id in sorted(objects)])
    table = pq.read_table(folder / f"{name}.parquet").drop_columns(["time"])
    rejects = sorted(tuple(row.values()) for row in table.to_pylist())
    assert len(objects) + len(rejects) == NUM_IMAGES + 1 + 40
    assert len(rejects) == len(range(3, NUM_IMAGES, 10)) + 10
    return _Content(objects, rejects, vectors)
