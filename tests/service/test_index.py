"""Indexes of every kind, and the merging of their answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skylike.service.index import (
    Allowed,
    Flat,
    Kind,
    Source,
    build,
    k_nearest,
    nearest,
    read,
)


def unit(num: int, dimension: int = 16, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(num, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(num: int, dimension: int = 24, seed: int = 0) -> Any:
    """Vectors in groups, as embeddings are."""
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(size=(60, dimension))
    vectors = middles[random.integers(60, size=num)]
    vectors = vectors + 0.5 * random.normal(size=(num, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def oracle(
    rows: Any, vectors: Any, query: Any, k: int, exclude: int
) -> dict[int, float]:
    """All rows that score at least as high as the k-th, by plain float64."""
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    scores = np.round(scores.clip(-1, 1), 12)  # the order of summation is free
    wanted = rows != exclude
    rows, scores = rows[wanted], scores[wanted]
    if not len(rows):
        return {}
    lowest = np.sort(scores)[-min(k, len(scores))]
    return {
        row: score
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
        if score >= lowest
    }


def split(vectors: Any, *ends: int) -> list[Source]:
    """The vectors in three flat indexes; row = 10 + position."""
    rows = np.arange(10, 10 + len(vectors))
    return [
        Source(Flat(vectors[part]), rows[part])
        for part in np.split(np.arange(len(vectors)), ends)
    ]


def source(vectors: Any, folder: Path, kind: Kind, first_row: int = 0) -> Source:
    """The vectors in one index, as its files hold it."""
    built, order = build([vectors], folder / kind, kind)
    index = read(kind, built.write(folder / kind), built.width)
    assert (index.kind, index.width) == (kind, built.width)
    return Source(index, first_row + order)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_different=st.integers(1, 60),
    num_copies=st.integers(1, 30),
    k=st.integers(1, 40),
    share=st.sampled_from([0.0, 0.03, 0.5, 1.0]),
)
def test_the_nearest_equal_exact_search(
    seed: int, num_different: int, num_copies: int, k: int, share: float
) -> None:
    """With any number of equal vectors, and any choice of them: all that tie come."""
    random = np.random.default_rng(seed)
    vectors = np.repeat(unit(num_different, seed=seed), num_copies, axis=0)
    vectors = np.concatenate([random.permutation(vectors), unit(3, seed=seed)])
    ends = sorted(random.choice(np.arange(1, len(vectors)), 2, replace=False))
    rows = np.arange(10, 10 + len(vectors))
    queries = np.concatenate([unit(5, seed=seed + 1), vectors[:3]])
    exclude = np.array([-1, 10, 11, -1, 12, 10, 11, 12])
    allowed = random.random(len(vectors)) < share
    sources = [
        Source(
            one.index, one.rows, None if share == 1 else Allowed(allowed[one.rows - 10])
        )
        for one in split(vectors, *ends)
    ]
    found = nearest(sources, queries, k, exclude)
    for near, query, unwanted in zip(found, queries, exclude, strict=True):
        expected = oracle(rows[allowed], vectors[allowed], query, k, unwanted)
        if share == 1:
            expected = oracle(rows, vectors, query, k, unwanted)
        assert dict(
            zip(near.rows.tolist(), np.round(near.scores, 12).tolist(), strict=True)
        ) == pytest.approx(expected, abs=2e-12)
        assert (np.diff(near.scores) <= 0).all()


def test_equal_vectors_score_equally_everywhere() -> None:
    """To the last bit: in any index, alone or in a batch."""
    vectors = unit(200, 33)
    vectors[[7, 90, 150, 199]] = vectors[3]
    queries = unit(40, 33, seed=1)
    sources = split(vectors, 80, 140)
    together = nearest(sources, queries, 200)
    for i, near in enumerate(together):
        twins = near.scores[np.isin(near.rows, [13, 17, 100, 160, 209])]
        assert len(twins) == 5
        assert len(set(twins.tolist())) == 1
        (alone,) = nearest(sources, queries[i : i + 1], 5)
        np.testing.assert_array_equal(alone.scores, near.scores[: len(alone.scores)])


def test_searching_nothing_finds_nothing() -> None:
    """No sources, none that may be found, no queries."""
    nothing = Source(Flat(unit(4)), np.arange(4), Allowed(np.zeros(4, np.bool_)))
    assert len(nearest([], unit(1), 3)[0].rows) == 0
    assert len(nearest([nothing], unit(1), 3)[0].rows) == 0
    assert len(nearest([nothing], unit(0), 3)) == 0
    one = Source(Flat(unit(1)), np.array([1]))
    assert len(nearest([one], unit(1), 3, np.array([1]))[0].rows) == 0


def recall(found: Any, exact: Any) -> float:
    shared = [
        np.isin(near.rows, best.rows[:10]).sum()
        for near, best in zip(found, exact, strict=True)
    ]
    return float(np.mean(shared)) / 10


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.005])
def test_every_kind_recalls_what_exact_search_finds(
    kind: Kind, share: float, tmp_path: Path
) -> None:
    """0.99 of the ten nearest, for queries it has not seen, whatever is allowed."""
    vectors, queries = clustered(8000), clustered(300, seed=5)
    made = source(vectors, tmp_path, kind, first_row=100)
    assert sorted(made.rows.tolist()) == list(range(100, 8100))
    kept = made.index.at(np.arange(8000))
    atol = 1e-3 if kind is Kind.IVF else 0
    np.testing.assert_allclose(kept, vectors[made.rows - 100], atol=atol)
    mask = np.random.default_rng(1).random(8000) < share
    allowed = None if share == 1 else Allowed(mask[made.rows - 100])
    whole = Source(Flat(vectors[mask]), np.flatnonzero(mask) + 100)
    found = nearest([Source(made.index, made.rows, allowed)], queries, 10)
    assert recall(found, nearest([whole], queries, 10)) >= 0.985
    assert all(len(near.rows) >= 10 for near in found)
    assert all(mask[near.rows - 100].all() for near in found)
    exact = nearest([Source(made.index, made.rows, allowed)], queries, 10, exact=True)
    assert (
        recall(exact, nearest([whole], queries, 10))
        >= 0.999 - (kind is Kind.IVF) * 0.01
    )


def test_a_graph_recalls_the_nearest_of_those_allowed(tmp_path: Path) -> None:
    """Where many are, so that it is walked."""
    vectors, queries = clustered(40_000, 16), clustered(300, 16, seed=5)
    made = source(vectors, tmp_path, Kind.HNSW)
    for share in (0.7, 0.4):
        allowed = Allowed(np.random.default_rng(1).random(40_000) < share)
        chosen = Source(made.index, made.rows, allowed)
        _, ceilings = made.index.candidates(queries, 10, allowed)
        assert (ceilings < np.inf).all()
        found, exact = (nearest([chosen], queries, 10, exact=e) for e in (False, True))
        assert 0.99 <= recall(found, exact) < 1


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_gives_as_many_as_asked_for(kind: Kind, tmp_path: Path) -> None:
    """Also where a graph falls apart: many equal vectors, k up to everything."""
    vectors = np.concatenate([np.repeat(unit(2, 8), 150, axis=0), unit(20, 8, seed=1)])
    made = source(vectors, tmp_path, kind)
    some = Allowed(np.arange(320) % 2 == 0)
    for k in (1, 10, 100, 319, 320, 1000):
        (near,) = nearest([made], unit(1, 8, seed=2), k, np.array([5]))
        assert len(near.rows) >= min(k, 319)
        assert len(set(near.rows.tolist())) == len(near.rows)
        assert 5 not in near.rows
        (near,) = nearest([Source(made.index, made.rows, some)], unit(1, 8, seed=2), k)
        assert len(near.rows) >= min(k, 160)
        assert set(near.rows.tolist()) <= set(made.rows[some.mask].tolist())


@pytest.mark.parametrize("kind", [Kind.FLAT, Kind.HNSW])
@pytest.mark.parametrize("num_queries", [1, 30])
def test_what_lies_far_from_the_query_is_found_as_well(
    kind: Kind, num_queries: int, tmp_path: Path
) -> None:
    """Half may be found, and all of it lies where no search for what is near leads."""
    vectors = clustered(8000)
    made = source(vectors, tmp_path, kind)
    along = vectors[made.rows, 0]
    queries = vectors[np.argsort(-vectors[:, 0])[:num_queries]]
    allowed = Allowed(along < np.median(along))
    found = nearest([Source(made.index, made.rows, allowed)], queries, 10)
    kept = Flat(made.index.at(np.arange(8000)))
    exact = nearest([Source(kept, made.rows, allowed)], queries, 10)
    assert recall(found, exact) >= 0.99


def test_how_far_a_graph_is_is_told_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skylike.service.index.linking._PAUSE", 0.02)
    told: list[int] = []
    num = 30_000
    build([unit(num, 64)], tmp_path / "graph", Kind.HNSW, told=told.append)
    assert told == sorted(told)
    assert told[-1] == num
    assert len([count for count in told if 0 < count < num - 2000]) >= 2


@settings(max_examples=50, deadline=None)
@given(
    size=st.integers(1, 3000),
    share=st.sampled_from([0.0, 0.001, 0.1, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_choice_is_told_in_three_ways(size: int, share: float, seed: int) -> None:
    """Few or many, of any number of vectors: a mask, positions, bits."""
    mask = np.random.default_rng(seed).random(size) < share
    chosen = Allowed(mask)
    assert chosen.count == mask.sum()
    np.testing.assert_array_equal(chosen.positions, np.flatnonzero(mask))
    bits = np.unpackbits(chosen.bits, bitorder="little")
    np.testing.assert_array_equal(bits[:size], mask)
    assert not bits[size:].any()


def test_a_wider_search_finds_more(tmp_path: Path) -> None:
    vectors, queries = unit(20_000, 32), unit(200, 32, seed=1)
    made = source(vectors, tmp_path, Kind.HNSW)
    exact = nearest([made], queries, 10, exact=True)
    recalls = [
        recall(nearest([made], queries, 10, effort=effort), exact)
        for effort in (0.1, 1.0, 4.0)
    ]
    assert recalls == sorted(recalls)
    assert recalls[0] < recalls[-1]
    assert recalls[-1] > 0.995


@pytest.mark.parametrize("kind", [Kind.FLAT, Kind.HNSW])
def test_one_vector_makes_an_index(kind: Kind, tmp_path: Path) -> None:
    (near,) = nearest([source(unit(1), tmp_path, kind)], unit(1), 3)
    assert near.rows.tolist() == [0]


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4), seed=st.integers(0, 99)
)
def test_parts_are_put_together_in_order(
    sizes: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each vector keeps its number, in two ascending runs at most."""
    folder = tmp_path_factory.mktemp("parts")
    parts = [unit(size, seed=seed + i) for i, size in enumerate(sizes)]
    together = np.concatenate(parts)
    for kind in (Kind.FLAT, Kind.HNSW):
        index, order = build(parts, folder / kind, kind)
        np.testing.assert_array_equal(index.at(np.arange(len(index))), together[order])
        assert (np.diff(order) < 0).sum() <= 1
        assert sorted(order.tolist()) == list(range(len(together)))


def test_the_kind_follows_the_size() -> None:
    """Flat to a hundred thousand, groups beyond some millions."""
    assert Kind.for_size(100_000) is Kind.FLAT
    assert Kind.for_size(100_001) is Kind.HNSW
    assert Kind.for_size(10_000_000) is Kind.IVF


@pytest.mark.parametrize("num_different", [3, 300])
def test_just_k_are_the_first_of_all_that_tie(num_different: int) -> None:
    """In several parts, without an unwanted row, and in the same order each time."""
    vectors = np.repeat(unit(num_different), 300 // num_different, axis=0)
    sources, rows = split(vectors, 40, 200), np.arange(10, 310)
    found, scores = k_nearest(sources, vectors, 20, exclude=rows)
    every = nearest(sources, vectors, 20, exclude=rows)
    for line, row in enumerate(rows.tolist()):
        best = every[line]
        np.testing.assert_array_equal(scores[line], best.scores[:20])
        assert len(set(found[line].tolist())) == 20
        assert set(found[line].tolist()) <= set(best.rows.tolist()) - {row}
        keys = list(zip(-scores[line], found[line], strict=True))
        assert keys == sorted(keys)
