"""Cutouts that were sent, read by other processes."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skylike.service import caller, fits, uploads
from skylike.service.errors import Cancelled, SkylikeError
from skylike.service.processes import Processes
from skylike.service.stamp import StampSpec
from skylike.service.uploads import CutoutQuery, Readers, Stamped

SPEC, LIMITS = StampSpec(), fits.Limits()


@pytest.fixture
def readers() -> Iterator[Readers]:
    made = Readers()
    yield made
    made.close()


def test_other_processes_read_as_this_one_does(
    readers: Readers, sky: SimpleNamespace
) -> None:
    """Stamps, readings, and errors with their reasons, in the order of the cutouts."""
    sent = [
        CutoutQuery(sky.draw("ring", number), name=str(number)) for number in range(16)
    ]
    sent.insert(2, CutoutQuery(b"<html>", name="page"))
    sent.insert(4, CutoutQuery(b""))
    alone = uploads.stamped_all(sent, SPEC, LIMITS)
    for one, other in zip(readers.stamped_all(sent, SPEC, LIMITS), alone, strict=True):
        if isinstance(other, Stamped):
            assert isinstance(one, Stamped)
            assert one.reading == other.reading
            np.testing.assert_array_equal(one.stamp, other.stamp)
        else:
            assert isinstance(one, SkylikeError)
            assert isinstance(other, SkylikeError)
            assert (type(one), one.reason, str(one)) == (
                type(other),
                other.reason,
                str(other),
            )


def _read_or_die(task: uploads.Task) -> uploads.Answer:
    """As a process does that some cutout is too much for."""
    if any(cutout.name == "deadly" for cutout in task[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    return uploads.read(task)


def test_a_cutout_that_ends_a_process_is_told_and_costs_no_other(
    sky: SimpleNamespace,
) -> None:
    """However many lie beside it."""
    sent = [CutoutQuery(sky.draw("ring", number)) for number in range(16)]
    sent.insert(3, CutoutQuery(sent[0].fits, name="deadly"))
    readers = Readers(Processes(_read_or_die, 2))
    try:
        found = readers.stamped_all(sent, SPEC, LIMITS)
    finally:
        readers.close()
    [failed] = [one for one in found if not isinstance(one, Stamped)]
    assert found.index(failed) == 3
    assert isinstance(failed, SkylikeError)
    assert failed.reason == "crashed"
    assert "deadly" in str(failed)


def _read_slowly(task: uploads.Task) -> uploads.Answer:
    """As a process does that notes whose cutouts it reads, and the first takes long."""
    asked = Path(str(task[0][0].name))
    with (asked.parent / "read").open("a") as file:
        file.write(f"{asked.name}\n")
    while asked.name == "first" and not (asked.parent / "go on").exists():
        time.sleep(0.01)
    return uploads.read(task)


def test_what_nobody_waits_for_any_more_is_not_read(
    sky: SimpleNamespace, tmp_path: Path
) -> None:
    """Though it was in line for it already."""
    readers = Readers(Processes(_read_slowly, 1))
    has_gone = iter([False, True])  # before it is in line, and in it

    def ask(name: str) -> None:
        cutout = CutoutQuery(sky.draw("ring", 1), name=str(tmp_path / name))
        readers.stamped_all([cutout] * 16, SPEC, LIMITS)

    def still() -> None:
        if next(has_gone):
            raise Cancelled("nobody waits")

    try:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(ask, "first")
            while not (tmp_path / "read").exists():
                time.sleep(0.01)
            with caller.waits(still), pytest.raises(Cancelled):
                ask("second")
            (tmp_path / "go on").touch()
            first.result(20)
            ask("third")
    finally:
        readers.close()
    assert (tmp_path / "read").read_text().split() == ["first", "third"]
