"""Labels: kinds and quantities by the name of the file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skylike.service.errors import BadSettings
from skylike.trainer.judge.labels import file_stem, read


def test_labels_are_found_by_the_stem_of_the_file(tmp_path: Path) -> None:
    table = pa.table({"path": ["x/a.fits", "b.fits.gz"], "family": ["disc", None]})
    pq.write_table(table, tmp_path / "truth.parquet")
    assert read([tmp_path / "truth.parquet"], "family").kinds == {"a": "disc"}
    (tmp_path / "labels.csv").write_text("file,T\nPGC0002.jpg,3\n")
    assert read([tmp_path / "labels.csv"], "T").kinds == {"PGC0002": "3"}
    assert file_stem("folder/x.fits.gz") == "x"
    assert file_stem("J0123.4+0506.FIT") == "J0123.4+0506"
    (tmp_path / "twice.csv").write_text("file,T\na/x.fits,3\nb/x.fits,4\n")
    with pytest.raises(BadSettings, match="'x' is labelled '4' and otherwise"):
        read([tmp_path / "twice.csv"], "T")


def test_tables_without_labels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name,T\na,3\n")
    with pytest.raises(BadSettings, match="needs a column path, file or id"):
        read([tmp_path / "labels.csv"], "T")
    with pytest.raises(BadSettings, match="no table of labels"):
        read([tmp_path / "gone.parquet"], "T")


def test_quantities_are_known_where_they_are_determined(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "file,T,bar,rank\na.jpg,3,0.5,1\nb.jpg,4,-1,\n"
    )
    found = read([tmp_path / "labels.csv"], "T", undetermined=-1).columns(["b", "a"])
    assert set(found) == {"bar", "rank"}
    np.testing.assert_array_equal(found["bar"], [np.nan, 0.5])
    np.testing.assert_array_equal(found["rank"], [np.nan, 1])
