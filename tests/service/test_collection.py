"""Collections: nothing acknowledged is lost, and every answer is the right one."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from skylike.service.anomaly import AnomalyFit, Surrounding
from skylike.service.collection import (
    Collection,
    Found,
    Scored,
    SkyObject,
    Writing,
    loading,
)
from skylike.service.columns import All, Between, Equals, Labelled, Not, WithIds
from skylike.service.errors import (
    AlreadyDone,
    AlreadyExists,
    BadRequest,
    Cancelled,
    Closed,
    DamagedData,
    ModelMismatch,
    NotReady,
    SkylikeError,
    StorageFailed,
    UnknownId,
)
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag
from skylike.service.index import Kind
from skylike.service.progress import Stage

DIMENSION = 16


def unit(num: int, seed: int = 0, dimension: int = DIMENSION) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(num, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def objects(num: int, prefix: str = "o") -> list[SkyObject]:
    return [SkyObject(f"{prefix}{number}") for number in range(num)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "sky"
    directory.mkdir()
    Collection.create(directory, "model", DIMENSION)
    return directory


@pytest.fixture
def collection(directory: Path) -> Iterator[Collection]:
    with Collection(directory) as opened:
        yield opened


def oracle(
    ids: list[str], vectors: Any, query: Any, k: int, exclude: str | None = None
) -> list[str]:
    """The ids of the k nearest by plain float64, equal scores by id."""
    scores = (vectors.astype(np.float64) @ query.astype(np.float64)).round(12)
    ranked = sorted(zip(-scores, ids, strict=True))
    return [id for _, id in ranked if id != exclude][:k]


def ids_of(hits: list[Scored]) -> list[str]:
    return [hit.object.id for hit in hits]


def check_against_oracle(collection: Collection, ids: list[str], vectors: Any) -> None:
    queries = np.concatenate([unit(10, seed=99), vectors[:5]])
    for k in (1, 7, 1000):
        for query, hits in zip(queries, collection.search(queries, k), strict=True):
            assert ids_of(hits) == oracle(ids, vectors, query, k)


def test_search_equals_exact_search_at_every_stage(directory: Path) -> None:
    """Fresh, sealed, both, merged and reopened; with many equal vectors."""
    vectors = np.concatenate([unit(150), np.repeat(unit(5, seed=1), 30, axis=0)])
    vectors = np.random.default_rng(0).permutation(vectors)
    known = objects(300)
    ids = [sky_object.id for sky_object in known]
    with Collection(directory) as collection:
        for start, end in ((0, 200), (200, 240), (240, 300)):
            collection.add(known[start:end], vectors[start:end])
            check_against_oracle(collection, ids[:end], vectors[:end])
            if end < 300:
                collection.compact()
                check_against_oracle(collection, ids[:end], vectors[:end])
        assert len(collection) == 300
    with Collection(directory) as collection:
        assert (len(collection), collection.version) == (300, 3)
        check_against_oracle(collection, ids, vectors)
        collection.compact()
        check_against_oracle(collection, ids, vectors)
        collection.compact()  # nothing to do
    with Collection(directory) as collection:
        check_against_oracle(collection, ids, vectors)


def test_what_is_made_anew_at_opening_goes_into_files_and_then_into_one_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows there are, few are in memory; a damaged part likewise."""
    monkeypatch.setattr(loading, "_MOST_IN_MEMORY", 5000)
    random = np.random.default_rng(6)
    vectors = random.normal(size=(45_000, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    directory = tmp_path / "sky"
    directory.mkdir()
    Collection.create(directory, "model", 8)
    with Collection(directory) as collection:
        with collection.bulk():
            collection.add([SkyObject(f"{n}") for n in range(len(vectors))], vectors)
        collection.delete(["7", "44000"])
        collection.label(["9"], ["odd"])
        before = collection.nearest(vectors[:50], 3, exact=True)
    Collection.forget_derived(directory)
    with Collection(directory) as collection:
        assert collection.nearest(vectors[:50], 3, exact=True) == before
        assert collection.count(Labelled("odd")) == 1
        deadline = time.monotonic() + 30
        while collection.kinds != [(Kind.FLAT, 44_998)] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert collection.kinds == [(Kind.FLAT, 44_998)]
        assert collection.nearest(vectors[:50], 3, exact=True) == before
    segments = directory / "segments"
    largest = max(segments.glob("*.faiss"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    with Collection(directory) as collection:
        assert collection.nearest(vectors[:50], 3, exact=True) == before


def test_all_of_a_collection_can_be_searched_by_a_kind_of_choice(
    tmp_path: Path,
) -> None:
    """Whatever it was before; nothing is done where nothing changes."""
    random = np.random.default_rng(5)
    vectors = random.normal(size=(3000, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"{number}" for number in range(len(vectors))]
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    with Collection(tmp_path / "sky") as collection:
        with collection.bulk(Kind.HNSW):
            collection.add([SkyObject(id) for id in ids[:2000]], vectors[:2000])
        collection.add([SkyObject(id) for id in ids[2000:]], vectors[2000:])
        assert collection.kinds == [(Kind.HNSW, 2000)]
        for kind in Kind:
            told: list[int] = []
            collection.compact(kind, told.append)
            assert collection.kinds == [(kind, 3000)]
            found = collection.nearest(vectors[:50], 1)
            assert [hits[0].id for hits in found] == ids[:50]
            assert told == sorted(told)
            before = len(told)
            collection.compact(kind, told.append)
            assert len(told) == before
    with Collection(tmp_path / "sky") as collection:
        assert collection.kinds == [(Kind.IVF, 3000)]


def test_a_write_with_a_name_is_done_once(tmp_path: Path) -> None:
    """Also by who opens the collection anew; without a name each is done."""
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    named = Writing("night-1/add-7")
    with Collection(tmp_path / "sky") as collection:
        version = collection.upsert([SkyObject("a")], np.eye(1, 16, dtype="f4"), named)
    with Collection(tmp_path / "sky") as collection:
        writes: list[Callable[[], object]] = [
            lambda: collection.upsert([SkyObject("b")], unit(1), named),
            lambda: collection.delete(["a"], named),
            lambda: collection.set_attributes(["a"], {"x": 1}, named),
            lambda: collection.label(["a"], ["star"], how=named),
        ]
        for write in writes:
            with pytest.raises(AlreadyDone) as caught:
                write()
            assert (caught.value.version, caught.value.num_objects) == (version, 1)
        assert collection.version == version
        assert collection.get("a") == SkyObject("a")
        assert collection.delete(["a"], Writing("other")) == {"a"}
        with pytest.raises(AlreadyDone) as caught:
            collection.delete(["a"], Writing("other"))
        assert caught.value.num_objects == 1
    for name in ("a b", "ä", "x" * 129):
        with pytest.raises(BadRequest, match="request_id"):
            Writing(name)


def test_a_name_stands_for_one_request(tmp_path: Path) -> None:
    """Another one of the same name is refused, not taken for done."""
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    with Collection(tmp_path / "sky") as collection:
        collection.upsert([SkyObject("a")], unit(1), Writing("n", digest="one"))
        for ask in (
            lambda: collection.require_new(Writing("n", digest="two")),
            lambda: collection.delete(["a"], Writing("n", digest="two")),
        ):
            with pytest.raises(BadRequest) as caught:
                ask()
            assert caught.value.reason == "request_id_reused"
        for same in ("one", ""):
            with pytest.raises(AlreadyDone):
                collection.require_new(Writing("n", digest=same))
        collection.require_new(Writing("m", digest="one"))
        collection.require_new(Writing())
        assert len(collection) == 1


def test_a_repeated_write_promises_what_is_wanted_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done before at less than the loss of power, it is made to survive that."""
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    synced: list[int] = []
    sync = os.fsync

    def counted(file: int) -> None:
        synced.append(file)
        sync(file)

    monkeypatch.setattr("os.fsync", counted)
    with Collection(tmp_path / "sky") as collection:
        for repeat in (
            lambda how: collection.require_new(how),
            lambda how: collection.delete([], how),
        ):
            collection.upsert([SkyObject("a")], unit(1), Writing(is_durable=False))
            synced.clear()
            name = f"n{collection.version}"
            collection.upsert([SkyObject("b")], unit(1), Writing(name, False))
            for is_durable, num_synced in ((False, 0), (True, 1), (True, 1)):
                with pytest.raises(AlreadyDone):
                    repeat(Writing(name, is_durable))
                assert len(synced) == num_synced


def test_a_write_that_changes_nothing_is_no_new_version(tmp_path: Path) -> None:
    """Of ids that are not there, or of what is so already; each tells which there were."""
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    told = SkyObject("a", attributes={"x": 1}, labels=frozenset({"odd"}))
    with Collection(tmp_path / "sky") as collection:
        collection.add([told, SkyObject("b")], unit(2))
        version = collection.version
        assert collection.delete(["c"]) == set()
        assert collection.label(["c"], ["odd"]) == set()
        assert collection.set_attributes(["a", "c"], {"x": 1}) == {"a"}
        assert collection.label(["a", "c"], ["odd"], ["even"]) == {"a"}
        assert collection.version == version
        named = Writing("n")
        assert collection.label(["a"], ["odd"], how=named) == {"a"}
        with pytest.raises(AlreadyDone) as caught:
            collection.label(["a"], ["odd"], how=named)
        assert (caught.value.version, caught.value.num_objects) == (version, 1)
        assert collection.set_attributes(["a", "b"], {"x": 1.0}) == {"a", "b"}
        assert collection.version == version + 1
        assert collection.delete(["a", "c"]) == {"a"}
        assert collection.version == version + 2
    with Collection(tmp_path / "sky") as collection:
        assert collection.version == version + 2
        assert isinstance(collection.get("b").attributes["x"], float)


def test_a_durable_write_that_changes_nothing_makes_durable_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told that an object is gone, nobody shall find it again after a loss of power."""
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    synced: list[int] = []
    sync = os.fsync

    def counted(file: int) -> None:
        synced.append(file)
        sync(file)

    monkeypatch.setattr("os.fsync", counted)
    with Collection(tmp_path / "sky") as collection:
        collection.add([SkyObject("a")], unit(1))
        asks: list[Callable[[Writing], object]] = [
            lambda how: collection.delete(["a"], how),
            lambda how: collection.label(["a"], ["odd"], how=how),
        ]
        for ask in asks:
            collection.upsert([SkyObject("a")], unit(1), Writing(is_durable=False))
            ask(Writing(is_durable=False))
            synced.clear()
            for is_durable, num_synced in ((False, 0), (True, 1), (True, 1)):
                ask(Writing(is_durable=is_durable))
                assert len(synced) == num_synced


def test_only_the_last_names_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skylike.service.catalog.requests._KEPT", 2)
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    with Collection(tmp_path / "sky") as collection:
        for name in "abc":
            collection.delete([], Writing(name))
        collection.delete([], Writing("a"))
        with pytest.raises(AlreadyDone):
            collection.delete([], Writing("c"))


def test_a_write_that_is_not_durable_yet_survives_a_killed_process(
    tmp_path: Path,
) -> None:
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    code = """
import os, signal, sys
from pathlib import Path
import numpy as np
from skylike.service.collection import Collection, SkyObject, Writing
collection = Collection(Path(sys.argv[1]))
quick = Writing(is_durable=False)
for number in range(50):
    collection.add([SkyObject(str(number))], np.eye(1, 16, dtype="f4"), quick)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, tmp_path / "sky"], check=False)
    with Collection(tmp_path / "sky") as collection:
        assert len(collection) == 50


def test_a_text_is_not_taken_for_its_letters(tmp_path: Path) -> None:
    (tmp_path / "sky").mkdir()
    Collection.create(tmp_path / "sky", "model", 16)
    with Collection(tmp_path / "sky") as collection:
        collection.add([SkyObject(id) for id in "abc"], np.eye(3, 16, dtype="f4"))
        with pytest.raises(BadRequest, match="is one text"):
            collection.delete("abc")
        with pytest.raises(BadRequest, match="is one text"):
            collection.set_attributes("abc", {"x": 1})
        with pytest.raises(BadRequest, match="is one text"):
            collection.label(["a"], add="star")
        assert len(collection) == 3


def test_a_graph_keeps_the_promise(directory: Path) -> None:
    """min(k, searchable) hits with exact scores, and 0.99 of the ten nearest."""
    vectors = unit(6000)
    ids = [f"o{number}" for number in range(6000)]
    with Collection(directory) as collection:
        collection.add(objects(6000), vectors)
        collection.compact(Kind.HNSW)
    with Collection(directory) as collection:
        queries = unit(100, seed=2)
        found = collection.search(queries, 10)
        shared = [
            len({*ids_of(hits)} & {*oracle(ids, vectors, query, 10)})
            for query, hits in zip(queries, found, strict=True)
        ]
        assert np.mean(shared) / 10 >= 0.99
        assert {len(hits) for hits in collection.search(queries[:5], 1000)} == {1000}
        hit = found[0][0]
        exact = float(vectors[ids.index(hit.object.id)].astype(float) @ queries[0])
        assert hit.score == pytest.approx(exact, abs=1e-7)


def test_exclusion_is_per_query(collection: Collection) -> None:
    """And what is excluded does not count."""
    vectors = unit(6)
    collection.add(objects(6), vectors)
    found = collection.search(vectors[:3], 6, exclude=["o0", None, "unknown"])
    assert [len(hits) for hits in found] == [5, 6, 6]
    assert "o0" not in ids_of(found[0])
    assert ids_of(found[1])[0] == "o1"


def test_equal_scores_are_ordered_by_id(collection: Collection) -> None:
    """Also where only some of them fit, sealed or not."""
    vector = unit(1)
    for batch in (["é", "b", "Z"], ["a", "10", "9"]):
        collection.add([SkyObject(id) for id in batch], np.repeat(vector, 3, axis=0))
        if batch[0] == "é":
            collection.compact()
    ordered = ["10", "9", "Z", "a", "b", "é"]
    for k in range(1, 8):
        assert ids_of(collection.search(vector, k)[0]) == ordered[:k]


def test_constant_objects_are_stored_and_never_found(directory: Path) -> None:
    """Neither fresh nor sealed nor reopened."""
    with Collection(directory) as collection:
        flat = SkyObject("flat", flags=Flag.CONSTANT | Flag.EDGE)
        collection.add([flat, SkyObject("o")], np.repeat(unit(1), 2, axis=0))
        assert ids_of(collection.search(unit(1), 5)[0]) == ["o"]
        collection.compact()
        collection.add([SkyObject("flat2", flags=Flag.CONSTANT)], unit(1))
        assert ids_of(collection.search(unit(1), 5)[0]) == ["o"]
    with Collection(directory) as collection:
        assert ids_of(collection.search(unit(1), 5)[0]) == ["o"]
        assert len(collection) == 3
        assert collection.get("flat") == flat
        np.testing.assert_array_equal(collection.vector("flat2"), unit(1)[0])


def test_an_empty_collection_finds_nothing(collection: Collection) -> None:
    """No objects, no queries, nothing to add."""
    assert collection.search(unit(2), 3) == [[], []]
    assert collection.search(unit(0), 3) == []
    assert collection.add([], unit(0)) == 0
    assert collection.version == len(collection) == 0
    collection.compact()


def test_objects_come_back_whole(collection: Collection) -> None:
    """Hits carry everything; the thumbnail when it is asked for."""
    stored = SkyObject(
        "a",
        position=SkyPosition(1.5, -2.5),
        attributes={"n": 3, "x": 0.5},
        flags=Flag.EDGE,
        thumbnail=b"png",
    )
    assert collection.add([stored], unit(1)) == 1
    assert collection.get("a") == stored
    assert collection.known(["a", "b"]) == {"a"}
    (hit,) = collection.search(unit(1), 1, thumbnails=True)[0]
    assert hit.object == stored
    assert hit.score == pytest.approx(1, abs=1e-6)
    (hit,) = collection.search(unit(1), 1)[0]
    assert hit.object.thumbnail == b""
    assert hit.object.attributes == stored.attributes


def test_vectors_are_brought_to_unit_norm(collection: Collection) -> None:
    """Those that are already stay as they are; other number types are taken."""
    exact = unit(1)
    rough = exact.astype(np.float64)[:, ::-1] * 1.0009
    collection.add(objects(1, "exact"), exact)
    collection.add(objects(1, "rough"), rough)
    assert collection.vector("exact0").tobytes() == exact.tobytes()
    assert np.linalg.norm(collection.vector("rough0")) == pytest.approx(1, abs=1e-7)


BAD_VECTORS = [
    (BadRequest, "not_finite", np.full((2, DIMENSION), np.nan)),
    (BadRequest, "not_finite", np.full((2, DIMENSION), 1e300)),
    (BadRequest, "not_unit", np.zeros((2, DIMENSION))),
    (BadRequest, "not_unit", unit(2) * 1.002),
    (ModelMismatch, "dimension", unit(2, dimension=DIMENSION + 1)),
    (ModelMismatch, "dimension", unit(2)[0]),
]


@pytest.mark.parametrize(("error", "reason", "vectors"), BAD_VECTORS)
def test_bad_vectors_are_refused(
    collection: Collection, error: type[SkylikeError], reason: str, vectors: Any
) -> None:
    """At every door, and nothing is stored."""
    collection.add(objects(3, "p"), unit(3))
    for call in (
        lambda: collection.add(objects(2), vectors),
        lambda: collection.search(vectors, 3),
        lambda: collection.fit(calibration=vectors),
    ):
        with pytest.raises(error) as caught:
            call()
        assert caught.value.reason == reason
    assert (collection.version, len(collection)) == (1, 3)


def test_bad_questions_are_refused(collection: Collection) -> None:
    """Each with its error; nothing is stored."""
    collection.add(objects(2), unit(2))
    with pytest.raises(AlreadyExists, match="o1"):
        collection.add([SkyObject("new"), SkyObject("o1")], unit(2, seed=1))
    with pytest.raises(BadRequest) as caught:
        collection.add([SkyObject("x"), SkyObject("x")], unit(2))
    assert caught.value.reason == "duplicate_id"
    with pytest.raises(BadRequest, match="3 objects"):
        collection.add(objects(3, "x"), unit(2))
    for k in (0, -1, 1001):
        with pytest.raises(BadRequest) as caught:
            collection.search(unit(1), k)
        assert caught.value.reason == "bad_k"
    with pytest.raises(BadRequest, match="exclude"):
        collection.search(unit(2), 1, exclude=["o1"])
    for unknown in (collection.get, collection.vector):
        with pytest.raises(UnknownId, match="nobody"):
            unknown("nobody")
    assert (collection.version, len(collection)) == (1, 2)
    assert collection.known(["new", "x"]) == set()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_growth_seals_by_itself(directory: Path) -> None:
    """Beyond ten thousand fresh rows; searches see no difference."""
    vectors = unit(11_000)
    with Collection(directory) as collection:
        for start in range(0, 11_000, 5500):
            rows = slice(start, start + 5500)
            collection.add(objects(11_000)[rows], vectors[rows])
        wait_for(lambda: len(list(directory.rglob("*.faiss"))) == 1)
        ids = [f"o{number}" for number in range(11_000)]
        hits = collection.search(vectors[[3]], 20)[0]
        assert ids_of(hits) == oracle(ids, vectors, vectors[3], 20)


def test_a_failed_compaction_loses_nothing(directory: Path) -> None:
    """The write is acknowledged, logged about, and searchable."""
    with Collection(directory) as collection:
        (directory / "segments").rmdir()
        (directory / "segments").write_text("in the way")
        with capture_logs() as logs:
            assert collection.add(objects(10_001), unit(10_001)) == 1
            wait_for(lambda: bool(logs))
        assert [log["event"] for log in logs] == ["compaction_failed"]
        assert ids_of(collection.search(unit(1), 1)[0]) == ["o0"]
        with pytest.raises(StorageFailed, match="segments"):
            collection.compact()
        (directory / "segments").unlink()
        collection.compact()
    with Collection(directory) as collection:
        assert len(collection) == 10_001


@pytest.mark.parametrize("pattern", ["manifest.json", "*.faiss", "*.columns"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damaged_segments_are_built_anew(
    directory: Path, pattern: str, harm: str
) -> None:
    """It is logged, answers stay right, and the next opening finds all well."""
    vectors = unit(200)
    ids = [f"o{number}" for number in range(200)]
    with Collection(directory) as collection:
        collection.add(objects(200), vectors)
        collection.compact()
    (path,) = directory.rglob(pattern)
    whole = path.read_bytes()
    if harm == "flip":
        middle = len(whole) // 2
        path.write_bytes(
            whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]
        )
    elif harm == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.unlink()
    with capture_logs() as logs, Collection(directory) as collection:
        check_against_oracle(collection, ids, vectors)
        collection.compact()
        check_against_oracle(collection, ids, vectors)
    told = "rebuilding_segments" if pattern == "manifest.json" else "segment_damaged"
    assert [log["event"] for log in logs] == [told]
    with capture_logs() as logs, Collection(directory) as collection:
        check_against_oracle(collection, ids, vectors)
    assert logs == []


def test_a_damaged_vector_is_never_served(directory: Path) -> None:
    """One flipped bit in the truth: whoever would need it is told."""
    with Collection(directory) as collection:
        collection.add(objects(3), unit(3))
    database = sqlite3.connect(directory / "catalog.sqlite3")
    (blob,) = database.execute("SELECT vector FROM vectors WHERE row = 2").fetchone()
    blob = blob[:9] + bytes([blob[9] ^ 1]) + blob[10:]
    with database:
        database.execute("UPDATE vectors SET vector = ? WHERE row = 2", (blob,))
    database.close()
    with pytest.raises(DamagedData, match="row 2"):
        Collection(directory)


def test_a_catalog_behind_its_segments_is_refused(directory: Path) -> None:
    """Lost writes are told, not papered over."""
    whole = (directory / "catalog.sqlite3").read_bytes()
    with Collection(directory) as collection:
        collection.add(objects(3), unit(3))
        collection.compact()
    (directory / "catalog.sqlite3").write_bytes(whole)
    with pytest.raises(DamagedData, match="lost writes"):
        Collection(directory)
    (directory / "manifest.json").unlink()
    with Collection(directory) as collection:
        assert len(collection) == 0


WRITER = """
import sys
from pathlib import Path
import numpy as np
from skylike.service.collection import Collection, SkyObject
random = np.random.default_rng(int(sys.argv[2]))
collection = Collection(Path(sys.argv[1]))
start = len(collection)
for number in range(start, start + 100_000, 3):
    vectors = random.normal(size=(3, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"o{number + i}" for i in range(3)]
    collection.add([SkyObject(id) for id in ids], vectors)
    if number % 5 == 0:
        collection.compact()
    sys.stdout.write(" ".join(ids) + chr(10))
    sys.stdout.flush()
"""


def test_acknowledged_writes_survive_kill_9(directory: Path) -> None:
    """Acknowledged, at most one write in flight, nothing torn; twice over."""
    acknowledged: list[str] = []
    for seed in range(2):
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", WRITER, str(directory), str(seed)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(15 + 7 * seed):
            acknowledged += process.stdout.readline().split()
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        whole_lines = [line for line in rest.splitlines() if len(line.split()) == 3]
        acknowledged += [id for line in whole_lines for id in line.split()]
        with Collection(directory) as collection:
            assert len(collection) % 3 == 0
            assert 0 <= len(collection) - len(acknowledged) <= 3
            assert collection.version == len(collection) // 3
            assert collection.known(acknowledged) == set(acknowledged)
            acknowledged = [f"o{number}" for number in range(len(collection))]
            vectors = np.stack([collection.vector(id) for id in acknowledged])
            check_against_oracle(collection, acknowledged, vectors)


def test_writers_and_readers_at_once(collection: Collection) -> None:
    """Searches see whole writes only, in order, while rows move into segments."""
    vectors = unit(2 * 40 * 5)
    failures: list[BaseException] = []
    done = threading.Event()

    def write(writer: int) -> None:
        for step in range(40):
            number = (writer * 40 + step) * 5
            batch = [SkyObject(f"w{writer}-{step:02d}-{i}") for i in range(5)]
            collection.add(batch, vectors[number : number + 5])
            if step % 10 == 9:
                collection.compact()

    def read() -> None:
        last_version, least = 0, 0
        while not done.is_set():
            version = collection.version
            assert version >= last_version
            (hits,) = collection.search(unit(1, seed=3), 1000)
            assert len(hits) >= max(least, 5 * version)
            assert len(hits) % 5 == 0
            assert len({*ids_of(hits)}) == len(hits)
            last_version, least = version, len(hits)

    def guarded(work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=guarded, args=(write, i)) for i in range(2)]
    readers = [threading.Thread(target=guarded, args=(read,)) for _ in range(3)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert failures == []
    assert (collection.version, len(collection)) == (80, 400)
    ids = [
        f"w{writer}-{step:02d}-{i}"
        for writer in range(2)
        for step in range(40)
        for i in range(5)
    ]
    check_against_oracle(collection, ids, vectors)


def test_several_writers_in_bulk_seal_every_row_once(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever seals the tail, and whenever: no row is in two segments, none in none."""
    monkeypatch.setattr("skylike.service.collection.compaction._DEFERRED_TAIL", 40)
    vectors = unit(4 * 60 * 5)
    with Collection(directory) as collection:

        def write(writer: int) -> None:
            for step in range(60):
                number = (writer * 60 + step) * 5
                batch = [SkyObject(f"w{writer}-{step:02d}-{i}") for i in range(5)]
                collection.add(batch, vectors[number : number + 5])

        with collection.bulk():
            writers = [threading.Thread(target=write, args=(i,)) for i in range(4)]
            for thread in writers:
                thread.start()
            for thread in writers:
                thread.join()
            (hits,) = collection.nearest(unit(1, seed=3), 1000)
            assert len({hit.id for hit in hits}) == 1000
            assert len(collection.scroll(limit=2000)) == 1200
    with Collection(directory) as collection:
        ids = [
            f"w{w}-{s:02d}-{i}" for w in range(4) for s in range(60) for i in range(5)
        ]
        check_against_oracle(collection, ids, vectors)


@pytest.mark.parametrize("limit", [1, 7, 100, 5000])
def test_pages_bring_every_object_once(directory: Path, limit: int) -> None:
    """In the order of writing, from a graph, a flat segment and the newest rows."""
    known = [
        SkyObject(
            f"o{number}",
            attributes={"n": number % 3},
            flags=Flag.CONSTANT if number % 11 == 0 else Flag(0),
        )
        for number in range(900)
    ]
    gone = {f"o{number}" for number in [*range(100, 300), 899, 450]}
    with Collection(directory) as collection:
        for start, kind in ((0, Kind.HNSW), (600, Kind.FLAT), (800, None)):
            collection.add(known[start : start + 200], unit(900)[start : start + 200])
            if start == 0:
                collection.add(known[200:600], unit(900)[200:600])
            if kind is not None:
                collection.compact(kind)
        collection.delete(gone)
        collection.set_attributes(["o300", "o899", "o0"], {"n": 7})
        wanted = Not(Equals("n", 1))
        for where in (None, wanted):
            found: list[str] = []
            row = 0
            while page := collection.scroll(where, after_row=row, limit=limit):
                assert len(page) <= limit
                found += [one.id for _, one in page]
                row = page[-1][0]
            expected = [
                one.id
                for number, one in enumerate(known)
                if one.id not in gone
                and (where is None or number % 3 != 1 or number == 300)
            ]
            assert found == expected
            assert collection.count(where) == len(expected)


def judged(
    fit: AnomalyFit, vector: NDArray[np.float32], hits: Sequence[Found]
) -> float:
    """The score of one by what was found near it."""
    near = Surrounding.of([[hit.row for hit in hits]], [[hit.score for hit in hits]])
    return fit.judged(vector[None], [near])[0].score


def test_fits_are_stored_and_answer(directory: Path) -> None:
    """Same answers after reopening; versions count refits and writes."""
    vectors, calibration = unit(80), unit(19, seed=5)
    with Collection(directory) as collection:
        assert collection.clusters is None
        assert collection.anomaly is None
        collection.add(objects(80), vectors)
        assert collection.fit(calibration=calibration) == collection.version == 2
        clusters, anomaly = collection.clusters, collection.anomaly
        assert clusters is not None
        assert anomaly is not None
        assert clusters.version == anomaly.version == 1
        assert sum(clusters.sizes) == 80
        assert all(id in collection.known([id]) for id in clusters.exemplar_ids[0])

        # The score of a stored object is what serving gives without itself.
        hits = collection.nearest(vectors[:1], anomaly.k, exclude=["o0"])[0]
        served = judged(anomaly, vectors[0], hits)
        assert served in anomaly.archive_scores.tolist()
        nearest = np.sort(vectors[1:].astype(float) @ vectors[0])[::-1][:20]
        assert anomaly.crowd.edges[0] == pytest.approx(1 - nearest[-1], abs=1e-7)
        assert len(anomaly.calibration_scores) == 19
        assert anomaly.p_value(1e9) == 1 / 20
        shares = clusters.probabilities(vectors)

    with Collection(directory) as collection:
        assert collection.version == 2
        clusters, anomaly = collection.clusters, collection.anomaly
        assert clusters is not None
        assert anomaly is not None
        np.testing.assert_array_equal(clusters.probabilities(vectors), shares)
        assert anomaly.p_value(1e9) == 1 / 20
        collection.add(objects(1, "new"), unit(1, seed=6))
        assert collection.fit() == 4
        assert collection.anomaly is not None
        assert collection.anomaly.version == 2
        assert collection.anomaly.p_value(1e9) == 1 / 20


def test_fits_do_not_depend_on_how_rows_are_kept(directory: Path) -> None:
    """Fresh or sealed, the fit is the same."""
    with Collection(directory) as collection:
        collection.add(objects(60), unit(60))
        collection.fit()
        fresh = collection.clusters
        collection.compact(Kind.HNSW)
        collection.fit()
        sealed = collection.clusters
    assert fresh is not None
    assert sealed is not None
    np.testing.assert_array_equal(fresh.means, sealed.means)
    assert fresh.exemplar_ids == sealed.exemplar_ids


def test_a_fit_in_parts_knows_every_object(directory: Path) -> None:
    """More than are searched for at a time; how far it is is told, and it can be ended."""
    num = 5000
    vectors, told = unit(num), list[Stage]()

    def stop(stage: Stage) -> None:
        raise Cancelled("enough")

    with Collection(directory) as collection:
        collection.add(objects(num), vectors)
        with pytest.raises(Cancelled):
            collection.fit(shown=stop)
        assert collection.ranks() is None
        collection.fit(shown=told.append)
        assert [(one.done, one.total) for one in told] == [(4096, num), (num, num)]
        ranks, anomaly = collection.ranks(), collection.anomaly
    assert ranks is not None
    assert anomaly is not None
    np.testing.assert_array_equal(ranks.rows, anomaly.crowd.rows)
    np.testing.assert_array_equal(np.sort(ranks.scores), anomaly.archive_scores)
    for place in (0, 4095, 4096, num - 1):
        cosines = vectors.astype(float) @ vectors[place]
        cosines[place] = -np.inf
        nearest = np.argsort(-cosines)[:20]
        near = Surrounding.of([ranks.rows[nearest]], [cosines[nearest]])
        [score] = anomaly.crowd.nearness(near).score
        assert ranks.scores[place] == pytest.approx(score, rel=1e-6)
        below = np.count_nonzero(ranks.scores < ranks.scores[place])
        assert ranks.percentiles[place] == 100 * below / num
    assert ranks.by_oddness.tolist() == np.argsort(-ranks.scores).tolist()
    labels = ranks.membership.labels
    for label in range(ranks.num_clusters):
        members = ranks.by_typicality(label)
        assert sorted(members) == np.flatnonzero(labels == label).tolist()


def test_fits_need_two_searchable_objects(collection: Collection) -> None:
    """One and a constant one do not make two; two do."""
    collection.add([SkyObject("a"), SkyObject("c", flags=Flag.CONSTANT)], unit(2))
    with pytest.raises(NotReady) as caught:
        collection.fit()
    assert caught.value.reason == "too_few_objects"
    collection.add([SkyObject("b")], unit(1, seed=1))
    collection.fit()
    assert collection.anomaly is not None
    assert collection.anomaly.k == 1
    assert collection.clusters is not None
    assert collection.clusters.sizes == (2,)


def test_calibration_must_lie_outside(collection: Collection) -> None:
    """An archived vector among the calibration is refused; nothing is stored."""
    vectors = unit(30)
    collection.add(objects(30), vectors)
    calibration = np.concatenate([unit(5, seed=1), vectors[7:8]])
    with pytest.raises(BadRequest, match="1 of 6") as caught:
        collection.fit(calibration=calibration)
    assert caught.value.reason == "calibration_in_archive"
    assert collection.anomaly is None
    assert collection.version == 1


def test_a_closed_collection_says_so(directory: Path) -> None:
    """For reading, writing and sealing."""
    collection = Collection(directory)
    collection.add(objects(2), unit(2))
    collection.close()
    for call in (
        lambda: collection.get("o0"),
        lambda: collection.search(unit(1), 1),
        lambda: collection.add(objects(1, "x"), unit(1)),
        lambda: collection.compact(),
        lambda: collection.fit(),
    ):
        with pytest.raises(Closed, match="closed"):
            call()


def test_a_refit_keeps_the_calibration_less_what_was_added_since(
    collection: Collection,
) -> None:
    collection.add(objects(60), unit(60))
    calibration = unit(10, seed=5)
    collection.fit(calibration=calibration)
    collection.add(objects(3, "late"), calibration[:3])
    collection.fit()
    assert collection.anomaly is not None
    np.testing.assert_array_equal(collection.anomaly.calibration, calibration[3:])
    assert len(collection.anomaly.calibration_scores) == 7
    collection.fit(calibration=calibration[:0])
    assert collection.anomaly.p_value(1.0) is None


def test_examples_and_counter_examples_make_a_query(collection: Collection) -> None:
    """None of them is found; the more alike the examples, the higher the score."""
    vectors = unit(40)
    collection.add(objects(40), vectors)
    alone = collection.nearest_to(["o3"], 5)
    plain = collection.nearest(vectors[3:4], 5, exclude=["o3"])[0]
    assert [hit.id for hit in alone] == [hit.id for hit in plain]
    found = collection.nearest_to(["o3", "o4"], 38, negative=["o5"])
    assert {hit.id for hit in found} == {f"o{i}" for i in range(40)} - {
        "o3",
        "o4",
        "o5",
    }
    query = 0.75 * vectors[[3, 4]].mean(axis=0) - 0.15 * vectors[5]
    scores = vectors @ (query / np.linalg.norm(query))
    assert found[0].score == pytest.approx(np.delete(scores, [3, 4, 5]).max(), abs=1e-6)
    some = collection.nearest_to(["o3"], 9, where=WithIds(frozenset({"o3", "o8"})))
    assert [hit.id for hit in some] == ["o8"]
    with pytest.raises(UnknownId, match="nobody"):
        collection.nearest_to(["nobody"], 1)
    with pytest.raises(BadRequest) as caught:
        collection.nearest_to([], 1)
    assert caught.value.reason == "empty_query"
    collection.add([SkyObject("anti")], -vectors[3:4])
    with pytest.raises(BadRequest) as caught:
        collection.nearest_to(["o3", "anti"], 1)
    assert caught.value.reason == "zero_norm"


def test_only_what_scores_enough_is_found(collection: Collection) -> None:
    vectors = unit(60)
    collection.add(objects(60), vectors)
    scores = vectors @ unit(1, seed=9)[0]
    found = collection.nearest(unit(1, seed=9), 60, min_score=0.2)[0]
    assert len(found) == (scores >= 0.2).sum()
    assert min(hit.score for hit in found) >= 0.2
    least = collection.nearest(unit(1, seed=9), 3, least=True)[0]
    assert [hit.score for hit in least] == pytest.approx(np.sort(scores)[:3], abs=1e-6)
    for score in (1.5, -2.0, float("nan")):
        with pytest.raises(BadRequest, match="min_score"):
            collection.nearest(unit(1), 3, min_score=score)
    for effort in (0.0, 17.0):
        with pytest.raises(BadRequest, match="effort"):
            collection.nearest(unit(1), 3, effort=effort)


@pytest.mark.parametrize("kind", [None, Kind.FLAT])
def test_a_misspelt_attribute_is_refused_with_the_near_names(
    collection: Collection, kind: Kind | None
) -> None:
    """By every question that takes a filter, wherever the objects are."""
    told: dict[str, str | float] = {"mag_r": 19.5, "survey": "ours"}
    known = [SkyObject(f"o{number}", attributes=told) for number in range(20)]
    collection.add(known, unit(20))
    if kind is not None:
        collection.compact(kind)
    wrong = All((Equals("survey", "ours"), Not(Between("magr", None, 20.0))))
    for ask in (
        lambda: collection.count(wrong),
        lambda: collection.scroll(wrong),
        lambda: collection.nearest(unit(1), 3, where=wrong),
    ):
        with pytest.raises(BadRequest, match="'magr'; is it 'mag_r'") as caught:
            ask()
        assert caught.value.reason == "unknown_attribute"
    with pytest.raises(BadRequest, match=r"there are: dec, .*, mag_r, .*survey"):
        collection.count(Equals("hubble_type", "Sb"))
    with pytest.raises(BadRequest, match="conditions of their own"):
        collection.count(Equals("label", "odd"))
    collection.set_attributes(["o3"], {"magr": 1})
    assert collection.count(Between("magr", 0)) == 1


def test_in_an_empty_collection_no_attribute_is_misspelt(
    collection: Collection,
) -> None:
    """It is filled tomorrow, and asked the same then."""
    assert collection.count(Equals("mag", 1)) == 0
    assert collection.nearest(unit(1), 3, where=Not(Equals("mag", 1))) == [[]]


def test_what_every_object_has_is_asked_by_name(collection: Collection) -> None:
    known = [
        SkyObject(
            f"o{number}",
            position=SkyPosition(10.0 * number, -5.0),
            valid_fraction=number / 10,
        )
        for number in range(10)
    ]
    collection.add(known, unit(10))
    for compacted in (False, True):
        if compacted:
            collection.compact(Kind.FLAT)
        assert collection.count(Between("ra", 25, 45)) == 2
        assert collection.count(Between("ra_deg", 25, 45)) == 2
        assert collection.count(Equals("dec", -5)) == 10
        assert collection.count(Between("valid_fraction", 0.75)) == 2
        assert collection.count(Equals("id", "o3")) == 1
        assert collection.count(Between("epoch_mjd", 0)) == 0
