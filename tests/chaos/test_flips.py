"""One bit of a data directory flips, anywhere: nothing wrong is answered silently.

ITERATIONS=1000 SEED=1 for a long run, as `make chaos` does.
"""

import dataclasses
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skylike.service.collection import Collection, SkyObject
from skylike.service.columns import Equals, Labelled
from skylike.service.errors import DamagedData, SkylikeError
from skylike.service.flags import Flag
from skylike.service.index import Kind
from skylike.service.library import Library

ITERATIONS = 4 * int(os.environ.get("ITERATIONS", "25"))
SEED = int(os.environ.get("SEED", "0"))
WRITES = 12  # in the log of the second data directory

pytestmark = pytest.mark.slow

Known = dict[str, tuple[SkyObject, Any]]


def vectors(num: int, dimension: int, seed: int) -> Any:
    found = np.random.default_rng(seed).normal(size=(num, dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def add(sky: Collection, known: Known, num: int) -> None:
    first = len(known)
    objects = [
        SkyObject(
            f"o{first + i}",
            uri=f"u{first + i}",
            attributes={"n": i % 7},
            flags=Flag.CONSTANT if i % 20 == 9 else Flag(0),
            thumbnail=b"png",
        )
        for i in range(num)
    ]
    made = vectors(num, sky.dimension, first)
    sky.add(objects, made)
    known |= {one.id: (one, vector) for one, vector in zip(objects, made, strict=True)}


@pytest.fixture(scope="module")
def known() -> Known:
    """What is in the data directory."""
    return {}


@pytest.fixture(scope="module", params=list(Kind))
def whole(
    request: pytest.FixtureRequest,
    known: Known,
    model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Two segments, one of a kind, a tail, a journal, fits, an alias."""
    data = tmp_path_factory.mktemp("flips") / "data"
    known.clear()
    with Library(data) as library:
        sky = library.create("sky", model)
        add(sky, known, 190)
        sky.compact(request.param)
        add(sky, known, 25)
        sky.compact()
        add(sky, known, 5)
        sky.delete(["o5", "o140"])
        sky.label(["o7", "o150"], ["odd"])
        sky.fit(calibration=vectors(20, sky.dimension, 1000))
        library.point_alias("live", "sky")
    for name in ("o5", "o140"):
        del known[name]
    for name in ("o7", "o150"):
        one, vector = known[name]
        known[name] = dataclasses.replace(one, labels=frozenset(["odd"])), vector
    return data


def wrong(sky: Collection, known: Known) -> list[str]:
    """What is answered wrongly."""
    query = vectors(1, sky.dimension, 2000)
    scores = {
        name: float(vector.astype(float) @ query[0])
        for name, (one, vector) in known.items()
        if one.is_searchable
    }
    best = sorted(scores.values(), reverse=True)

    def is_right(ids: list[str]) -> bool:
        """As good as the best, but for what float16 rounds."""
        found = [scores.get(name, 2.0) for name in ids]
        return len(set(ids)) == 100 and np.allclose(found, best[:100], 0, 1e-3)

    found = []
    for name, (expected, vector) in known.items():
        if sky.get(name) != expected:
            found.append(f"get {name}")
        if not np.array_equal(sky.vector(name), vector):
            found.append(f"vector {name}")
    hits = sky.search(query, 100, exact=True, thumbnails=True)[0]
    if not is_right([hit.object.id for hit in hits]):
        found.append("search")
    if any(known[hit.object.id][0] != hit.object for hit in hits):
        found.append("objects of the search")
    quick = sky.nearest(query, 100)[0]
    if not {hit.id for hit in quick} <= set(scores):
        found.append("approximate search")
    num_three = sum(one.attributes["n"] == 3 for one, _ in known.values())
    if sky.count(Equals("n", 3)) != num_three:
        found.append("count")
    odd = [one.id for _, one in sky.scroll(Labelled("odd"))]
    if odd != ["o7", "o150"]:
        found.append("labels")
    if sky.clusters is None or sky.anomaly is None:
        found.append("fits")
    return found


def test_a_flipped_bit_is_found_and_mended_or_does_no_harm(
    whole: Path, known: Known, tmp_path: Path
) -> None:
    """After opening and verifying; what is derived is mended by --repair."""
    random = np.random.default_rng(SEED)
    files = [path for path in sorted(whole.rglob("*")) if path.is_file()]
    [truth] = [path for path in files if path.suffix == ".sqlite3"]
    told = {"whole": 0, "mended": 0, "refused": 0}
    for number in range(ITERATIONS):
        path = truth if number % 2 else files[number // 2 % len(files)]
        data = tmp_path / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(whole, data)
        content = bytearray(path.read_bytes())
        place, bit = int(random.integers(len(content))), int(random.integers(8))
        content[place] ^= 1 << bit
        (data / path.relative_to(whole)).write_bytes(content)
        where = f"bit {bit} of byte {place} of {path.name}"
        with ExitStack() as stack:
            try:
                library = stack.enter_context(Library(data))
                problems = library.verify("sky", repair=True)
            except SkylikeError:
                told["refused"] += 1
                continue
            if all(one.is_derived for one in problems):
                assert library.verify("sky") == [], where
                assert wrong(library.collection("sky"), known) == [], where
                told["mended" if problems else "whole"] += 1
            else:
                told["refused"] += 1
    assert min(told.values()) > ITERATIONS // 20, told


def test_a_damaged_segment_or_manifest_is_made_anew_at_opening(
    whole: Path, known: Known, tmp_path: Path
) -> None:
    """Without a word from anybody, and without an answer less."""
    random = np.random.default_rng(SEED)
    files = [path for path in sorted(whole.rglob("*")) if path.is_file()]
    derived = [path for path in files if path.parent.name == "segments"]
    derived += [path for path in files if path.name == "manifest.json"]
    for number in range(ITERATIONS // 4):
        path = derived[number % len(derived)]
        data = tmp_path / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(whole, data)
        content = bytearray(path.read_bytes())
        place = int(random.integers(len(content)))
        content[place] ^= 1 << int(random.integers(8))
        (data / path.relative_to(whole)).write_bytes(content)
        with Library(data) as library:
            where = f"byte {place} of {path.name}"
            assert wrong(library.collection("sky"), known) == [], where


def test_a_damaged_log_ends_there(model: Path, tmp_path: Path) -> None:
    """The limit: SQLite takes a flipped bit for the end of its log, without a word.

    What is left is whole, and a state that there has been; where segments know of more,
    it is refused, and no repair makes light of it.
    """
    random = np.random.default_rng(SEED)
    known: Known = {}
    with Library(tmp_path / "live") as library:
        sky = library.create("sky", model)
        sky.add([SkyObject("first")], vectors(1, sky.dimension, 3000))
        sky.compact()
        for _ in range(WRITES):
            add(sky, known, 3)
        # As a process that is killed leaves it: the log is not folded in.
        left = shutil.copytree(
            tmp_path / "live", tmp_path / "left", ignore=shutil.ignore_patterns("*-shm")
        )
    log = left / "collections" / "sky" / "catalog.sqlite3-wal"
    content = log.read_bytes()
    counts, num_refused = set(), 0
    for _ in range(max(40, ITERATIONS // 4)):
        damaged = bytearray(content)
        damaged[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
        data = tmp_path / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(left, data)
        (data / log.relative_to(left)).write_bytes(damaged)
        with Library(data) as library:
            try:
                sky = library.collection("sky")
            except DamagedData:
                num_refused += 1
                [problem] = library.verify("sky", repair=True)
                assert "has lost" in problem.message
                assert not problem.is_derived
                continue
            counts.add(len(sky))
            expected = {f"o{i}" for i in range(len(sky) - 1)}
            assert (len(sky) - 1) % 3 == 0
            assert sky.known(known) == expected
            for name in expected:
                assert sky.get(name) == known[name][0]
                np.testing.assert_array_equal(sky.vector(name), known[name][1])
            assert library.verify("sky") == []
    assert num_refused
    assert len(counts) > WRITES // 2
