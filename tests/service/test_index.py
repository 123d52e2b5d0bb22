"""Segments, the manifest, and the merging of answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skylike.service.errors import DamagedData
from skylike.service.index import Block, Kind, Segment, Shelf, Tail, nearest


def unit(num: int, dimension: int = 16, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(num, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def oracle(
    rows: Any, vectors: Any, query: Any, k: int, exclude: int
) -> dict[int, float]:
    """All rows that score at least as high as the k-th, by plain float64."""
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    scores = np.round(scores.clip(-1, 1), 12)  # the order of summation is free
    wanted = rows != exclude
    rows, scores = rows[wanted], scores[wanted]
    lowest = np.sort(scores)[-min(k, len(scores))]
    return {
        row: score
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
        if score >= lowest
    }


def split(vectors: Any, *ends: int) -> list[Block]:
    """The vectors as two flat segments and a tail; row = 10 + position."""
    rows = np.arange(10, 10 + len(vectors))
    first, second, last = np.split(np.arange(len(vectors)), ends)
    return [
        Segment.build(rows[first], vectors[first]),
        Segment.build(rows[second], vectors[second]),
        Tail.of([(rows[last], vectors[last])], vectors.shape[1]),
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_different=st.integers(1, 60),
    num_copies=st.integers(1, 30),
    k=st.integers(1, 40),
)
def test_the_nearest_equal_exact_search(
    seed: int, num_different: int, num_copies: int, k: int
) -> None:
    """With any number of equal vectors: all that tie for the last place come."""
    random = np.random.default_rng(seed)
    vectors = np.repeat(unit(num_different, seed=seed), num_copies, axis=0)
    vectors = np.concatenate([random.permutation(vectors), unit(3, seed=seed)])
    ends = sorted(random.choice(np.arange(1, len(vectors)), 2, replace=False))
    rows = np.arange(10, 10 + len(vectors))
    queries = np.concatenate([unit(5, seed=seed + 1), vectors[:3]])
    exclude = np.array([-1, 10, 11, -1, 12, 10, 11, 12])
    found = nearest(split(vectors, *ends), queries, k, exclude)
    for near, query, unwanted in zip(found, queries, exclude, strict=True):
        expected = oracle(rows, vectors, query, k, unwanted)
        assert dict(
            zip(near.rows.tolist(), np.round(near.scores, 12).tolist(), strict=True)
        ) == pytest.approx(expected, abs=2e-12)
        assert (np.diff(near.scores) <= 0).all()


def test_equal_vectors_score_equally_everywhere() -> None:
    """To the last bit: in either segment, in the tail, alone or in a batch."""
    vectors = unit(200, 33)
    vectors[[7, 90, 150, 199]] = vectors[3]
    queries = unit(40, 33, seed=1)
    nobody = np.full(len(queries), -1)
    blocks = split(vectors, 80, 140)
    together = nearest(blocks, queries, 200, nobody)
    for i, near in enumerate(together):
        twins = near.scores[np.isin(near.rows, [13, 17, 100, 160, 209])]
        assert len(twins) == 5
        assert len(set(twins.tolist())) == 1
        (alone,) = nearest(blocks, queries[i : i + 1], 5, nobody[:1])
        np.testing.assert_array_equal(alone.scores, near.scores[: len(alone.scores)])


def test_searching_nothing_finds_nothing() -> None:
    """No blocks, empty blocks, no queries."""
    nobody = np.array([-1])
    empty = Tail.of((), 16)
    assert len(nearest([], unit(1), 3, nobody)[0].rows) == 0
    assert len(nearest([empty], unit(1), 3, nobody)[0].rows) == 0
    assert nearest([empty], unit(0), 3, nobody[:0]) == []
    one = Tail.of([(np.array([1]), unit(1))], 16)
    assert len(nearest([one], unit(1), 3, np.array([1]))[0].rows) == 0


def test_a_graph_recalls_what_exact_search_finds() -> None:
    """0.99 of the ten nearest, for queries that are not in the graph."""
    vectors = unit(6000, 24)
    rows = np.arange(100, 6100)
    graph = Segment.build(rows, vectors, Kind.HNSW)
    assert sorted(graph.rows.tolist()) == rows.tolist()
    np.testing.assert_array_equal(graph.vectors, vectors[graph.rows - 100])
    queries = unit(300, 24, seed=5)
    found = nearest([graph], queries, 10, np.full(300, -1))
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10] + 100
    shared = [
        np.isin(near.rows, best).sum() for near, best in zip(found, exact, strict=True)
    ]
    assert np.mean(shared) / 10 >= 0.99


def test_a_graph_gives_as_many_as_asked_for() -> None:
    """Also where it falls apart: many equal vectors, k up to everything."""
    vectors = np.concatenate([np.repeat(unit(2, 8), 150, axis=0), unit(20, 8, seed=1)])
    graph = Segment.build(np.arange(320), vectors, Kind.HNSW)
    for k in (1, 10, 100, 319, 320, 1000):
        (near,) = nearest([graph], unit(1, 8, seed=2), k, np.array([5]))
        assert len(near.rows) >= min(k, 319)
        assert len(set(near.rows.tolist())) == len(near.rows)
        assert 5 not in near.rows
    Segment.build(np.arange(1), unit(1), Kind.HNSW)


def test_the_kind_follows_the_size() -> None:
    """Flat to a hundred thousand."""
    assert Kind.for_size(100_000) is Kind.FLAT
    assert Kind.for_size(100_001) is Kind.HNSW


def test_a_longer_tail_leaves_the_old_one_alone() -> None:
    """Readers keep what they had while rows are added."""
    vectors = unit(50)
    tail = Tail.of((), 16)
    tails = [tail]
    for row in range(50):
        tail = tail.extended(np.array([row]), vectors[row : row + 1])
        tails.append(tail)
    for length, old in enumerate(tails):
        assert old.rows.tolist() == list(range(length))
        np.testing.assert_array_equal(old.vectors, vectors[:length])


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A shelf with a flat segment and a graph, as another process left it."""
    shelf = Shelf(tmp_path)
    flat = Segment.build(np.arange(1, 301), unit(300))
    graph = Segment.build(np.arange(301, 601), unit(300, seed=1), Kind.HNSW)
    shelf.publish([flat, graph], last_row=600)
    return Shelf(tmp_path)


