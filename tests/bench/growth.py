"""One collection, built and asked in processes of their own: ``build`` and ``ask``.

Each prints what it measured as JSON; `tests.bench.scale` runs it.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from tests.bench.collection import BATCH, sky_object

from skylike.service.collection import Collection
from skylike.service.index import Kind

K = 10
_ROWS_BETWEEN = 997


def build(folder: Path, archive: Any, kind: Kind) -> dict[str, float]:
    """Add all vectors, durably, then make one index of them."""
    directory = folder / "sky"
    directory.mkdir()
    Collection.create(directory, "model", archive.shape[1])
    adding = 0.0
    with Collection(directory) as collection:
        with collection.bulk(kind):
            for start in range(0, len(archive), BATCH):
                rows = range(start, min(start + BATCH, len(archive)))
                objects = [sky_object(row) for row in rows]
                part = np.array(archive[rows.start : rows.stop])
                began = time.perf_counter()
                collection.add(objects, part)
                adding += time.perf_counter() - began
            began = time.perf_counter()
        building = time.perf_counter() - began
    # Not ru_maxrss, which begins with what the process that started this one held.
    peak = _held("VmHWM")
    catalog = sum(path.stat().st_size for path in directory.glob("catalog*"))
    others = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return {
        "rows_added_per_second": len(archive) / adding,
        "build_seconds": building,
        "peak_bytes_per_vector": peak / len(archive),
        "catalog_bytes_per_vector": catalog / len(archive),
        "index_bytes_per_vector": (others - catalog) / len(archive),
    }


def ask(folder: Path, archive: Any, kind: Kind) -> dict[str, float]:
    """Open, and ask for the neighbours of one vector after the other."""
    del archive, kind
    queries = np.load(folder / "queries.npy")
    before, began = _held("VmRSS"), time.perf_counter()
    with Collection(folder / "sky") as collection:
        collection.nearest(queries[:1], K)
        opening = time.perf_counter() - began
        seconds, rows = [], []
        for query in queries[:, None]:
            began = time.perf_counter()
            found = collection.nearest(query, K)[0]
            seconds.append(time.perf_counter() - began)
            rows.append([int(hit.id[-13:-5]) for hit in found])
        began = time.perf_counter()
        for start in range(0, len(queries), 100):
            collection.nearest(queries[start : start + 100], K)
        batch = (time.perf_counter() - began) / len(queries)
        for row in range(0, len(collection), _ROWS_BETWEEN):
            collection.vector(sky_object(row).id)
        resident = (_held("VmRSS") - before) / len(collection)
    np.save(folder / "rows.npy", np.array(rows))
    p50, p99 = np.quantile(seconds, (0.5, 0.99)) * 1e3
    return {
        "p50_milliseconds": p50,
        "p99_milliseconds": p99,
        "milliseconds_in_batches_of_100": batch * 1e3,
        "open_seconds": opening,
        "resident_bytes_per_vector": resident,
    }


def _held(what: str) -> int:
    """Bytes by the kernel's account: VmRSS now, VmHWM at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if what in line) * 1024


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    work = {"build": build, "ask": ask}[sys.argv[1]]
    given = np.load(sys.argv[3], mmap_mode="r")
    found = work(Path(sys.argv[2]), given, Kind(sys.argv[4]))
    sys.stdout.write(json.dumps(found))
