"""What bulk jobs read: folders, files, lists, tables of files and boxes."""

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from skylike.service import fits
from skylike.service.errors import BadInput
from skylike.service.sources import find_images, find_sources, within


@pytest.fixture
def folder(tmp_path: Path, sky: SimpleNamespace) -> Path:
    for name in "a.fits", "b.fits":
        (tmp_path / name).write_bytes(sky.draw("round", 1))
    return tmp_path


def test_a_list_names_files_relative_to_itself(folder: Path) -> None:
    names = folder / "names.txt"
    names.write_text(f"# a comment\nb.fits[0]  # its first HDU\n\n{folder}/a.fits\n")
    found = find_images([names])
    assert found == [str(folder / "b.fits[0]"), str(folder / "a.fits")]
    assert [fits.read(name).hdu for name in found] == ["0", "0"]


def test_a_name_with_a_hash_is_no_comment(folder: Path) -> None:
    (folder / "a.fits").rename(folder / "a#1.fits")
    names = folder / "names.txt"
    names.write_text("a#1.fits # with a comment\n#b.fits\n")
    assert find_images([names]) == [str(folder / "a#1.fits")]


def test_a_table_names_files_and_boxes(folder: Path) -> None:
    columns = {
        "uri": ["a.fits", (folder / "b.fits").as_uri(), "a.fits"],
        "hdu": ["0", "0 (SCI)", ""],
        "x0": [0, 10, None],
        "y0": [0, 20, None],
        "x1": [32, 42, None],
        "y1": [16, 36, None],
    }
    pq.write_table(pa.table(columns), folder / "boxes.parquet")
    found = find_images([folder / "boxes.parquet"])
    assert found == [
        str(folder / "a.fits") + "[0][1:32,1:16]",
        str(folder / "b.fits") + "[0][11:42,21:36]",
        str(folder / "a.fits"),
    ]
    image = fits.read(found[1])
    assert image.pixels.shape == (1, 16, 32)
    assert image.box == fits.Box(10, 20, 42, 36)


def test_the_table_of_written_cutouts_names_the_cutouts(folder: Path) -> None:
    columns = {"file": ["a.fits"], "source": ["gone.fits"], "x0": [5], "y0": [5]}
    pa_csv.write_csv(pa.table(columns | {"x1": [9], "y1": [9]}), folder / "cut.csv")
    assert find_images([folder / "cut.csv"]) == [str(folder / "a.fits")]


def test_sources_are_joined_and_images_named_twice_count_once(folder: Path) -> None:
    names = folder / "names.lst"
    names.write_text("a.fits\na.fits\n")
    found = find_images([folder / "b.fits[0]", names, folder])
    assert found == [str(folder / name) for name in ("b.fits[0]", "a.fits", "b.fits")]


def test_a_prefix_stands_before_every_id(folder: Path) -> None:
    """Of what is called by its place, and of what a table names."""
    columns = {"uri": ["a.fits", "b.fits"], "id": ["mine", None]}
    pq.write_table(pa.table(columns), folder / "names.parquet")
    for source in (folder, folder / "names.parquet"):
        plain = [one.id for one in find_sources([source])]
        found = find_sources([source], prefix="2026-11-22/")
        assert [one.id for one in found] == [f"2026-11-22/{id}" for id in plain]


def test_a_link_that_leads_out_is_told_and_not_followed(folder: Path) -> None:
    """Unless there are no roots: the operator may read whatever links lead to."""
    inside, outside = folder / "inside", folder / "outside"
    for one in (inside, outside):
        one.mkdir()
    (outside / "hidden.fits").write_bytes((folder / "a.fits").read_bytes())
    (inside / "deep").symlink_to(outside)
    assert find_images([inside]) == [str(inside / "deep" / "hidden.fits")]
    found = find_sources([inside], [inside])
    assert [one.image for one in found] == [str(inside / "deep")]
    kept, [refused] = within(found, [inside])
    assert kept == []
    assert (refused.path, refused.code) == (str(inside / "deep"), "outside_roots")
    assert "a link that leads out" in refused.message
    (inside / "deep").unlink()
    (inside / "deep").symlink_to(folder)  # one root may hold another
    found = find_sources([inside], [inside, folder])
    assert within(found, [inside, folder])[1] == []
    assert len(found) == 3


def test_a_fits_file_that_is_called_like_a_list_is_a_file(folder: Path) -> None:
    (folder / "a.fits").rename(folder / "image.txt")
    assert find_images([folder / "image.txt"]) == [str(folder / "image.txt")]


def test_a_table_without_places_and_a_list_without_lines_are_refused(
    folder: Path,
) -> None:
    (folder / "empty.txt").write_text("# nothing\n")
    with pytest.raises(BadInput, match="name no images") as caught:
        find_images([folder / "empty.txt"])
    assert caught.value.reason == "no_files"
    (folder / "odd.csv").write_text("name,mag\na,1\n")
    with pytest.raises(BadInput, match=r"odd\.csv: no column tells") as caught:
        find_images([folder / "odd.csv"])
    assert caught.value.reason == "bad_table"
    with pytest.raises(BadInput, match=r"gone\.txt: no such file"):
        find_images([folder / "gone.txt"])


def test_ids_keep_their_digits_and_what_is_missing_is_none(folder: Path) -> None:
    """As text in files of text; a gap makes floats of whole numbers."""
    (folder / "t.csv").write_text("uri,id\na.fits,007\na.fits,7\na.fits,NaN\na.fits,\n")
    assert [one.id for one in find_sources([folder / "t.csv"])] == [
        "007",
        "7",
        "a.fits",
    ]
    floats = {"uri": ["a.fits"] * 3, "id": [1.0, None, 3.0]}
    pq.write_table(pa.table(floats), folder / "f.parquet")
    found = find_sources([folder / "f.parquet"])
    assert [(one.id, one.is_named) for one in found] == [
        ("1", True),
        ("a.fits", False),
        ("3", True),
    ]
    pq.write_table(pa.table({"uri": ["a.fits"], "id": [2.0**60]}), folder / "g.parquet")
    with pytest.raises(BadInput, match="write it as integers or text"):
        find_sources([folder / "g.parquet"])


def test_attributes_keep_their_types_and_what_is_missing_is_left_out(
    folder: Path,
) -> None:
    columns = {
        "uri": ["a.fits", "b.fits"],
        "number": pa.array([2**60 + 1, None]),
        "truth": pa.array([None, False]),
        "text": ["", "x"],
        "float": [None, 0.5],
    }
    pq.write_table(pa.table(columns), folder / "t.parquet")
    first, second = find_sources([folder / "t.parquet"])
    assert first.attributes == {"number": 2**60 + 1}
    assert second.attributes == {"truth": False, "text": "x", "float": 0.5}
    assert second.attributes["truth"] is False


def test_half_a_box_is_none(folder: Path) -> None:
    (folder / "t.csv").write_text("file,x0,y0,x1,y1\na.fits,0,0,,8\nb.fits,,,,\n")
    with pytest.raises(BadInput, match="row 1 a part is missing"):
        find_sources([folder / "t.csv"])
    (folder / "u.csv").write_text("file,x0,y0,x1\na.fits,0,0,8\n")
    with pytest.raises(BadInput, match="there are only x0, y0, x1"):
        find_sources([folder / "u.csv"])
    (folder / "v.csv").write_text("file,x0,y0,x1,y1\na.fits,0,0,8,9\n")
    [one] = find_sources([folder / "v.csv"])
    assert one.box == fits.Box(0, 0, 8, 9)
