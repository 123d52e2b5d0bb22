"""Verifying: what is damaged is told, what is derived is made anew."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skylike.service.collection import SkyObject
from skylike.service.errors import DamagedData
from skylike.service.flags import Flag
from skylike.service.index import Kind
from skylike.service.library import Library


def vectors(num: int, dimension: int, seed: int = 0) -> Any:
    found = np.random.default_rng(seed).normal(size=(num, dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path, model: Path) -> Path:
    """A library whose collection has two segments, a tail, and a journal."""
    with Library(tmp_path / "data") as library:
        sky = library.create("sky", model)
        for start, kind in ((0, Kind.HNSW), (300, Kind.FLAT)):
            flags = [Flag.CONSTANT if i % 50 == 9 else Flag(0) for i in range(300)]
            objects = [
                SkyObject(f"o{start + i}", flags=flags[i], thumbnail=b"png")
                for i in range(300)
            ]
            count = 300 - start // 2
            sky.add(objects[:count], vectors(count, sky.dimension, start))
            sky.compact(kind)
        sky.delete(["o5", "o305"])
        sky.label(["o7"], ["odd"])
        sky.add([SkyObject("tail")], vectors(1, sky.dimension, 7))
        sky.fit()
    return tmp_path / "data"


@pytest.fixture
def library(data: Path) -> Iterator[Library]:
    with Library(data) as opened:
        yield opened


def test_what_is_whole_has_no_problems(library: Library) -> None:
    assert library.verify("sky") == []
    library.collection("sky").compact()
    assert library.verify("sky", repair=True) == []
    library.point_alias("live", "sky")
    assert library.verify("live") == []
    assert library.collection("sky").get("o7").labels == {"odd"}


def change(data: Path, statement: str) -> None:
    connection = sqlite3.connect(data / "collections" / "sky" / "catalog.sqlite3")
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE objects SET uri = 'x' WHERE id = 'o9'", "object 'o9'"),
        ("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE row = 4", "row 4"),
        ("UPDATE thumbnails SET png = x'00' WHERE row = 8", "thumbnail in row 8"),
        ("UPDATE journal SET is_gone = 0 WHERE row = 6", "journal of row 6"),
        ("UPDATE collection SET num_objects = 1", "row of the collection"),
        ("DELETE FROM vectors WHERE row = 12", "1 objects have no vector"),
        (
            "UPDATE fits SET crc = crc + 1 WHERE kind = 'anomaly'",
            "fit 1 of the anomaly",
        ),
        ("DELETE FROM thumbnails WHERE row = 12", ""),
    ],
)
def test_damage_of_the_truth_is_told_and_not_papered_over(
    data: Path, statement: str, told: str
) -> None:
    change(data, statement)
    with Library(data) as library:
        found = library.verify("sky", repair=True)
        if not told:  # an object may have no thumbnail
            assert found == []
            return
        assert any(told in one.message for one in found)
        assert not found[0].is_derived
    assert list((data / "collections" / "sky" / "segments").glob("*.faiss"))


def test_a_damaged_index_of_the_catalog_is_told_and_mended(data: Path) -> None:
    """One bit makes o123 of o122; until it is mended, neither is taken for the other."""
    path = data / "collections" / "sky" / "catalog.sqlite3"
    content = bytearray(path.read_bytes())
    [place] = [
        content.index(b"o122", start)
        for start in range(0, len(content), 4096)
        if content[start] == 10 and b"o122" in content[start : start + 4096]
    ]
    content[place + 3] ^= 1
    path.write_bytes(content)
    with Library(data) as library:
        sky = library.collection("sky")
        with pytest.raises(DamagedData, match="index of ids at 'o123'"):
            sky.vector("o123")
        with pytest.raises(DamagedData, match="index of ids at 'o123'"):
            sky.delete(["o123"])
        found = library.verify("sky")
        assert all(one.is_derived for one in found)
        assert "index" in found[0].message
        assert library.verify("sky", repair=True) == found
        assert library.verify("sky") == []
        for name in ("o122", "o123"):
            assert library.collection("sky").get(name).id == name


def test_objects_that_vanish_are_missed_at_opening(data: Path) -> None:
    """Where SQLite finds nothing wrong with their page."""
    for table in ("thumbnails", "vectors", "objects"):
        change(data, f"DELETE FROM {table} WHERE row = 451")
    with Library(data) as library:
        with pytest.raises(DamagedData, match="449 objects, but 448 are found"):
            library.collection("sky")
        assert "are counted than there are" in library.verify("sky")[0].message


def test_a_damaged_description_of_a_table_is_told(data: Path) -> None:
    """A letter of a column's name: SQLite itself finds nothing wrong with that."""
    path = data / "collections" / "sky" / "catalog.sqlite3"
    content = path.read_bytes()
    assert content.count(b"vector BLOB") == 1
    path.write_bytes(content.replace(b"vector BLOB", b"vectop BLOB"))
    with Library(data) as library:
        found = library.verify("sky", repair=True)
        assert "no such column: vector" in found[0].message
        assert not found[0].is_derived
        with pytest.raises(DamagedData, match="no such column"):
            library.collection("sky")


