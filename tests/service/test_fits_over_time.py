"""What becomes of fits: what they cost, what is kept of them, how one goes on."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from skylike.service.clusters import Settings
from skylike.service.collection import Collection, SkyObject, fitting
from skylike.service.errors import Cancelled, DamagedData
from skylike.service.progress import Stage

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


def test_names_outlive_a_fit_by_another_method(directory: Path) -> None:
    """As long as a fit that had them is kept."""
    middles = unit(4, seed=5)[np.random.default_rng(6).integers(4, size=400)]
    vectors = middles + 0.05 * unit(400)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with Collection(directory) as collection:
        collection.add(objects(400), vectors)
        collection.fit(method="kmeans", number=4)
        for label in range(4):
            collection.rename_cluster(label, f"kind {label}")
        assert collection.clusters is not None
        called = collection.clusters.name_of
        for _ in range(4):
            collection.fit(method="mixture", number=1)
        collection.fit(method="kmeans", number=4)
        assert collection.clusters.name_of == called
        ranks = collection.ranks()
        assert ranks is not None
        assert set(ranks.labels.tolist()) == set(called)
        assert set(ranks.membership.labels.tolist()) <= {-1, *called}


def test_a_name_that_is_given_while_an_old_one_comes_back_stays_the_only_one(
    directory: Path,
) -> None:
    """Whoever gave it was promised so."""
    middles = unit(4, seed=5)[np.random.default_rng(6).integers(4, size=400)]
    vectors = middles + 0.05 * unit(400)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with Collection(directory) as collection:
        collection.add(objects(400), vectors)
        collection.fit(method="kmeans", number=4)
        for label in range(4):
            collection.rename_cluster(label, f"kind {label}")
        collection.fit(method="kmeans", number=3)
        assert collection.clusters is not None
        alive = set(collection.clusters.name_of) & set(range(4))
        lost, other = min(set(range(4)) - alive), min(alive)

        def rename(stage: Stage) -> None:
            if stage.work == "fitting":
                collection.rename_cluster(other, f"kind {lost}")

        collection.fit(method="kmeans", number=4, shown=rename)
        expected = {label: f"kind {label}" for label in range(4)}
        expected |= {other: f"kind {lost}", lost: f"cluster {lost}"}
        assert collection.clusters.name_of == expected


def damage(directory: Path, version: int) -> None:
    """One flipped bit in the clusters of a fit."""
    with closing(sqlite3.connect(directory / "catalog.sqlite3")) as database, database:
        which = "WHERE kind = 'clusters' AND version = ?"
        (blob,) = database.execute(
            f"SELECT arrays FROM fits {which}", (version,)
        ).fetchone()
        blob = blob[:99] + bytes([blob[99] ^ 1]) + blob[100:]
        database.execute(f"UPDATE fits SET arrays = ? {which}", (blob, version))


def test_an_old_fit_that_is_damaged_stops_no_later_one(directory: Path) -> None:
    """It would only lend names; those before it still do."""
    middles = unit(4, seed=5)[np.random.default_rng(6).integers(4, size=400)]
    vectors = middles + 0.05 * unit(400)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with Collection(directory) as collection:
        collection.add(objects(400), vectors)
        collection.fit(method="kmeans", number=4)
        collection.rename_cluster(2, "spirals")
        for _ in range(2):
            collection.fit(method="mixture", number=1)
    damage(directory, 2)
    with Collection(directory) as collection:
        with capture_logs() as told:
            collection.fit(method="kmeans", number=4)
        assert collection.clusters is not None
        assert collection.clusters.name_of[2] == "spirals"
        with pytest.raises(DamagedData):
            collection.clusters_of(2)
    assert [one["version"] for one in told if "damaged" in one["event"]] == [2]


KILLED = """
import os, signal, sys
from pathlib import Path
from skylike.service.collection import Collection, fitting

fitting.KEPT_AT_A_TIME = 1000

def watch(stage):
    if (stage.work, stage.done) == ("fitting", 5000):
        os.kill(os.getpid(), signal.SIGKILL)

with Collection(Path(sys.argv[1])) as collection:
    collection.fit(calibration=None, seed=3, shown=watch)
"""


@pytest.fixture
def begun(directory: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A collection whose fit was killed after clusters and neighbours of 4,096, and a twin."""
    with Collection(directory) as collection:
        middles = unit(4, seed=5)[np.random.default_rng(6).integers(4, size=6300)]
        vectors = middles + 0.05 * unit(6300)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        collection.add(objects(6000), vectors[:6000])
        collection.compact()
        collection.fit(calibration=unit(20, seed=9), method="kmeans", number=4)
        collection.rename_cluster(1, "dull")
        collection.add(objects(300, "late"), vectors[6000:])
    twin = tmp_path / "twin"
    shutil.copytree(directory, twin)
    killed = subprocess.run([sys.executable, "-c", KILLED, directory], check=False)
    assert killed.returncode == -signal.SIGKILL
    return directory, twin


