"""Labels: kinds and quantities of files, by name and folder."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from skylike.service.errors import BadInput, BadSettings
from skylike.trainer.judge.labels import read


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def kinds(table: Path, images: Sequence[str | Path], column: str = "T") -> list[str]:
    found = read([table], column).of([Path(image) for image in images])
    return [kind or "" for kind in found.kinds]


def quantity(table: Path, images: Sequence[str], name: str = "bar") -> list[float]:
    found = read([table], "T").of([Path(image) for image in images])
    values: list[float] = found.quantities[name].tolist()
    return values


def test_a_row_belongs_to_the_file_of_its_name(tmp_path: Path) -> None:
    table = pa.table({"path": ["x/a.fits", "b.fits.gz"], "family": ["disc", None]})
    pq.write_table(table, tmp_path / "truth.parquet")
    images = ["/elsewhere/a.fits", "/elsewhere/b.fits", "/elsewhere/c.fits"]
    assert kinds(tmp_path / "truth.parquet", images, "family") == ["disc", "", ""]
    pictures = written(tmp_path / "labels.csv", "file,T\nPGC0002.jpg,3\n")
    assert kinds(pictures, ["PGC0002.fits"]) == ["3"]
    dots = written(tmp_path / "dots.csv", "id,T\nJ0123.4+0506,3\n")
    assert kinds(dots, ["J0123.4+0506.FIT", "J0123.4+0507.fits.gz"]) == ["3", ""]


def test_folders_tell_files_of_one_name_apart(tmp_path: Path) -> None:
    table = written(tmp_path / "twice.csv", "file,T\na/x.fits,3\nb/x.fits,4\n")
    assert kinds(table, ["/there/b/x.fits", "/there/a/x.fits"]) == ["4", "3"]
    one = written(tmp_path / "one.csv", "file,T\na/x.fits,3\n")
    assert kinds(one, ["/there/b/x.fits", "/there/a/x.fits"]) == ["", "3"]


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_a_file_without_a_label_takes_nobody_elses(tmp_path: Path, turn: int) -> None:
    table = written(tmp_path / "l.csv", "file,T\na/sci.fits,3\nb/sci.fits,4\n")
    images = ["/there/a/sci.fits", "/there/b/sci.fits", "/there/c/sci.fits"]
    expected = ["3", "4", ""]
    images, expected = images[turn:] + images[:turn], expected[turn:] + expected[:turn]
    assert kinds(table, images) == expected
    gone = written(tmp_path / "gone.csv", "file,T\na/sci.fits,3\nd/sci.fits,4\n")
    assert kinds(gone, ["/there/a/sci.fits", "/there/c/sci.fits"]) == ["3", ""]


def test_the_file_that_a_table_names_goes_before_all_others(tmp_path: Path) -> None:
    table = written(tmp_path / "a" / "l.csv", "file,T\nx.fits,3\nx.fits.gz,4\n")
    images = [tmp_path / "b" / "x.fits", tmp_path / "a" / "x.fits"]
    assert kinds(table, [*images, tmp_path / "a" / "x.fits.gz"]) == ["", "3", "4"]
    namesake = written(tmp_path / "test" / "l.csv", "id,T\nx,3\n")
    with pytest.raises(BadSettings, match=r"may be /train/x.fits or /test/x.fits"):
        kinds(namesake, ["/train/x.fits", "/test/x.fits"])


def test_what_folders_do_not_tell_apart_is_refused(tmp_path: Path) -> None:
    table = written(tmp_path / "twice.csv", "file,T\na/x.fits,3\nb/x.fits,4\n")
    with pytest.raises(BadSettings, match=r"it says '3' and '4', in the rows of a/x"):
        kinds(table, ["/there/x.fits"])
    plain = written(tmp_path / "plain.csv", "file,T\nx,3\n")
    with pytest.raises(BadSettings, match=r"'x' may be /there/a/x.fits or /there/b/x"):
        kinds(plain, ["/there/a/x.fits", "/there/b/x.fits"])


def test_rows_of_one_image_are_joined_unless_they_disagree(tmp_path: Path) -> None:
    alike = written(tmp_path / "alike.csv", "file,T,bar\na/x,3,0.1\nb/x,,\nb/x,3,\n")
    assert kinds(alike, ["/there/x.fits"]) == ["3"]
    assert quantity(alike, ["/there/x.fits"]) == [0.1]
    other = written(tmp_path / "other.csv", "file,T,bar\na/x,3,0.1\nb/x,3,0.9\n")
    with pytest.raises(BadSettings, match=r"says '0.1' and '0.9'"):
        quantity(other, ["/there/x.fits"])


def test_a_row_that_names_nothing_labels_nothing(tmp_path: Path) -> None:
    table = written(tmp_path / "M31" / "l.csv", "path,T\n,x\nq.fits,y\n")
    assert kinds(table, ["/there/M31.fits", "/there/q.fits"]) == ["", "y"]


def test_parts_of_a_file_have_labels_of_their_own(tmp_path: Path) -> None:
    table = written(
        tmp_path / "boxes.csv",
        "path,hdu,x0,y0,x1,y1,T\nm.fits,1,0,0,64,64,a\nm.fits,1,64,0,128,64,b\n",
    )
    images = ["m.fits[1][65:128,1:64]", "m.fits[1][1:64,1:64]", "m.fits"]
    assert kinds(table, images) == ["b", "a", ""]
    whole = written(tmp_path / "whole.csv", "path,T\nm.fits,a\nn.fits[sci],b\n")
    assert kinds(whole, ["m.fits[0]", "n.fits[SCI]"]) == ["a", "b"]
    single = written(tmp_path / "single.csv", "path,hdu,T\nm.fits,0,a\nn.fits,1,b\n")
    assert kinds(single, ["m.fits", "n.fits"]) == ["a", "b"]
    names = written(tmp_path / "ids.csv", "id,T\nM31 [HST],a\nM31[a][b],b\n")
    assert kinds(names, ["M31 [HST].fits", "M31[a][b].fits"]) == ["a", "b"]
    with pytest.raises(BadSettings, match="part of the file"):
        kinds(whole, ["m.fits[0]", "m.fits[1]"])


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv"])
def test_names_and_kinds_stay_as_they_are_written(tmp_path: Path, name: str) -> None:
    between = "," if name.endswith(".csv") else "\t"
    rows = [["id", "T", "bar"], ["0001", "007", "01"], ["0010", "1e3", "2"]]
    table = written(tmp_path / name, "\n".join(between.join(row) for row in rows))
    assert kinds(table, ["0001.fits", "0010.fits", "1.fits"]) == ["007", "1e3", ""]


def test_columns_are_known_in_any_case_and_behind_a_mark_of_order(
    tmp_path: Path,
) -> None:
    images = ["0001.fits", "1.fits"]
    for head in ("ID,T", "Filename,T", "\ufeffid,T", "ID,id,T"):
        more = ",9" if head == "ID,id,T" else ""
        table = written(tmp_path / "l.csv", f"{head}\n0001{more},007\n")
        assert kinds(table, images) == ["007", ""], head
    survey = written(tmp_path / "s.csv", "id,source,T\na,SDSS,x\n")
    assert kinds(survey, ["a.fits", "SDSS.fits"]) == ["x", ""]
    assert kinds(survey, ["a.fits"], "source") == ["SDSS"]


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
    known = read([old, new], "T").of([Path("x.fits"), Path("y.fits")])
    assert known.kinds == ["4", "3"]
    np.testing.assert_array_equal(known.quantities["bar"], [0.5, 0.5])
    np.testing.assert_array_equal(known.quantities["rank"], [2, np.nan])


def test_many_files_of_one_name_take_no_time(tmp_path: Path) -> None:
    rows = [f"{i}/sci.fits,x" for i in range(20_000)]
    table = written(tmp_path / "l.csv", "\n".join(["file,T", *rows]))
    images = [f"/there/{i}/sci.fits" for i in range(10_000, 30_000)]
    began = time.monotonic()
    assert kinds(table, images) == ["x"] * 10_000 + [""] * 10_000
    assert time.monotonic() - began < 20


def test_tables_that_are_none_are_refused(tmp_path: Path) -> None:
    nameless = written(tmp_path / "labels.csv", "name,T\na,3\n")
    with pytest.raises(BadSettings, match="needs a column that names the images"):
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
    assert set(known.quantities) == {"bar", "rank"}
    np.testing.assert_array_equal(known.quantities["bar"], [np.nan, 0.5])
    np.testing.assert_array_equal(known.quantities["rank"], [np.nan, 1])
