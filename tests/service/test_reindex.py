"""A new model goes live: nothing is lost, and nobody waits."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skylike.service import indexer
from skylike.service.collection import SkyObject, Writing
from skylike.service.encoder import Encoder
from skylike.service.errors import (
    AlreadyDone,
    AlreadyExists,
    BadInput,
    BadRequest,
    UnknownCollection,
)
from skylike.service.fits import Box, SkyPosition
from skylike.service.library import Library
from skylike.service.prepare import Source
from skylike.service.sources import find_sources

NUM_FILES = 40


@pytest.fixture
def archive(tmp_path: Path, sky: SimpleNamespace) -> Path:
    folder = tmp_path / "fits"
    folder.mkdir()
    for number in range(NUM_FILES):
        kind = ("round", "ring", "long")[number % 3]
        (folder / f"{number:02d}.fits").write_bytes(sky.draw(kind, number))
    return folder


@pytest.fixture
def library(archive: Path, model: Path, tmp_path: Path) -> Iterator[Library]:
    """Files, two sections of one of them, labels; ``live`` points to it."""
    library = Library(tmp_path / "data")
    collection = library.create("sky", model)
    first = str(archive / "00.fits")
    boxes = Box(-6, -6, 26, 26), Box(4, 4, 36, 36)
    parts = [Source(first, f"part {n}", True, box) for n, box in enumerate(boxes)]
    sources = [*find_sources([archive]), *parts]
    indexer.index(collection, library.encoder_of(collection), sources)
    collection.label(["03.fits", "part 1"], ["merger"])
    collection.set_attributes(["04.fits"], {"redshift": 0.5, "name": "mine"})
    library.point_alias("live", "sky")
    with library:
        yield library


@pytest.fixture
def other(tmp_path: Path, sky: SimpleNamespace) -> Path:
    path: Path = sky.write_model(tmp_path / "other.onnx", seed=7)
    return path


def content(library: Library, name: str) -> dict[str, SkyObject]:
    """All objects of a collection, without what depends on the model."""
    pages = library.collection(name).scroll(limit=1000)
    return {one.id: one for _, one in pages}


def test_the_alias_switches_to_the_same_objects_with_other_vectors(
    library: Library, other: Path
) -> None:
    before = content(library, "sky")
    done = indexer.reindex(library, "live", other)
    assert (done.before, done.recall, done.report.rejects) == ("sky", 1.0, ())
    assert library.aliases() == {"live": done.collection}
    assert library.names() == sorted(["sky", done.collection])
    assert content(library, "live") == before
    new, old = library.collection("live"), library.collection("sky")
    assert new.model_id == Encoder(other).model_id != old.model_id
    assert new.clusters is not None
    assert not np.allclose(new.vector("part 0"), old.vector("part 0"), atol=1e-3)
    library.rollback_alias("live")
    assert library.collection("live") is old


def test_the_old_collection_answers_and_is_written_to_meanwhile(
    library: Library, other: Path, archive: Path, sky: SimpleNamespace
) -> None:
    """What was acknowledged before the switch is in the new one, whenever it came."""
    old = library.collection("live")
    (archive / "late.fits").write_bytes(sky.draw("ring", 999))
    answers = []
    before_the_switch = []
    has_switched = threading.Event()

    def use() -> None:
        indexer.index(old, library.encoder_of(old), find_sources([archive]))
        old.delete(["05.fits"])
        old.set_attributes(["07.fits"], {"seen": True, "name": None})
        for number in range(40):
            old.label(["06.fits"], [f"late {number}"])
            if library.aliases()["live"] == "sky":
                before_the_switch.append(f"late {number}")
            time.sleep(0.02)
        while not has_switched.is_set():
            live = library.collection("live")
            query = live.vector("01.fits")[None]
            answers.append(live.nearest(query, 1)[0][0].id)

    user = threading.Thread(target=use)
    user.start()
    try:
        indexer.reindex(library, "live", other)
    finally:
        has_switched.set()
        user.join()
    assert set(answers) <= {"01.fits"}
    found = content(library, "live")
    assert found["06.fits"].labels >= set(before_the_switch)
    if len(before_the_switch) == 40:  # all else came before
        assert found == content(library, "sky")
        assert "late.fits" in found


def test_writes_with_a_name_are_known_after_the_switch(
    library: Library, other: Path
) -> None:
    """Who got no answer before it and asks again after it does nothing twice."""
    old = library.collection("sky")
    named = [Writing(f"n{number}", digest=f"d{number}") for number in range(3)]
    assert old.label(["06.fits", "07.fits"], ["a"], how=named[0]) == {
        "06.fits",
        "07.fits",
    }
    assert old.delete(["06.fits"], named[1]) == {"06.fits"}
    indexer.reindex(library, "live", other)
    new = library.collection("live")
    for how, count in ((named[0], 2), (named[1], 1)):
        with pytest.raises(AlreadyDone) as caught:
            new.label(["07.fits"], ["b"], how=how)
        assert (caught.value.num_objects, caught.value.version) == (count, new.version)
    with pytest.raises(BadRequest):
        new.label(["07.fits"], ["b"], how=replace(named[0], digest="other"))
    assert new.label(["07.fits"], ["c"], how=named[2]) == {"07.fits"}
    assert new.get("07.fits").labels == {"a", "c"}
    # Back at the old one, what was done since is to be done.
    library.rollback_alias("live")
    assert library.collection("live").label(["07.fits"], ["c"], how=named[2]) == {
        "07.fits"
    }


def test_what_people_changed_stays_changed(library: Library, other: Path) -> None:
    """Also what they took away, moved, or gave another type."""
    old = library.collection("sky")
    old.set_attributes(["10.fits"], {"name": None, "flag": 1})
    old.set_attributes(["11.fits"], {"flag": True})
    moved = replace(old.get("12.fits"), position=SkyPosition(1.0, 2.0))
    old.upsert([moved], old.vector("12.fits")[None])
    indexer.reindex(library, "live", other)
    found = content(library, "live")
    assert "name" not in found["10.fits"].attributes
    assert found["10.fits"].attributes["flag"] == 1
    assert found["11.fits"].attributes["flag"] is True
    assert found["12.fits"].position == SkyPosition(1.0, 2.0)
    assert found == content(library, "sky")


def test_a_collection_that_was_live_is_never_filled_again(
    library: Library, other: Path, model: Path
) -> None:
    """It may have what the older one lacks. A date does not pass for a model either."""
    for night in "20240101", "20240102":
        library.create(f"night-{night}", model)
        library.point_alias(f"on-{night}", f"night-{night}")
        done = indexer.reindex(library, f"on-{night}", other)
        assert done.collection.startswith(f"night-{night}-")
    made = library.collection(indexer.reindex(library, "live", other).collection)
    made.label(["06.fits"], ["by hand"])
    library.rollback_alias("live")
    with pytest.raises(AlreadyExists, match="set the alias to it, or delete it first"):
        indexer.reindex(library, "live", other)
    assert made.get("06.fits").labels == {"by hand"}


def test_nothing_switches_while_an_object_cannot_be_read_again(
    library: Library, other: Path, archive: Path, sky: SimpleNamespace
) -> None:
    """Once it can, a repeated run reads nothing else."""
    (archive / "08.fits").unlink()
    with pytest.raises(BadInput) as caught:
        indexer.reindex(library, "live", other)
    assert caught.value.reason == "too_many_rejects"
    assert library.aliases() == {"live": "sky"}
    (archive / "08.fits").write_bytes(sky.draw("ring", 8))
    done = indexer.reindex(library, "live", other)
    assert (done.report.indexed, done.report.known) == (1, NUM_FILES + 1)
    assert content(library, "live").keys() == content(library, "sky").keys()


def test_objects_of_which_nobody_knows_the_file_are_told(
    library: Library, other: Path
) -> None:
    old = library.collection("sky")
    old.add([SkyObject("sent")], old.vector("01.fits")[None])
    with pytest.raises(
        BadInput, match="the first: sent: the collection does not know"
    ) as caught:
        indexer.reindex(library, "live", other)
    assert caught.value.reason == "too_many_rejects"
    [made] = set(library.names()) - {"sky"}
    new = library.collection(made)
    new.add([SkyObject("sent")], old.vector("02.fits")[None])
    done = indexer.reindex(library, "live", other)
    assert done.report.rejects == ()
    assert len(library.collection("live")) == len(old)


def test_an_alias_that_is_none_and_the_model_it_has_are_refused(
    library: Library, model: Path
) -> None:
    with pytest.raises(UnknownCollection, match="alias set gone COLLECTION"):
        indexer.reindex(library, "gone", model)
    with pytest.raises(BadRequest) as caught:
        indexer.reindex(library, "live", model)
    assert caught.value.reason == "same_model"


def test_the_command_tells_what_it_did(library: Library, other: Path) -> None:
    library.close()
    command = [sys.executable, "-Im", "skylike.service", "reindex", "--json"]
    given = ["--alias", "live", "--model", other, "--data", library.directory]
    ended = subprocess.run(
        [*command, *map(str, given)], capture_output=True, text=True, check=True
    )
    facts = json.loads(ended.stdout)
    assert (facts["before"], facts["objects"]) == ("sky", NUM_FILES + 2)
    assert facts["collection"].startswith("sky-")
    assert "per_second=" in ended.stderr
