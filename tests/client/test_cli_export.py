"""``--out``: answers of the command line as files."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from astropy.table import QTable, Table
from pyarrow import parquet

from skylike.client import Client, errors

Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def export(
    skylike: Run, served: SimpleNamespace, tmp_path: Path
) -> Callable[..., Path]:
    """Run a command with ``--out``; gives the file, after checking the exit code."""

    def run(ending: str, *arguments: str | Path, code: int = 0) -> Path:
        path = tmp_path / f"answers.{ending}"
        done = skylike(*arguments, "--out", path, SKYLIKE_ADDRESS=served.address)
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        return path

    return run


def test_questions_are_exported_together(
    export: Callable[..., Path], sky: SimpleNamespace, tmp_path: Path
) -> None:
    """A row for each hit beside what was asked about; what failed says why."""
    files = [tmp_path / "a.fits", tmp_path / "b.fits"]
    files[0].write_bytes(sky.draw("ring", 31))
    files[1].write_bytes(b"GIF89a")
    options = ("--collection=sky", "-k", "3", "--filter", "kind = long")
    path = export("ecsv", "query", *files, "--id=ring-1", *options, code=1)
    table = QTable.read(path, format="ascii.ecsv")
    assert list(table["query"]) == [
        *[str(files[0])] * 3,
        str(files[1]),
        *["ring-1"] * 3,
    ]
    assert table["error"][3] == "not_fits"
    sent = [hashlib.sha256(files[0].read_bytes()).hexdigest()] * 3
    assert list(table["query_sha256"].filled("")) == [*sent, *[""] * 4]
    assert set(table["kind"].filled("")) == {"long", ""}
    assert table["anomaly_percentile"].min() >= 0
    assert table.meta["collection"] == "sky"
    assert table.meta["cluster_fit_version"]

    about = ("--at", "150", "2", "--like", "long-1", "--like=long-2", "--unlike=ring-1")
    frame = pd.read_csv(export("csv", "neighbors", *about, "--collection=sky", "-k2"))
    assert list(frame["query"]) == ["150 +2"] * 2 + ["long-1, long-2"] * 2
    failed = export("csv", "cluster", files[1], "--collection=sky", code=1)
    assert "cluster_probability" in failed.read_text()
    for command in ("cluster", "anomaly"):
        written = export("parquet", command, files[0], "--collection=sky")
        assert parquet.read_table(written).num_rows == 1


def test_listings_are_exported(export: Callable[..., Path]) -> None:
    """Objects, collections, aliases, clusters; none are a table too."""
    sky = "--collection=sky"
    written = export("parquet", "objects", "list", sky, "--filter=number < 2")
    origin = json.loads(parquet.read_schema(written).metadata[b"skylike"])
    assert origin["collection"] == "sky"
    assert parquet.read_table(written)["object_id"].to_pylist() == [
        *("round-0", "round-1", "long-0", "long-1", "ring-0", "ring-1"),
    ]
    marks = export("reg", "objects", "get", "ring-1", "long-1", sky).read_text()
    assert marks.count("point(") == 2
    none = export("csv", "objects", "list", sky, "--filter=number > 99").read_text()
    assert none.startswith("object_id,ra,dec,")
    assert len(pd.read_csv(export("csv", "clusters", "list", sky))) > 1
    for noun in ("collections", "aliases", "jobs"):
        assert len(export("vot", noun, "list").read_bytes()) > 500


def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(
    skylike: Run, tmp_path: Path
) -> None:
    """A folder that is not there, or a directory: wrong usage."""
    (tmp_path / "folder.csv").mkdir()
    for name in ("no/where.csv", "folder.csv"):
        done = skylike("objects", "list", "--out", tmp_path / name)
        assert done.returncode == 2
        assert name in done.stderr


def test_what_was_answered_is_kept_when_a_run_is_stopped(
    served: SimpleNamespace, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """By Ctrl-C, while more files are waited for."""
    path, file = tmp_path / "night.csv", tmp_path / "a.fits"
    file.write_bytes(sky.draw("ring", 31))
    script = "from skylike.client.cli import main; main(prog_name='skylike')"
    isolated = ["-I"] if sys.flags.isolated else []
    command = [sys.executable, *isolated, "-c", script, "many", "--from", "-"]
    options = [f"--address={served.address}", "--collection=sky", "-k2"]
    with subprocess.Popen(
        [*command, *options, "--out", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as running:
        assert running.stdin is not None
        running.stdin.write(f"{file}\n{tmp_path}/none.fits\n")
        # Errors are told at once, and questions are asked in order.
        assert running.stderr is not None
        assert "none.fits" in running.stderr.readline()
        time.sleep(2)
        running.send_signal(signal.SIGINT)
        running.stdin.close()
        assert running.wait(30) == 1
    assert list(pd.read_csv(path)["rank"].fillna(0)) == [1, 2, 0]


@pytest.mark.parametrize("ending", ["npy", "parquet", "csv", "ecsv", "vot"])
def test_embeddings_are_written_as_numbers(
    export: Callable[..., Path],
    client: Client,
    sky: SimpleNamespace,
    tmp_path: Path,
    ending: str,
) -> None:
    """A row for each that was asked about; what failed has none of them."""
    files = [tmp_path / "a.fits", tmp_path / "b.fits"]
    files[0].write_bytes(sky.draw("ring", 31))
    files[1].write_bytes(b"GIF89a")
    ids = ("--id=ring-1", "--collection=sky")
    written = export(ending, "embed", *files, *ids, code=1)
    expected = [
        client.embed(files[0], collection="sky").vector,
        client.embed(object_id="ring-1", collection="sky").vector,
    ]
    if ending == "npy":
        found = np.load(written)
        assert found.dtype == np.float32
    else:
        names = {"csv": "csv", "ecsv": "ascii.ecsv", "vot": "votable"}
        table = (
            parquet.read_table(written).to_pandas()
            if ending == "parquet"
            else Table.read(written, format=names[ending]).to_pandas()
        )
        assert list(table["query"]) == [str(files[0]), str(files[1]), "ring-1"]
        assert table["error"][1] == "not_fits"
        found = table[[name for name in table if name.startswith("embedding_")]]
        found = found.to_numpy(np.float32)
    np.testing.assert_array_equal(found[[0, 2]], expected)
    assert np.isnan(found[1]).all()


def test_only_embeddings_become_arrays(
    client: Client, skylike: Run, tmp_path: Path
) -> None:
    """Of Python too; an embedding alone is one row."""
    path = tmp_path / "kin.npy"
    done = skylike("neighbors", "--id=a", "--out", path)
    assert done.returncode == 2
    assert "only embeddings" in done.stderr
    with pytest.raises(errors.BadInput, match="no embedding in this"):
        client.neighbors(object_id="ring-1", collection="sky").write(path)
    assert not path.exists()
    embedding = client.embed(object_id="ring-1", collection="sky")
    embedding.write(path)
    np.testing.assert_array_equal(np.load(path), [embedding.vector])