def test_damage_that_keeps_from_reading_on_is_a_problem_too(data: Path) -> None:
    """What has been found by then is told, and other collections are verified."""
    path = data / "collections" / "sky" / "catalog.sqlite3"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)
    with Library(data) as library:
        found = library.verify("sky", repair=True)
        assert "SQLite" in found[0].message
        assert not all(one.is_derived for one in found)


@pytest.mark.parametrize("pattern", ["manifest.json", "*.faiss", "*.columns"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_of_what_is_derived_is_told_and_mended(
    data: Path, pattern: str, harm: str
) -> None:
    path = min((data / "collections" / "sky").rglob(pattern))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content if harm == "flip" else content[:-5])
    if harm == "remove":
        path.unlink()
    with Library(data) as library:
        [problem] = library.verify("sky")
        assert problem.is_derived
        assert path.name.split(".")[0] in problem.message
        assert library.verify("sky", repair=True) == [problem]
        assert library.verify("sky") == []
        sky = library.collection("sky")
        assert len(sky) == 449
        query = sky.vector("o20")[None]
        assert sky.nearest(query, 1)[0][0].id == "o20"


def test_segments_of_another_collection_are_told(data: Path) -> None:
    """Every checksum holds, and yet they are wrong."""
    here = data / "collections" / "sky"
    with Library(data) as library:
        model = next((data / "models").iterdir())
        other = library.create("other", model)
        other.add(
            [SkyObject(f"x{i}") for i in range(450)], vectors(450, other.dimension, 99)
        )
        other.compact()
    there = data / "collections" / "other"
    shutil.rmtree(here / "segments")
    shutil.copytree(there / "segments", here / "segments")
    shutil.copy(there / "manifest.json", here / "manifest.json")
    with Library(data) as library:
        messages = " ".join(one.message for one in library.verify("sky"))
        for told in ("names other objects", "other vectors", "search for"):
            assert told in messages
        library.verify("sky", repair=True)
        assert library.verify("sky") == []


def test_a_damaged_model_is_told(data: Path) -> None:
    [model] = (data / "models").iterdir()
    model.write_bytes(model.read_bytes()[:-1])
    with Library(data) as library:
        [problem] = library.verify("sky", repair=True)
        assert model.name in problem.message
        assert not problem.is_derived


def test_the_command_tells_all_and_mends(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from skylike.service.__main__ import main  # noqa: PLC0415 -- reads sys.argv

    def run(*words: object) -> tuple[object, Any]:
        monkeypatch.setattr("sys.argv", ["skylike-service", "verify", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    where = ("--data", data)
    code, out = run(*where, "--json")
    assert (code, json.loads(out)) == (
        0,
        [{"collection": "sky", "state": "whole", "problems": []}],
    )
    min((data / "collections").rglob("*.faiss")).unlink()
    code, out = run("sky", *where)
    assert (code, out.split()[:2]) == (1, ["sky", "damaged"])
    code, out = run(*where, "--repair")
    assert (code, out.split()[:2]) == (0, ["sky", "repaired"])
    assert run(*where)[1].split() == ["sky", "whole"]
