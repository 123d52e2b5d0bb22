"""What is asked and written while other threads switch, make and remove collections."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skylike.service.engine import CutoutQuery, Engine, NewObject
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
        for number in range(300):
            told = engine.embed("live", cutout)
            assert np.allclose(told.vector, right[told.context.collection], atol=1e-5)
            added = engine.add("live", [NewObject(f"o{number}", cutout)]).context
            stored = library.collection(added.collection).vector(f"o{number}")
            assert np.allclose(stored, right[added.collection], atol=1e-5)
