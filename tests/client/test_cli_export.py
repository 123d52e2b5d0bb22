"""``--out``: answers of the command line as files."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import pandas as pd
import pytest
from astropy.table import QTable
from pyarrow import parquet

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
    assert set(table["kind"].filled("")) == {"long", ""}
    assert table["anomaly_percentile"].min() >= 0
    assert table.meta["collection"] == "sky"
    assert table.meta["cluster_fit_version"]

    about = ("--at", "150", "2", "--like", "long-1", "--like=long-2", "--unlike=ring-1")
    frame = pd.read_csv(export("csv", "neighbors", *about, "--collection=sky", "-k2"))
    assert list(frame["query"]) == ["150 +2"] * 2 + ["long-1, long-2"] * 2
    for command in ("cluster", "anomaly"):
        written = export("parquet", command, files[0], "--collection=sky")
        assert parquet.read_table(written).num_rows == 1


def test_listings_are_exported(export: Callable[..., Path]) -> None:
    """Objects, collections, aliases, clusters; none are a table too."""
    sky = "--collection=sky"
    written = export("parquet", "objects", "list", sky, "--filter=number < 2")
    assert parquet.read_table(written)["object_id"].to_pylist() == [
        *("round-0", "round-1", "long-0", "long-1", "ring-0", "ring-1"),
    ]
    marks = export("reg", "objects", "get", "ring-1", "long-1", sky).read_text()
    assert marks.count("point(") == 2
    none = export("csv", "objects", "list", sky, "--filter=number > 99").read_text()
    assert none.startswith("object_id,ra,dec,")
    assert len(pd.read_csv(export("csv", "clusters", sky))) > 1
    for noun in ("collections", "aliases", "jobs"):
        assert len(export("vot", noun, "list").read_bytes()) > 500


def test_a_file_that_cannot_be_written_is_told(
    skylike: Run, served: SimpleNamespace, tmp_path: Path
) -> None:
    path = tmp_path / "no" / "where.csv"
    done = skylike(
        *("objects", "list", "--collection=sky", "--out", path),
        SKYLIKE_ADDRESS=served.address,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path} cannot be written: ")
