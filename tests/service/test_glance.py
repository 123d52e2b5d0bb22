"""Looks at the file of a catalog that is open: what they see, and that they write nothing."""

import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.chaos.recording import can_record, record

from skylike.service.catalog import Catalog, SkyObject
from skylike.service.errors import Closed, DamagedData

NUM = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog of some pages, all of them in the file and none in the log."""
    path = tmp_path / "catalog.sqlite3"
    Catalog.create(path, "model", 4)
    catalog = Catalog(path)
    objects = [SkyObject(f"o{number}", thumbnail=b"p" * 900) for number in range(NUM)]
    catalog.add(objects, np.ones((NUM, 4), np.float32))
    catalog.close()
    return path


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    catalog = Catalog(path)
    catalog.objects(range(1, NUM + 1), thumbnails=True)  # all of it is in memory
    catalog.glance()
    yield catalog
    catalog.close()


def seen(catalog: Catalog, looks: int = 50) -> str:
    """What looks tell, of which each reads one object."""
    for _ in range(looks):
        try:
            catalog.glance()
        except DamagedData as error:
            return str(error)
    return ""


def test_a_file_that_is_overwritten_in_place_is_seen(
    catalog: Catalog, path: Path
) -> None:
    """All of it, or only what lies beyond its first pages; and that it was mended."""
    whole = path.read_bytes()
    assert seen(catalog) == ""
    for kept in (0, 8 * 4096):
        with path.open("r+b") as file:
            file.seek(kept)
            file.write(b"\xa5" * (len(whole) - kept))
        assert "damaged" in (told := seen(catalog)) or "SQLite cannot read" in told
        with path.open("r+b") as file:
            file.write(whole)
        assert seen(catalog) == ""


def test_a_file_that_is_gone_cut_off_or_another_is_seen(
    catalog: Catalog, path: Path
) -> None:
    aside = path.with_name("aside")
    path.rename(aside)
    assert "is missing" in seen(catalog)
    shutil.copy(aside, path)
    assert "another file" in seen(catalog)
    aside.replace(path)
    assert seen(catalog) == ""
    with path.open("r+b") as file:
        file.truncate(2 * 4096)
    assert seen(catalog) != ""


def test_writes_that_are_lost_are_seen(path: Path) -> None:
    """As where an older copy was put into the file."""
    older = path.read_bytes()
    catalog = Catalog(path)
    catalog.delete(["o1"])
    catalog.close()
    catalog = Catalog(path)
    assert catalog.state().version == 2
    assert seen(catalog, 1) == ""
    with path.open("r+b") as file:
        file.write(older)
    assert "number of writes" in seen(catalog, 1)
    catalog.close()


def test_looks_follow_what_is_written_meanwhile(catalog: Catalog, path: Path) -> None:
    """Objects come and go, the log is folded, and the last to close leaves no log."""
    errors: list[BaseException] = []
    has_ended = threading.Event()

    def look() -> None:
        try:
            while not has_ended.is_set():
                catalog.glance()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(40):
        new = [SkyObject(f"n{number}-{i}") for i in range(10)]
        catalog.add(new, np.ones((10, 4), np.float32))
        catalog.delete([f"o{number}"])
    has_ended.set()
    for thread in threads:
        thread.join()
    assert errors == []
    catalog.close()
    with pytest.raises(Closed, match="closed"):
        catalog.glance()
    assert [one.name for one in path.parent.iterdir()] == [path.name]


LOOKS = """
import os, sys
from pathlib import Path
from skylike.service.catalog import Catalog, Writing
catalog = Catalog(Path(sys.argv[1]))
quick = Writing(is_durable=False)
for number in range(3):
    catalog.delete([f"o{number}"], quick)
    os.write(1, b"look")
    for _ in range(5):
        catalog.glance()
    os.write(1, b"done")
"""


@pytest.mark.skipif(not can_record(), reason="there is no strace that may trace")
def test_a_look_writes_nothing_and_syncs_nothing(path: Path) -> None:
    """What was not made durable by its writer is not by whoever looks."""
    told = record([sys.executable, "-c", LOOKS, str(path)], path.parent)
    looks, during = 0, []
    is_looking = False
    for event in told:
        if event.kind == "said":
            is_looking = event.data == b"look"
            looks += is_looking
        elif is_looking and event.kind != "create":  # the first opens what is there
            during.append(event)
    assert looks == 3
    assert during == []
