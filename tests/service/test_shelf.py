"""Segments, the tail, and how segments are kept on disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skylike.service.catalog import SkyObject
from skylike.service.collection.segment import Segment, Tail
from skylike.service.collection.shelf import Damaged, Shelf
from skylike.service.columns import Columns, Equals
from skylike.service.errors import DamagedData, StorageFailed
from skylike.service.flags import Flag
from skylike.service.index import Flat, Kind, build


def unit(num: int, dimension: int = 16, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(num, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def segment(shelf: Shelf, first: int, num: int, kind: Kind, seed: int = 0) -> Segment:
    """Rows of objects `o<row>` with the attribute `n`, written."""
    stem = shelf.stem()
    index, order = build([unit(num, seed=seed)], stem, kind)
    rows = first + order
    objects = [SkyObject(f"o{row}", attributes={"n": row}) for row in rows.tolist()]
    made = Segment(
        index,
        Columns.of(rows.tolist(), objects),
        after_row=first - 1,
        last_row=first + num - 1,
        version=7,
    )
    return shelf.write(made, stem)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A shelf with a flat segment and a graph, as another process left it."""
    shelf = Shelf(tmp_path)
    flat = segment(shelf, 1, 300, Kind.FLAT)
    graph = segment(shelf, 301, 300, Kind.HNSW, seed=1)
    shelf.publish([flat, graph], version=9)
    return Shelf(tmp_path)


def whole(shelf: Shelf) -> list[Segment]:
    return [one for one in shelf.read().segments if isinstance(one, Segment)]


def test_segments_come_back(shelf: Shelf) -> None:
    """With rows, vectors, columns, kind and answers."""
    manifest = shelf.read()
    flat, graph = whole(shelf)
    assert manifest.version == 9
    assert (flat.after_row, flat.last_row, flat.version) == (0, 300, 7)
    assert flat.index is not None
    assert graph.index is not None
    assert (flat.index.kind, graph.index.kind) == (Kind.FLAT, Kind.HNSW)
    np.testing.assert_array_equal(flat.index.at(np.arange(300)), unit(300))
    vectors = unit(300, seed=1)[graph.rows - 301]
    np.testing.assert_array_equal(graph.index.at(np.arange(300)), vectors)
    assert graph.fulfilling(Equals("n", 333)).sum() == 1
    assert graph.ids(np.flatnonzero(graph.fulfilling(Equals("n", 333)))) == ["o333"]


def test_rows_are_found_wherever_an_index_has_put_them(shelf: Shelf) -> None:
    _, graph = whole(shelf)
    wanted = np.array([301, 1, 600, 450, 601])
    places, here = graph.places(wanted)
    assert here.tolist() == [True, False, True, True, False]
    assert graph.rows[places].tolist() == [301, 600, 450]


def test_filters_that_python_calls_equal_are_told_apart(shelf: Shelf) -> None:
    """What a segment remembers of 1 does not answer for True."""
    flat, _ = whole(shelf)
    assert flat.fulfilling(Equals("n", 1)).sum() == 1
    assert flat.fulfilling(Equals("n", True)).sum() == 0
    assert flat.fulfilling(Equals("n", 1.0)).sum() == 1


def test_unchanged_segments_are_not_written_again(shelf: Shelf, tmp_path: Path) -> None:
    """And those that are no longer named disappear, for those who ask anew."""
    flat, graph = whole(shelf)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.faiss")}
    newest = segment(shelf, 601, 4, Kind.FLAT, seed=2)
    shelf.publish([flat, newest], version=10)
    shelf.forget_the_rest()
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.faiss")}
    assert len(after) == 2
    assert len(before.items() & after.items()) == 1
    assert [len(one.rows) for one in whole(Shelf(tmp_path))] == [300, 4]
    assert graph.index is not None
    assert len(graph.index.candidates(unit(1), 5)[0][0]) == 5  # held, and searchable


