"""What bulk jobs read: folders, files, lists, tables of files and boxes."""

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from skylike.service import fits
from skylike.service.errors import BadInput
from skylike.service.sources import find_images


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
