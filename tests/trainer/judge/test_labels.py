"""Labels: kinds and quantities of files, by name and folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from skylike.service.errors import BadInput, BadSettings
from skylike.trainer.judge.labels import columns, file_stem, read


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def kinds(table: Path, images: Sequence[str | Path], column: str = "T") -> list[str]:
    found = read([table], column).of([Path(image) for image in images])
    return [one.kind or "" for one in found]


def test_a_row_belongs_to_the_file_of_its_name(tmp_path: Path) -> None:
    table = pa.table({"path": ["x/a.fits", "b.fits.gz"], "family": ["disc", None]})
    pq.write_table(table, tmp_path / "truth.parquet")
    images = ["/elsewhere/a.fits", "/elsewhere/b.fits", "/elsewhere/c.fits"]
    assert kinds(tmp_path / "truth.parquet", images, "family") == ["disc", "", ""]
    pictures = written(tmp_path / "labels.csv", "file,T\nPGC0002.jpg,3\n")
    assert kinds(pictures, ["PGC0002.fits"]) == ["3"]
    assert file_stem("folder/x.fits.gz") == "x"
    assert file_stem("J0123.4+0506.FIT") == "J0123.4+0506"


def test_folders_tell_files_of_one_name_apart(tmp_path: Path) -> None:
    table = written(tmp_path / "twice.csv", "file,T\na/x.fits,3\nb/x.fits,4\n")
    assert kinds(table, ["/there/b/x.fits", "/there/a/x.fits"]) == ["4", "3"]
    one = written(tmp_path / "one.csv", "file,T\na/x.fits,3\n")
    assert kinds(one, ["/there/b/x.fits", "/there/a/x.fits"]) == ["", "3"]


def test_what_folders_do_not_tell_apart_is_refused(tmp_path: Path) -> None:
    table = written(tmp_path / "twice.csv", "file,T\na/x.fits,3\nb/x.fits,4\n")
    with pytest.raises(BadSettings, match=r"labelled '3', or .* labelled '4'"):
        kinds(table, ["/there/x.fits"])
    plain = written(tmp_path / "plain.csv", "file,T\nx,3\n")
    with pytest.raises(
        BadSettings, match=r"'.*x' may be /there/a/x.fits or /there/b/x"
    ):
        kinds(plain, ["/there/a/x.fits", "/there/b/x.fits"])
    alike = written(tmp_path / "alike.csv", "file,T\na/x.fits,3\nb/x.fits,3\n")
    assert kinds(alike, ["/there/x.fits"]) == ["3"]


def test_parts_of_a_file_have_labels_of_their_own(tmp_path: Path) -> None:
    table = written(
        tmp_path / "boxes.csv",
        "path,hdu,x0,y0,x1,y1,T\nm.fits,1,0,0,64,64,a\nm.fits,1,64,0,128,64,b\n",
    )
    images = ["m.fits[1][65:128,1:64]", "m.fits[1][1:64,1:64]", "m.fits"]
    assert kinds(table, images) == ["b", "a", ""]
    whole = written(tmp_path / "whole.csv", "path,T\nm.fits,a\nn.fits[sci],b\n")
    assert kinds(whole, ["m.fits[0]", "n.fits[SCI]"]) == ["a", "b"]


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv"])
def test_names_and_kinds_stay_as_they_are_written(tmp_path: Path, name: str) -> None:
    between = "," if name.endswith(".csv") else "\t"
    rows = [["id", "T", "bar"], ["0001", "007", "01"], ["0010", "1e3", "2"]]
    table = written(tmp_path / name, "\n".join(between.join(row) for row in rows))
    assert kinds(table, ["0001.fits", "0010.fits", "1.fits"]) == ["007", "1e3", ""]


@pytest.mark.parametrize(
    ("name", "form"),
    [("labels.ecsv", "ascii.ecsv"), ("labels.vot", "votable"), ("labels.fits", "fits")],
)
def test_labels_come_in_every_format_of_tables(
    tmp_path: Path, name: str, form: str
) -> None:
    table = Table({"path": ["a.fits", "b.fits"], "T": ["x", "y"]})
    table.write(tmp_path / name, format=form)
    assert kinds(tmp_path / name, ["b.fits", "a.fits"]) == ["y", "x"]


def test_nothing_and_nan_are_no_kinds(tmp_path: Path) -> None:
    text = "file,T\na,\nb,nan\nc,NaN\nd, \ne,none\n"
    images = [f"{name}.fits" for name in "abcde"]
    assert kinds(written(tmp_path / "l.csv", text), images) == ["", "", "", "", "none"]
    table = pa.table({"path": ["a", "b", "c"], "T": [1.5, float("nan"), None]})
    pq.write_table(table, tmp_path / "l.parquet")
    assert kinds(tmp_path / "l.parquet", images) == ["1.5", "", "", "", ""]


def test_later_tables_go_first(tmp_path: Path) -> None:
    old = written(tmp_path / "old" / "l.csv", "file,T,bar\nx,3,0.5\ny,3,0.5\n")
    new = written(tmp_path / "new" / "l.csv", "file,T,rank\nx,4,2\n")
    x, y = read([old, new], "T").of([Path("x.fits"), Path("y.fits")])
    assert (x.kind, dict(x.quantities)) == ("4", {"bar": 0.5, "rank": 2})
    assert (y.kind, dict(y.quantities)) == ("3", {"bar": 0.5})


def test_tables_that_are_none_are_refused(tmp_path: Path) -> None:
    nameless = written(tmp_path / "labels.csv", "name,T\na,3\n")
    with pytest.raises(BadSettings, match="needs a column path, file or id"):
        read([nameless], "T")
    with pytest.raises(BadInput, match="cannot be read"):
        read([tmp_path / "gone.parquet"], "T")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("file,T\na,\u00e9toile\n".encode("latin-1"))
    with pytest.raises(BadInput, match="cannot be read"):
        read([latin], "T")


def test_quantities_are_known_where_they_are_determined(tmp_path: Path) -> None:
    table = written(
        tmp_path / "labels.csv", "file,T,bar,rank\na.jpg,3,0.5,1\nb.jpg,4,-1,\n"
    )
    known = read([table], "T", undetermined=-1).of([Path("b.fits"), Path("a.fits")])
    found = columns(known)
    assert set(found) == {"bar", "rank"}
    np.testing.assert_array_equal(found["bar"], [np.nan, 0.5])
    np.testing.assert_array_equal(found["rank"], [np.nan, 1])
