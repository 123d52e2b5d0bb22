"""Vectors to search: embeddings of drawn objects, and as many more as are wanted.

skylike-base's vectors of 100,000 simulated objects are extended: a new vector is an old
one, moved by the difference of two of its neighbours and half the way to a neighbour's
neighbour. The step is the one that keeps the spectrum and the distances to the tenth
neighbour (at 44,000 objects: median 0.1056 of the old, 0.1054 of as many new; largest
eigenvalue 0.0646 and 0.0624).
"""

import shutil
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from skylike.service.encoder import BASE, Encoder
from skylike.trainer import data, sky

CACHE = Path("build/bench/vectors")
NUM_DRAWN = 100_000
_SEED = 404
_NEIGHBORS = 10
_STEP = 0.6
_CHUNK = 100_000

Vectors = NDArray[np.float32]


def base(count: int = NUM_DRAWN) -> Vectors:
    """skylike-base's vectors of drawn objects, each once; kept in `CACHE`."""
    path = CACHE / f"base-{count}.npy"
    if not path.exists():
        folder = CACHE / "sky"
        shutil.rmtree(folder, ignore_errors=True)
        encoder = Encoder(BASE)
        sky.simulate(folder, count, _SEED, progress=True)
        stamps = data.load([folder], encoder.spec, progress=True).stamps
        shutil.rmtree(folder)
        np.save(path, np.unique(encoder.embed(stamps), axis=0))
    found: Vectors = np.load(path)
    return found


def extended(known: Vectors, count: int, seed: int) -> Path:
    """A file of as many vectors as are wanted, spread like those that are known."""
    path = CACHE / f"{len(known)}-{count}-{seed}.npy"
    if not path.exists():
        _, near = faiss.knn(
            known, known, _NEIGHBORS + 1, metric=faiss.METRIC_INNER_PRODUCT
        )
        near = near[:, 1:]
        random = np.random.default_rng(seed)
        found = np.lib.format.open_memmap(
            path, "w+", np.float32, (count, known.shape[1])
        )
        for start in range(0, count, _CHUNK):
            part = found[start : start + _CHUNK]
            old = random.integers(len(known), size=len(part))
            one, other, next_one = (
                random.integers(_NEIGHBORS, size=len(part)) for _ in range(3)
            )
            neighbor = near[old, one]
            moved = known[neighbor] - known[near[old, other]]
            moved += 0.5 * (known[near[neighbor, next_one]] - known[old])
            made = known[old] + _STEP * moved
            part[:] = made / np.linalg.norm(made, axis=1, keepdims=True)
        found.flush()
    return path


def uniform(count: int, dimension: int, seed: int) -> Path:
    """A file of vectors spread evenly over the sphere: what whitening pushes towards."""
    path = CACHE / f"uniform-{count}-{seed}.npy"
    if not path.exists():
        random = np.random.default_rng(seed)
        found = random.standard_normal((count, dimension), np.float32)
        np.save(path, found / np.linalg.norm(found, axis=1, keepdims=True))
    return path
