"""A disk that is really full: what was acknowledged stays, and work goes on later."""

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from tests.chaos.oracle import State, after, holds, operations
from tests.chaos.work import do

from skylike.service.errors import StorageFailed
from skylike.service.library import Library

STEPS = [0, *(1 << power for power in range(9, 24))]  # bytes
LARGE = [f"o{i}" for i in range(300)]
KINDS = ["create", "upsert", "delete", "label", "compact", "alias"]

Leaving = Callable[[int], AbstractContextManager[None]]


@pytest.fixture(params=["longest file", "small disk"])
def leaving(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leaving]:
    """While it lasts, files grow to so many bytes at most, or the disk has so many."""
    if request.param == "longest file":
        yield longest_file
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")

    @contextmanager
    def leave(size: int) -> Iterator[None]:
        filler = tmp_path / "disk" / "filler"
        filler.write_bytes(bytes(max(0, shutil.disk_usage(folder).free - size)))
        try:
            yield
        finally:
            filler.unlink()

    yield leave
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "snapshot", "restore", "drop"])
def test_what_a_full_disk_refuses_leaves_nothing_behind(
    kind: str, leaving: Leaving, model: Path, tmp_path: Path
) -> None:
    """At every size of what is left; afterwards it is done, and all is whole."""
    folder = tmp_path / "disk" / "work"
    folder.mkdir(parents=True)
    shutil.copy(model, folder.parent / "model.onnx")
    state = State()
    begun = [
        *operations(0)[:2],
        {"kind": "upsert", "names": LARGE, "number": 0},
        {"kind": "compact", "names": []},
        {"kind": "snapshot", "names": [], "number": 1},
        {"kind": "restore", "names": [], "number": 2},
        {"kind": "upsert", "names": LARGE[:30], "number": 3},
        {"kind": "delete", "names": LARGE[100:105]},
    ]
    # Few are replaced, or a compaction would begin in the background.
    names = [*LARGE[50:70], *[f"n{i}" for i in range(200)]]
    one = {"kind": kind, "names": names, "number": 5}
    if kind == "create":
        one["names"] = ["new"]
    with Library(folder / "data") as library:
        for step in begun:
            do(library, folder, state, step)
            state = after(state, step)
        num_failed = 0
        for size in STEPS:
            try:
                with leaving(size):
                    do(library, folder, state, one)
            except StorageFailed:
                num_failed += 1
                assert holds(library, folder, state)
            else:
                break
        else:
            raise AssertionError("there is never enough room")
        state = after(state, one)
        assert num_failed or kind == "drop"  # which needs none
        assert holds(library, folder, state)
        assert library.verify("sky") == []
    with Library(folder / "data") as library:
        assert holds(library, folder, state)
        more = {"kind": "upsert", "names": LARGE[:5], "number": 6}
        do(library, folder, state, more)
        assert holds(library, folder, after(state, more))
    assert {path.name for path in folder.iterdir()} == {"data", *state.snapshots}
