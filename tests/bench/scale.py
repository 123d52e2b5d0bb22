"""How a collection grows: the same questions at ten thousand objects and at ten million.

SIZES=10000,100000 for less; objects have a position, a time and two attributes, and no
thumbnail. Ten million take 40 GB of disk while they are built.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray
from tests.bench import vectors
from tests.bench.measure import Measure

from skylike.service.index import Kind

faiss: Any = _faiss  # its stubs lack what is used here

SIZES = [
    int(size)
    for size in os.environ.get("SIZES", "10000,100000,1000000,10000000").split(",")
]
ALL_KINDS_AT = 1_000_000
QUERIES = 1000
K = 10
_CHUNK = 1_000_000


def measure() -> list[Measure]:
    """A line for each size, and for the other kinds of index and other vectors at one."""
    vectors.CACHE.mkdir(parents=True, exist_ok=True)
    known = vectors.base()
    queries = np.load(vectors.extended(known, 2000, seed=2))[:QUERIES]
    measures = []
    for size in SIZES:
        path = vectors.extended(known, size, seed=1)
        usual = Kind.for_size(size)
        kinds = [
            usual,
            *(kind for kind in Kind if size == ALL_KINDS_AT and kind != usual),
        ]
        measures += [_one("drawn", path, queries, kind) for kind in kinds]
        if size == ALL_KINDS_AT:
            path = vectors.uniform(size, known.shape[1], seed=1)
            others = np.load(vectors.uniform(QUERIES, known.shape[1], seed=2))
            measures += [
                _one("uniform", path, others, kind) for kind in (Kind.HNSW, Kind.IVF)
            ]
    return measures


def _one(name: str, path: Path, queries: NDArray[np.float32], kind: Kind) -> Measure:
    archive = np.load(path, mmap_mode="r")
    exact = _nearest(archive, queries)
    with TemporaryDirectory(dir=vectors.CACHE.parent) as folder:
        np.save(Path(folder) / "queries.npy", queries)
        built = _run("build", folder, str(path), kind.value)
        asked = _run("ask", folder, str(path), kind.value)
        found = np.load(Path(folder) / "rows.npy")
    recall = np.mean([np.isin(*both).mean() for both in zip(exact, found, strict=True)])
    return Measure(
        f"scale.{name}_{len(archive)}_{kind.value}",
        asked.pop("p50_milliseconds"),
        "milliseconds of one query, median",
        {"recall_at_10": float(recall), **asked, **built},
    )


def _nearest(
    archive: NDArray[np.float32], queries: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The ten nearest, by comparing with all."""
    scores = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(archive), _CHUNK):
        part = np.array(archive[start : start + _CHUNK])
        some, places = faiss.knn(queries, part, K, metric=faiss.METRIC_INNER_PRODUCT)
        scores = np.concatenate([scores, some], axis=1)
        rows = np.concatenate([rows, places + start], axis=1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return np.take_along_axis(rows, best, axis=1)


def _run(*words: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.growth", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