def test_stray_files_mean_nothing(shelf: Shelf, tmp_path: Path) -> None:
    """What a crash left behind is ignored and cleared away."""
    for name in ("9-new", "notes.txt", "7-0badf00d.faiss"):
        (tmp_path / "segments" / name).write_bytes(b"half a segment")
    (tmp_path / "manifest.new").write_bytes(b"{")
    segments = whole(shelf)
    assert int(shelf.stem().name.split("-")[0]) == 10
    shelf.publish(segments, version=9)
    shelf.forget_the_rest()
    assert len(list((tmp_path / "segments").iterdir())) == 4
    assert len(whole(Shelf(tmp_path))) == 2


def test_any_flipped_bit_is_noticed(shelf: Shelf, tmp_path: Path) -> None:
    """In the manifest, an index or columns, at any place; the other segment is whole."""
    random = np.random.default_rng(3)
    files = [tmp_path / "manifest.json"]
    files += [path for path in (tmp_path / "segments").iterdir() if path.stat().st_size]
    assert len(files) == 5
    for path in files:
        content = path.read_bytes()
        for place in random.integers(0, len(content), 25):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(random.integers(8))
            path.write_bytes(damaged)
            if path.name != "manifest.json":
                kinds = [type(one) for one in Shelf(tmp_path).read().segments]
                assert sorted(kinds, key=str) == [Segment, Damaged]
                continue
            try:
                found = Shelf(tmp_path).read()
            except DamagedData:
                continue
            # Only a change that means nothing: a space in the manifest's text.
            assert json.loads(damaged) == json.loads(content)
            assert found.version == 9
        for rest in (content[:-7], b""):
            path.write_bytes(rest) if rest else path.unlink()
            if path.name == "manifest.json":
                with pytest.raises(DamagedData):
                    Shelf(tmp_path).read()
            else:
                assert len(whole(Shelf(tmp_path))) == 1
            path.write_bytes(content)
    assert len(whole(Shelf(tmp_path))) == 2


def test_a_manifest_that_cannot_be_written_leaves_the_old_one(
    shelf: Shelf, tmp_path: Path
) -> None:
    segments = whole(shelf)
    (tmp_path / "manifest.new").mkdir()
    newest = segment(shelf, 601, 4, Kind.FLAT, seed=2)
    with pytest.raises(StorageFailed, match="directory"):
        shelf.publish([*segments, newest], version=10)
    assert Shelf(tmp_path).read().version == 9


def test_a_longer_tail_leaves_the_old_one_alone() -> None:
    """Readers keep what they had while rows are added."""
    vectors = unit(50)
    tails = [Tail.empty(16)]
    for row in range(50):
        flag = Flag.CONSTANT if row % 10 == 9 else Flag(0)
        one = SkyObject(f"o{row}", attributes={"n": row}, flags=flag)
        tails.append(tails[-1].extended(np.array([row]), [one], vectors[row : row + 1]))
    searchable = np.array([row for row in range(50) if row % 10 != 9])
    for length, old in enumerate(tails):
        assert old.rows.tolist() == list(range(length))
        known = searchable[searchable < length]
        assert old.vector_rows.tolist() == known.tolist()
        if len(known):
            assert old.index is not None
            np.testing.assert_array_equal(
                old.index.at(np.arange(len(known))), vectors[known]
            )
        assert old.fulfilling(Equals("n", 7)).tolist() == [
            n == 7 for n in range(length)
        ]
        assert old.ids(np.arange(length)) == [f"o{row}" for row in range(length)]
    later = tails[-1].beyond(42)
    assert later.rows.tolist() == list(range(43, 50))
    assert later.vector_rows.tolist() == list(range(43, 49))
    assert isinstance(later.index, Flat)
    np.testing.assert_array_equal(later.index.vectors, vectors[43:49])
    assert later.ids(np.array([6])) == ["o49"]
    longer = later.extended(np.array([60]), [SkyObject("new")], vectors[:1])
    assert longer.vector_rows.tolist() == [*range(43, 49), 60]
    assert tails[-1].rows.tolist() == list(range(50))
