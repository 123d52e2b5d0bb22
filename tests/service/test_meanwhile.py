"""What is asked and written while other threads switch, make and remove collections."""

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skylike.service import caller
from skylike.service.collection import SkyObject
from skylike.service.engine import CutoutQuery, Engine, IdQuery, NewObject
from skylike.service.errors import (
    Cancelled,
    SkylikeError,
    UnknownCollection,
)
from skylike.service.library import Library


@pytest.fixture
def library(data: Path, tmp_path: Path, sky: SimpleNamespace) -> Iterator[Library]:
    """``sky``, and ``new`` of another model, which is empty; ``live`` is ``sky``."""
    with Library(data) as opened:
        opened.create("new", sky.write_model(tmp_path / "other.onnx", seed=1))
        opened.point_alias("live", "sky")
        yield opened


@contextmanager
def again_and_again(work: Callable[[int], object]) -> Iterator[None]:
    """While a thread does something, told how often it has; its error fails the test."""
    has_ended = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            for number in itertools.count():
                if has_ended.is_set():
                    return
                work(number)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join(60)
    assert not thread.is_alive()
    assert not errors, errors


@pytest.fixture
def _impatient() -> Iterator[None]:
    """Threads interrupt each other a thousand times more often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_impatient")
def test_an_alias_that_switches_mixes_no_models(
    library: Library, sky: SimpleNamespace
) -> None:
    """A vector, told or stored, is of the model of the collection that is named."""
    engine = Engine(library)
    cutout = CutoutQuery(sky.draw("ring", 7))
    right = {name: engine.embed(name, cutout).vector for name in ("sky", "new")}
    assert not np.allclose(right["sky"], right["new"], atol=0.1)
    names = itertools.cycle(("new", "sky"))
    with again_and_again(lambda _: library.point_alias("live", next(names))):
        for number in range(100):
            told = engine.embed("live", cutout)
            assert np.allclose(told.vector, right[told.context.collection], atol=1e-5)
            added = engine.add("live", [NewObject(f"o{number}", cutout)]).context
            stored = library.collection(added.collection).vector(f"o{number}")
            assert np.allclose(stored, right[added.collection], atol=1e-5)


def test_what_is_asked_through_an_alias_outlives_every_collection(
    library: Library, tmp_path: Path
) -> None:
    """Questions and writes in flight end well before theirs is removed."""
    engine = Engine(library)
    library.snapshot("sky", tmp_path / "sky.snapshot")

    def ask(number: int) -> None:
        assert len(engine.neighbors("live", IdQuery("ring-1"), 5).hits) == 5
        engine.get("live", "ring-2", with_vector=True)
        assert engine.label("live", ["ring-3"], [f"l{number}"]).num_objects == 1

    with again_and_again(ask), again_and_again(ask), again_and_again(ask):
        before = "sky"
        for number in range(12):
            name = f"sky-{number}"
            library.restore(tmp_path / "sky.snapshot", name)
            library.point_alias("live", name)
            library.delete(before)
            before = name
    assert library.names() == ["new", before]


def test_nothing_is_written_behind_an_alias_that_has_switched(
    library: Library,
) -> None:
    """Or it would be acknowledged, and not be where the alias points."""
    engine = Engine(library)
    old, new = library.collection("sky"), library.collection("new")
    before = new.add([SkyObject("ring-1")], np.eye(1, new.dimension, dtype="f4"))
    with library.using("live", writes=True):
        assert not library.switch_alias("live", "new", basis=old.basis)

    def write(number: int) -> None:
        engine.label("live", ["ring-1"], [f"l{number % 100}"])
        time.sleep(0.002)

    with again_and_again(write), again_and_again(write), again_and_again(write):
        while not library.switch_alias("live", "new", basis=(last := old.basis)):
            pass
        time.sleep(0.2)
    assert new.version > before
    assert old.basis == last
    assert library.aliases() == {"live": "new"}


def test_who_uses_a_collection_keeps_it_until_the_end(library: Library) -> None:
    """It is not there for others any more, and removed when the last has left."""
    engine = Engine(library)
    library.drop_alias("live")
    remove = threading.Thread(target=library.delete, args=("sky",))
    with library.using("sky") as collection:
        engine.condition.look()
        remove.start()
        while "sky" in library.names():
            pass
        with pytest.raises(UnknownCollection):
            engine.get("sky", "ring-1")
        with pytest.raises(UnknownCollection):
            library.point_alias("live", "sky")
        with pytest.raises(SkylikeError):
            library.create("sky", library.model_path("new"))
        assert set(engine.condition.look()) == {"new"}
        assert [one.context.collection for one in engine.collections()] == ["new"]
        # In other threads too, for which SQLite opens the file once more.
        for ask in (
            lambda: collection.get("ring-1"),
            lambda: collection.vector("ring-2"),
        ):
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        collection.delete(["ring-1"])
        assert remove.is_alive()
    remove.join(10)
    assert not remove.is_alive()
    assert not (library.directory / "collections" / "sky").exists()


def test_a_collection_stays_if_who_removes_it_does_not_wait(library: Library) -> None:
    library.drop_alias("live")
    moments = iter(range(3))

    def still() -> None:
        if next(moments, None) is None:
            raise Cancelled("the caller has gone")

    with library.using("sky") as collection:
        with caller.waits(still), pytest.raises(Cancelled):
            library.delete("sky")
        assert library.names() == ["new", "sky"]
        assert library.collection("sky") is collection
    library.delete("sky")
    assert library.names() == ["new"]


@pytest.mark.parametrize("what", ["open", "create"])
def test_a_slow_disk_holds_up_one_collection(library: Library, what: str) -> None:
    """A manifest, or a model, that takes its time; questions to others do not wait."""
    engine = Engine(library)
    engine.get("sky", "ring-1")
    library.create("slow", library.model_path("sky"))
    directory = library.directory / "collections" / "slow"
    if what == "open":
        library.verify("slow")  # which closes it
        slow = directory / "manifest.json"
    else:
        slow = directory.parent.parent / "model.onnx"
        slow.write_bytes(library.model_path("sky").read_bytes())
    content = slow.read_bytes()
    slow.unlink()
    os.mkfifo(slow)  # whose reader waits for a writer
    works: list[Callable[[], object]] = (
        [lambda: library.collection("slow")] * 2
        if what == "open"
        else [lambda: library.create("made", slow)]
    )
    waiting = [threading.Thread(target=work) for work in works]
    answered = threading.Event()

    def ask() -> None:
        engine.neighbors("sky", IdQuery("ring-1"))
        library.create("meanwhile", library.model_path("sky"))
        library.point_alias("live", "meanwhile")
        library.delete("sky")
        answered.set()

    for thread in waiting:
        thread.start()
    asking = threading.Thread(target=ask)
    with slow.open("wb") as writer:  # which waits for a reader
        asking.start()
        in_time = answered.wait(20)
        slow.unlink()
        slow.write_bytes(content)  # for who reads it once more
        writer.write(content)
    for thread in [*waiting, asking]:
        thread.join(20)
    assert in_time
    assert ("slow" if what == "open" else "made") in library.names()
    assert len(library.collection("slow")) == 0