def test_segments_come_back(shelf: Shelf) -> None:
    """With rows, vectors, kind and answers."""
    (flat, graph), last_row = shelf.read()
    assert last_row == 600
    assert (flat.kind, graph.kind) == (Kind.FLAT, Kind.HNSW)
    np.testing.assert_array_equal(flat.vectors, unit(300))
    np.testing.assert_array_equal(graph.vectors, unit(300, seed=1)[graph.rows - 301])
    (near,) = nearest([flat, graph], unit(1, seed=1), 1, np.array([-1]))
    assert near.rows.tolist() == [301]


def test_unchanged_segments_are_not_written_again(shelf: Shelf, tmp_path: Path) -> None:
    """And those that are no longer named disappear."""
    (flat, graph), _ = shelf.read()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.faiss")}
    newest = Segment.build(np.arange(601, 605), unit(4, seed=2))
    shelf.publish([flat, newest], last_row=604)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.faiss")}
    assert len(after) == 2
    assert len(before.items() & after.items()) == 1
    segments, last_row = Shelf(tmp_path).read()
    assert [len(segment.rows) for segment in segments] == [300, 4]
    assert last_row == 604
    assert len(graph.rows) == 300  # still searchable by those who hold it


def test_stray_files_mean_nothing(shelf: Shelf, tmp_path: Path) -> None:
    """What a crash left behind is ignored and cleared away."""
    for name in ("9-new", "notes.txt", "7-0badf00d.faiss"):
        (tmp_path / "segments" / name).write_bytes(b"half a segment")
    (tmp_path / "manifest.new").write_bytes(b"{")
    segments, _ = shelf.read()
    shelf.publish(segments, last_row=600)
    assert len(list((tmp_path / "segments").iterdir())) == 4
    assert len(Shelf(tmp_path).read()[0]) == 2


def test_any_flipped_bit_is_noticed(shelf: Shelf, tmp_path: Path) -> None:
    """In the manifest, an index or a row map, at any place."""
    random = np.random.default_rng(3)
    shelf.read()
    files = [tmp_path / "manifest.json", *(tmp_path / "segments").iterdir()]
    assert len(files) == 5
    for path in files:
        whole = path.read_bytes()
        for place in random.integers(0, len(whole), 25):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(random.integers(8))
            path.write_bytes(damaged)
            try:
                _, last_row = shelf.read()
            except DamagedData:
                continue
            # Only a change that means nothing: a space in the manifest's text.
            assert json.loads(damaged) == json.loads(whole)
            assert last_row == 600
        path.write_bytes(whole[:-7])
        with pytest.raises(DamagedData):
            shelf.read()
        path.unlink()
        with pytest.raises(DamagedData):
            shelf.read()
        path.write_bytes(whole)
    shelf.read()


def test_a_full_disk_leaves_the_old_segments(shelf: Shelf, tmp_path: Path) -> None:
    """A segment that cannot be written changes nothing."""
    segments, _ = shelf.read()
    (tmp_path / "manifest.new").mkdir()
    newest = Segment.build(np.arange(601, 605), unit(4, seed=2))
    with pytest.raises(OSError, match="directory"):
        shelf.publish([*segments, newest], last_row=604)
    assert Shelf(tmp_path).read()[1] == 600
