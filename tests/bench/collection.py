"""What a collection costs beside the bare index that it keeps."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss as _faiss
import numpy as np
import structlog
from tests.bench import vectors
from tests.bench.measure import Measure, paired

from skylike.service.collection import Collection, SkyObject
from skylike.service.columns import Between, Cone, Filter, OneOf
from skylike.service.fits import SkyPosition

faiss: Any = _faiss  # its stubs lack what is used here

SIZE = int(os.environ.get("SIZE", "1000000"))
DRAWN = int(os.environ.get("DRAWN", str(vectors.NUM_DRAWN)))
BATCH = 10_000
QUERIES = 2000
K = 10
SHARES = (0.5, 0.05, 0.005, 0.0001)
_WIDEST = 1024
_SAME = 0.001  # recalls that differ by less are taken as the same


def measure() -> list[Measure]:
    """All figures of this theme."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    vectors.CACHE.mkdir(parents=True, exist_ok=True)
    known = vectors.base(DRAWN)
    archive = np.load(vectors.extended(known, SIZE, seed=1), mmap_mode="r")
    queries = np.load(vectors.extended(known, QUERIES, seed=2))
    exact, _ = faiss.knn(
        queries, np.array(archive), K, metric=faiss.METRIC_INNER_PRODUCT
    )
    with TemporaryDirectory(dir=vectors.CACHE.parent) as folder:
        directory = Path(folder) / "sky"
        directory.mkdir()
        bare, bare_rate = _bare(np.array(archive))
        found = [_add(directory, archive, bare_rate)]
        with Collection(directory) as collection:
            found += _search(collection, bare, queries, exact[:, -1])
            found += _filters(collection, np.array(archive), queries)
        del bare
        found += _opening(directory)
    return found


