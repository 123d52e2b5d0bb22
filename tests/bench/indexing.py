"""How fast FITS files on disk become rows that can be searched, beside the bare parts."""

import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import faiss as _faiss
import fitsio
import numpy as np
import onnxruntime
from tests.bench.imaging import small_files
from tests.bench.measure import Measure

from skylike.service import indexer
from skylike.service.encoder import BASE, Encoder
from skylike.service.library import Library
from skylike.service.sources import find_sources

faiss: Any = _faiss  # its stubs lack what is used here

NUM_FILES = int(os.environ.get("FILES", "20000"))
ROUNDS = 3
BATCH = 64


def measure() -> list[Measure]:
    """All figures of this theme; the parts have all cores, one after the other."""
    workers = len(os.sched_getaffinity(0))
    encoder = Encoder(BASE)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "files").mkdir()
        files = small_files(Path(folder) / "files", NUM_FILES)
        seconds = []
        for turn in range(ROUNDS):
            parts = {
                "read": _read(files, workers),
                "embed": _embed(encoder, len(files)),
                "graph": _graph(encoder.dimension, len(files)),
            }
            ours = _index(Path(folder) / str(turn), encoder, files, workers)
            seconds.append({"ours": ours} | parts)
    taken = {name: min(one[name] for one in seconds) for name in seconds[0]}
    ours = taken.pop("ours")
    rates = {f"{name}_per_second": len(files) / one for name, one in taken.items()}
    return [
        Measure(
            "indexing.fits_vs_parts",
            sum(taken.values()) / ours,
            "files per second to searchable rows, over what fitsio, ONNX Runtime and a "
            "bare HNSW build allow together",
            {"files_per_second": len(files) / ours, "files": len(files)} | rates,
        )
    ]


def _index(data: Path, encoder: Encoder, files: list[str], workers: int) -> float:
    with Library(data) as library:
        collection = library.create("sky", BASE)
        began = time.perf_counter()
        sources = find_sources([Path(files[0]).parent])
        report = indexer.index(collection, encoder, sources, workers=workers)
        seconds = time.perf_counter() - began
        assert report.indexed == len(collection) == len(files)
    return seconds


def _read(files: list[str], workers: int) -> float:
    """Data and header by fitsio, in as many processes as there are cores."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        list(pool.map(_read_some, [files[:1]] * 2 * workers))
        began = time.perf_counter()
        list(
            pool.map(
                _read_some, [files[i : i + 500] for i in range(0, len(files), 500)]
            )
        )
        return time.perf_counter() - began


def _read_some(files: list[str]) -> int:
    return sum(fitsio.read(name, header=True)[0].size for name in files)


def _embed(encoder: Encoder, count: int) -> float:
    session = onnxruntime.InferenceSession(BASE, providers=[encoder.provider])
    size, channels = encoder.spec.size, len(encoder.spec.channels)
    stamps = np.random.default_rng(0).normal(size=(BATCH, channels, size, size))
    given = {session.get_inputs()[0].name: stamps.astype(np.float32)}
    session.run(None, given)
    began = time.perf_counter()
    for _ in range(0, count, BATCH):
        session.run(None, given)
    return time.perf_counter() - began


def _graph(dimension: int, count: int) -> float:
    vectors = np.random.default_rng(0).normal(size=(count, dimension))
    index = faiss.IndexHNSWFlat(dimension, 32, faiss.METRIC_INNER_PRODUCT)
    vectors = vectors.astype(np.float32)
    began = time.perf_counter()
    index.add(vectors)
    return time.perf_counter() - began
