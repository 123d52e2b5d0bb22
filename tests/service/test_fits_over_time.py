"""What becomes of fits: what they cost, what is kept of them, how one goes on."""

import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skylike.service.clusters import Settings
from skylike.service.collection import Collection, SkyObject

DIMENSION = 16


def unit(num: int, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(num, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def objects(num: int, name: str = "o") -> list[SkyObject]:
    return [SkyObject(f"{name}{number}") for number in range(num)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "sky"
    path.mkdir()
    Collection.create(path, "m" * 64, DIMENSION)
    return path


def test_a_fit_of_copies_costs_no_more_than_one_of_as_many_others(
    directory: Path,
) -> None:
    """Each of 20,000 ties with all others, and lists of those would take gigabytes."""
    num = 20_000
    with Collection(directory) as collection:
        collection.add(objects(num), np.repeat(unit(1), num, axis=0))
        tracemalloc.start()
        began = time.process_time()
        collection.fit(method="kmeans", number=1)
        seconds = time.process_time() - began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        ranks = collection.ranks()
    assert ranks is not None
    assert (ranks.scores == 0).all()
    assert peak < 200 << 20
    assert seconds < 60


def test_of_what_nobody_can_ask_for_nothing_is_kept(directory: Path) -> None:
    """Nightly fits for a year: five can be listed, and the newest judges."""
    with Collection(directory) as collection:
        collection.add(objects(50), unit(50))
        for _ in range(7):
            collection.fit(method="kmeans", number=2)
        fits = collection._catalog.fits
        kept = {kind: fits.versions(kind) for kind in ("clusters", "anomaly", "ranks")}
    assert kept == {"clusters": [3, 4, 5, 6, 7], "anomaly": [7], "ranks": [6, 7]}


def test_a_fit_that_is_not_told_how_is_as_the_last_one(directory: Path) -> None:
    """Also of its seed: with another one clusters are found from nothing."""
    with Collection(directory) as collection:
        collection.add(objects(60), unit(60))
        collection.fit(method="kmeans", number=3, seed=7)
        collection.fit()
        assert collection.clusters is not None
        assert collection.clusters.settings == Settings("kmeans", 3, 7)
        collection.fit(seed=0)
        assert collection.clusters.settings == Settings("kmeans", 3, 0)