def _bare(archive: Any) -> tuple[Any, float]:
    index = faiss.IndexHNSWFlat(archive.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    began = time.perf_counter()
    index.add(archive)
    return index, len(archive) / (time.perf_counter() - began)


def _add(directory: Path, archive: Any, bare_rate: float) -> Measure:
    """Objects with attributes and positions, in batches, durable; then one graph."""
    Collection.create(directory, "model", archive.shape[1])
    seconds = 0.0
    with Collection(directory) as collection:
        began = time.perf_counter()
        with collection.bulk():
            for start in range(0, len(archive), BATCH):
                rows = range(start, min(start + BATCH, len(archive)))
                paused = time.perf_counter()
                objects = [sky_object(row) for row in rows]
                part = np.array(archive[rows.start : rows.stop])
                seconds -= time.perf_counter() - paused
                collection.add(objects, part)
        seconds += time.perf_counter() - began
    rate = len(archive) / seconds
    return Measure(
        "collection.add_vs_faiss",
        rate / bare_rate,
        "rows per second with compaction, over a bare HNSW32 build",
        {"rows_per_second": rate, "bare_rows_per_second": bare_rate},
    )


def sky_object(row: int) -> SkyObject:
    """An object of a survey, without a thumbnail."""
    return SkyObject(
        f"survey/{row:08d}.fits",
        SkyPosition(row * 0.61803398875 * 360 % 360, row % 17_000 / 100 - 85),
        59000 + row * 1e-5,
        uri=f"file:///archive/{row:08d}.fits",
        attributes={"share": row * 0.7548776662 % 1, "survey": "abc"[row % 3]},
    )


def _search(
    collection: Collection, bare: Any, queries: Any, lowest: Any
) -> list[Measure]:
    found = collection.nearest(queries, K)
    scores = np.array([[hit.score for hit in hits] for hits in found])
    recall = float((scores >= lowest[:, None] - 1e-6).mean())

    def of_bare(width: int) -> float:
        parameters = faiss.SearchParametersHNSW(efSearch=width)
        scores, _ = bare.search(queries, K, params=parameters)
        return float((scores >= lowest[:, None] - 1e-6).mean())

    # Of some graphs no width finds all.
    wanted = min(recall, of_bare(_WIDEST)) - _SAME
    width = next(w for w in range(12, _WIDEST + 4, 4) if of_bare(w) >= wanted)
    bare_recall = of_bare(width)
    parameters = faiss.SearchParametersHNSW(efSearch=width)
    measures = [
        Measure(
            "collection.recall_at_10",
            recall,
            "share of the ten nearest that are found",
            {"bare_recall": bare_recall, "bare_width": width},
        )
    ]
    for name, size, rounds in (("search", 100, 60), ("search_one", 1, 600)):
        parts = [queries[i : i + size] for i in range(0, len(queries), size)]
        seconds, bare_seconds = paired(
            _by_turns(parts, lambda part: collection.nearest(part, K)),
            _by_turns(parts, lambda part: _alone(bare, part, parameters)),
            rounds,
        )
        hydrated, _ = paired(
            _by_turns(parts, lambda part: collection.search(part, K)),
            _by_turns(parts, lambda part: _alone(bare, part, parameters)),
            rounds,
        )
        of = {
            "microseconds": seconds * 1e6,
            "bare_microseconds": bare_seconds * 1e6,
            "with_objects_microseconds": hydrated * 1e6,
            "with_objects_vs_faiss": hydrated / bare_seconds,
        }
        unit = f"time of {size} queries, ids and scores, over bare FAISS"
        measures.append(
            Measure(f"collection.{name}_vs_faiss", seconds / bare_seconds, unit, of)
        )
    return measures


def _alone(bare: Any, part: Any, parameters: Any) -> None:
    """FAISS at its best: a single query wakes no second thread."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(min(before, len(part)))
    bare.search(part, K, params=parameters)
    faiss.omp_set_num_threads(before)


def _by_turns(parts: list[Any], work: Callable[[Any], object]) -> Callable[[], object]:
    turn = iter(range(1 << 60))
    return lambda: work(parts[next(turn) % len(parts)])


def _filters(collection: Collection, archive: Any, queries: Any) -> list[Measure]:
    """Recall and time where few may be found, beside all of these compared."""
    measures = []
    for name, (where, mask) in _cases(len(archive)).items():
        allowed = archive[mask(0)]
        some = queries[:200]
        found = collection.nearest(some, K, where=where(0))
        wanted = min(K, len(allowed))
        assert all(len(hits) == wanted for hits in found), name
        recall = 1.0
        if wanted:
            exact, _ = faiss.knn(
                some, allowed, wanted, metric=faiss.METRIC_INNER_PRODUCT
            )
            scores = np.array([[hit.score for hit in hits] for hits in found])
            recall = float((scores >= exact[:, -1:] - 1e-6).mean())
        turn = iter(range(1 << 60))

        def ours(turn: Any = turn, where: Any = where) -> None:
            number = next(turn)
            collection.nearest(queries[number % 2000][None], K, where=where(number))

        def bare(turn: Any = turn, mask: Any = mask) -> None:
            chosen = archive[np.flatnonzero(mask(next(turn)))]
            if len(chosen):
                count = min(K, len(chosen))
                faiss.knn(queries[:1], chosen, count, metric=faiss.METRIC_INNER_PRODUCT)

        seconds, bare_seconds = paired(ours, bare, 50)
        measures.append(
            Measure(
                f"collection.filter_{name}",
                seconds * 1e3,
                "milliseconds of one query of which only these may be found",
                {
                    "recall_at_10": recall,
                    "share": len(allowed) / len(archive),
                    "filter_and_compare_milliseconds": bare_seconds * 1e3,
                    "vs_filter_and_compare": seconds / bare_seconds,
                },
            )
        )
    return measures


def _cases(
    size: int,
) -> dict[str, tuple[Callable[[int], Filter], Callable[[int], Any]]]:
    """Filters, and what they mean for arrays.

    Each time a little different, so that none is remembered.
    """
    rows = np.arange(size)
    shares = rows * 0.7548776662 % 1
    surveys = rows % 3
    directions = _direction(rows * 0.61803398875 * 360 % 360, rows % 17_000 / 100 - 85)

    def middle(number: int) -> SkyPosition:
        return SkyPosition(number * 7.7 % 360, number * 3.3 % 160 - 80)

    def in_cone(number: int) -> Any:
        one = middle(number)
        cosines = directions @ _direction(one.ra_deg, one.dec_deg)
        return cosines >= np.cos(np.radians(1))

    def below(share: float) -> tuple[Callable[[int], Filter], Callable[[int], Any]]:
        return (
            lambda number: Between("share", None, share + 1e-12 * number),
            lambda number: shares <= share + 1e-12 * number,
        )

    return {
        **{f"{share:g}": below(share) for share in SHARES},
        "0": (
            lambda number: Between("share", 2.0 + number),
            lambda number: shares >= 2.0 + number,
        ),
        "equal": (
            lambda number: OneOf("survey", ("b", str(number))),
            lambda _: surveys == 1,
        ),
        "cone": (lambda number: Cone(middle(number), 1.0), in_cone),
    }


def _direction(ra_deg: Any, dec_deg: Any) -> Any:
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.stack(
        [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1
    )


_OPENING = """
import json, sys, time
from pathlib import Path
import cdshealpix  # with astropy, when the first position is met
import numpy as np
import structlog
from skylike.service.collection import Collection
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
before, began = resident(), time.perf_counter()
collection = Collection(Path(sys.argv[1]))
random = np.random.default_rng(0).normal(size=(2000, collection.dimension))
random /= np.linalg.norm(random, axis=1, keepdims=True)
collection.nearest(random[:1], 10)
seconds = time.perf_counter() - began
collection.nearest(random, 10)
for row in range(0, len(collection), 997):
    id = f"survey/{row:08d}.fits"
    collection.nearest(collection.vector(id)[None], 10)
raw = 4 * len(collection) * collection.dimension
print(json.dumps({"seconds": seconds, "resident": resident() - before, "raw": raw}))
"""


def _opening(directory: Path) -> list[Measure]:
    done = subprocess.run(
        [sys.executable, "-c", _OPENING, directory], capture_output=True, check=True
    )
    found = json.loads(done.stdout)
    return [
        Measure("collection.open_seconds", found["seconds"], "to the first answer", {}),
        Measure(
            "collection.memory_vs_raw",
            found["resident"] / found["raw"],
            "resident bytes after searching all over, over those of the vectors",
            {"resident_bytes": found["resident"], "raw_bytes": found["raw"]},
        ),
    ]
