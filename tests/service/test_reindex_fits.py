"""What people said of an archive is so under its new model, too."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skylike.service import indexer
from skylike.service.collection import Opinion
from skylike.service.jobs import Reindex
from skylike.service.library import Library
from skylike.service.progress import Shown
from skylike.service.sources import find_sources

NUM_FILES = 60


@pytest.fixture
def root(tmp_path: Path, sky: SimpleNamespace) -> Path:
    """An archive of three kinds, and ordinary objects beside it."""
    for folder, count, first in (("fits", NUM_FILES, 0), ("ordinary", 20, 500)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            kind = ("round", "ring", "long")[number % 3]
            path = tmp_path / folder / f"{number:02d}.fits"
            path.write_bytes(sky.draw(kind, first + number))
    sky.write_model(tmp_path / "other.onnx", seed=7)
    return tmp_path


@pytest.fixture
def library(root: Path, model: Path) -> Iterator[Library]:
    """Fitted in a way of its own, with a name; ``live`` points to it."""
    with Library(root / "data") as library:
        old = library.create("sky", model)
        encoder = library.encoder_of(old)
        indexer.index(old, encoder, find_sources([root / "fits"]))
        ordinary = [str(path) for path in sorted((root / "ordinary").iterdir())]
        vectors, _ = indexer.calibration_of(encoder, ordinary)
        old.fit(calibration=vectors, method="kmeans", number=3, seed=5)
        library.point_alias("live", "sky")
        yield library


def kinds(library: Library, name: str) -> dict[str, str]:
    """What the cluster of each object is called."""
    found = library.collection(name)
    ranks = found.ranks()
    assert ranks is not None
    assert found.clusters is not None
    names = {**found.clusters.name_of, -1: ""}
    ids = found._view.ids(ranks.rows)
    labels = ranks.membership.labels.tolist()
    return {id: names[label] for id, label in zip(ids, labels, strict=True)}


def test_clusters_are_found_as_before_and_keep_their_names(
    library: Library, root: Path
) -> None:
    """By the method, number and seed of the last fit; a cluster lives on by its members."""
    old = library.collection("sky")
    old.rename_cluster(0, "discs of dust")
    old.rename_cluster(2, "the long")
    before = kinds(library, "sky")
    indexer.reindex(library, "live", root / "other.onnx")
    new = library.collection("live")
    assert new is not old
    assert old.clusters is not None
    assert new.clusters is not None
    assert new.clusters.settings == old.clusters.settings
    assert new.clusters.next_label >= old.clusters.next_label
    after = kinds(library, "live")
    assert len(after) == NUM_FILES
    shared = [before[id] == after[id] for id in before]
    assert np.mean(shared) > 0.6
    assert {"discs of dust", "the long"} <= set(after.values())
    new.fit()
    assert {"discs of dust", "the long"} <= set(kinds(library, "live").values())


def test_those_who_rate_and_name_without_pause_hold_up_no_switch(
    library: Library, root: Path
) -> None:
    """And all they said before it is there, though nothing is fitted again for it."""
    old = library.collection("sky")
    has_ended = threading.Event()
    rated, fits = dict[str, float](), list[str]()

    def rate() -> None:
        number = 0
        while library.aliases()["live"] == "sky" and not has_ended.is_set():
            id, number = f"{number % NUM_FILES:02d}.fits", number + 1
            with library.using("live", writes=True) as found:
                found.rate("ada", {id: Opinion(number % 6)})
                found.rename_cluster(1, f"name {number}")
                if found is old:
                    rated[id] = float(number % 6)

    rater = threading.Thread(target=rate)
    rater.start()
    try:
        indexer.reindex(
            library,
            "live",
            root / "other.onnx",
            shown=lambda stage: fits.append(stage.work),
        )
    finally:
        has_ended.set()
        rater.join()
    new = library.collection("live")
    told = {one.id: one.opinion.score for one in new.ratings().ratings}
    assert rated
    assert told.keys() >= rated.keys()
    # One may have been rated in the new one since.
    assert sum(told[id] != score for id, score in rated.items()) <= 1
    assert new.anomaly is not None
    assert new.anomaly.version == 1
    assert old.clusters is not None
    assert new.clusters is not None
    name = new.clusters.name_of.get(1, "")
    assert name.startswith("name ")


def test_p_values_live_on_by_images_and_their_end_is_told(
    library: Library, root: Path
) -> None:
    """Vectors of the old model are of no use to the new one."""
    work = Reindex("live", root / "other.onnx", (root,))
    told = work.do(library, Shown.NOT, [])
    assert told["calibration"] == 0
    assert "no p-values any more: 20 calibration objects" in told["warning"]
    library.rollback_alias("live")
    library.delete(told["collection"])
    calibrated = Reindex(
        "live", root / "other.onnx", (root,), calibration=(root / "ordinary",)
    )
    told = calibrated.do(library, Shown.NOT, [])
    assert told["calibration"] == 20
    assert "warning" not in told
    anomaly = library.collection("live").anomaly
    assert anomaly is not None
    assert anomaly.p_value(1e9) == pytest.approx(1 / 21)