def fitted(directory: Path, **how: Any) -> tuple[list[Stage], dict[str, Any]]:
    """What a fit told of itself, and all that it has stored."""
    told: list[Stage] = []
    with Collection(directory) as collection:
        collection.fit(seed=3, shown=told.append, **how)
        fits = collection._catalog.fits
        stored = {
            f"{kind}.{name}": array
            for kind in ("clusters", "anomaly", "ranks", "portraits")
            for name, array in (fits.of(kind, 2) or {}).items()
        }
    return told, stored


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """To the last bit."""
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_a_fit_that_was_killed_goes_on_and_ends_as_one_that_was_not(
    begun: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "KEPT_AT_A_TIME", 1000)
    directory, twin = begun
    with Collection(directory) as collection:
        collection.rename_cluster(1, "bright")
    with Collection(twin) as collection:
        collection.rename_cluster(1, "bright")
    told, stored = fitted(directory)
    assert {one.work for one in told} == {"fitting"}
    assert [one.done for one in told] == [1000, 2000, 3000, 4000, 5000, 6000, 6300]
    assert [one.begun for one in told] == [1000, 2000, 3000, 4000, 4000, 4000, 4000]
    assert told[3].seconds_left is None
    assert not (directory / "fitting").exists()
    whole, expected = fitted(twin)
    assert "fitting clusters" in {one.work for one in whole}
    assert_equal(stored, expected)
    assert "bright" in stored["clusters.names"]


@pytest.mark.parametrize("harm", ["flip", "cut", "swap"])
def test_stages_that_are_not_as_they_were_are_found_anew(
    begun: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setattr(fitting, "KEPT_AT_A_TIME", 1000)
    directory, twin = begun
    paths = sorted((directory / "fitting").glob("*/*"))
    assert len(paths) == 5
    contents = [path.read_bytes() for path in paths]
    for path, content, other in zip(paths, contents, contents[::-1], strict=True):
        middle = len(content) // 2
        flipped = (
            content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        )
        path.write_bytes({"flip": flipped, "cut": content[:-9], "swap": other}[harm])
    told, stored = fitted(directory)
    if harm != "swap":  # the third of five stays where it was
        assert "fitting clusters" in {one.work for one in told}
        assert {one.begun for one in told} == {0}
    assert_equal(stored, fitted(twin)[1])


def test_stages_of_another_fit_are_removed_and_not_used(
    begun: tuple[Path, Path],
) -> None:
    """Of another number, or of other objects; and a disk that takes none stops nothing."""
    directory, twin = begun
    for path in begun:
        with Collection(path) as collection:
            collection.delete(["o7"])
    shutil.rmtree(twin / "fitting", ignore_errors=True)
    (twin / "fitting").touch()  # where no folder can be made
    told, stored = fitted(directory)
    assert {one.begun for one in told} == {0}
    assert_equal(stored, fitted(twin)[1])


def test_what_is_kept_of_a_fit_that_was_cancelled_is_of_use(directory: Path) -> None:
    def stop(stage: Stage) -> None:
        if stage.work == "fitting":
            raise Cancelled("enough")

    with Collection(directory) as collection:
        collection.add(objects(300), unit(300))
        with pytest.raises(Cancelled):
            collection.fit(method="kmeans", number=3, shown=stop)
        kept = [path.name for path in (directory / "fitting").glob("*/*")]
        assert kept == ["clusters"]
        with pytest.raises(Cancelled):
            collection.fit(method="kmeans", number=2, shown=stop)
        assert len(list((directory / "fitting").iterdir())) == 1
        told: list[Stage] = []
        collection.fit(method="kmeans", number=2, shown=told.append)
        assert {one.work for one in told} == {"fitting"}


def test_what_is_kept_is_of_no_use_once_an_earlier_fit_is_gone(directory: Path) -> None:
    """Labels and names were given by that one too."""
    told: list[Stage] = []

    def stop(stage: Stage) -> None:
        told.append(stage)
        if stage.work == "fitting":
            raise Cancelled("enough")

    with Collection(directory) as collection:
        collection.add(objects(300), unit(300))
        for number in (3, 2):
            collection.fit(method="kmeans", number=number)
        with pytest.raises(Cancelled):
            collection.fit(method="kmeans", number=3, shown=stop)
        told.clear()
        with pytest.raises(Cancelled):
            collection.fit(method="kmeans", number=3, shown=stop)
        assert {one.work for one in told} == {"fitting"}
    damage(directory, 1)
    with Collection(directory) as collection:
        collection.fit(method="kmeans", number=3, shown=told.append)
    assert "fitting clusters" in {one.work for one in told}
