"""Snapshots: one file, one moment, nothing damaged goes unnoticed."""

import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skylike.service import snapshot
from skylike.service.collection import Collection, SkyObject
from skylike.service.errors import (
    AlreadyExists,
    BadInput,
    BadRequest,
    DamagedData,
    UnknownCollection,
)
from skylike.service.library import Library


def vectors(collection: Collection, num: int, seed: int = 0) -> Any:
    found = np.random.default_rng(seed).normal(size=(num, collection.dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def add(collection: Collection, num: int, prefix: str = "o") -> None:
    seed = sum(prefix.encode())
    objects = [SkyObject(f"{prefix}{i}", attributes={"n": i}) for i in range(num)]
    collection.add(objects, vectors(collection, num, seed))


@pytest.fixture
def made(tmp_path: Path, model: Path) -> Iterator[SimpleNamespace]:
    """A library with a collection of some history, and a snapshot of it."""
    library = Library(tmp_path / "data")
    sky = library.create("sky", model)
    add(sky, 60)
    sky.compact()
    sky.fit()
    sky.delete(["o3", "o7"])
    sky.label(["o5"], ["odd"])
    facts = library.snapshot("sky", tmp_path / "sky.snapshot")
    yield SimpleNamespace(
        library=library, sky=sky, path=tmp_path / "sky.snapshot", facts=facts
    )
    library.close()


def test_a_restored_collection_is_the_same(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    """Objects, vectors, fits, version and answers; in another place, by another name."""
    facts = snapshot.verify(made.path)
    assert facts == made.facts
    assert (facts.collection, facts.version, facts.num_objects) == ("sky", 4, 58)
    add(made.sky, 5, "later")
    with Library(tmp_path / "elsewhere") as other:
        copy = other.restore(made.path)
        named = other.restore(made.path, "again")
        assert other.names() == ["again", "sky"]
        assert other.encoder_of(named).model_id == made.sky.model_id
        for one in (copy, named):
            assert (one.version, len(one)) == (4, 58)
            assert one.get("o5").labels == {"odd"}
            assert one.known(["o3", "later0"]) == set()
            np.testing.assert_array_equal(one.vector("o9"), made.sky.vector("o9"))
            assert one.clusters is not None
            queries = vectors(one, 3, seed=5)
            plain = [[h.id for h in hits] for hits in one.nearest(queries, 58)]
            known = made.sky.nearest(queries, 63)
            assert plain == [[h.id for h in hits if h.id[0] == "o"] for hits in known]
            add(one, 2, "new")
        assert not list((tmp_path / "elsewhere" / "collections").glob(".*"))


def test_a_snapshot_is_of_one_moment_while_others_write(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    """Every write is in it whole or not at all, and in their order."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        number = 0
        try:
            while not stop.is_set():
                add(made.sky, 3, f"w{number:04}-")
                number += 1
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        facts = [
            made.library.snapshot("sky", tmp_path / f"{i}.snapshot") for i in range(4)
        ]
    finally:
        stop.set()
        writer.join()
    assert failures == []
    assert [one.version for one in facts] == sorted({one.version for one in facts})
    with Library(tmp_path / "elsewhere") as other:
        for number, one in enumerate(facts):
            copy = other.restore(tmp_path / f"{number}.snapshot", f"c{number}")
            writes = one.version - 4
            assert (copy.version, len(copy)) == (one.version, 58 + 3 * writes)
            ids = [f"w{i:04}-{j}" for i in range(writes) for j in range(3)]
            assert copy.known([*ids, f"w{writes:04}-0"]) == set(ids)


def test_any_damage_is_noticed(made: SimpleNamespace, tmp_path: Path) -> None:
    """A flipped bit that matters, a file that is cut off; and nothing is left behind."""
    content = made.path.read_bytes()
    random = np.random.default_rng(0)
    bad = tmp_path / "bad.snapshot"
    noticed = 0
    with Library(tmp_path / "elsewhere") as other:
        for place in random.integers(0, len(content), 60).tolist():
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(random.integers(8))
            bad.write_bytes(damaged)
            try:
                facts = snapshot.verify(bad)
            except (DamagedData, BadInput):
                noticed += 1
                with pytest.raises((DamagedData, BadInput)):
                    other.restore(bad)
                continue
            assert facts == made.facts  # in what fills a block
        assert noticed > 40
        for end in (0, 100, 600, len(content) // 2, len(content) - 12_000):
            bad.write_bytes(content[:end])
            with pytest.raises((DamagedData, BadInput)):
                other.restore(bad)
        assert other.names() == []
        assert list((tmp_path / "elsewhere" / "collections").iterdir()) == []


def test_what_is_no_snapshot_is_refused(tmp_path: Path, made: SimpleNamespace) -> None:
    """Also an archive that would write elsewhere."""
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as archive:
        entry = tarfile.TarInfo("../../outside")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(DamagedData, match="which no snapshot has"):
        made.library.restore(evil)
    assert not (tmp_path / "outside").exists()
    (tmp_path / "text").write_text("no archive" * 100)
    for path in (tmp_path / "text", tmp_path / "gone"):
        with pytest.raises(BadInput) as caught:
            snapshot.verify(path)
        assert caught.value.reason == "no_snapshot"


def test_nothing_is_written_over(made: SimpleNamespace, tmp_path: Path) -> None:
    before = made.path.read_bytes()
    with pytest.raises(AlreadyExists, match="exists already"):
        made.library.snapshot("sky", made.path)
    assert made.path.read_bytes() == before
    with pytest.raises(AlreadyExists, match="collection 'sky'"):
        made.library.restore(made.path)
    made.library.point_alias("live", "sky")
    with pytest.raises(AlreadyExists, match="alias 'live'"):
        made.library.restore(made.path, "live")
    with pytest.raises(BadRequest, match="cannot name"):
        made.library.restore(made.path, "../sky")
    with pytest.raises(UnknownCollection):
        made.library.snapshot("nobody", tmp_path / "n.snapshot")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "sky.snapshot"]


def test_what_a_killed_snapshot_left_is_cleared_away_by_the_next(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    """Not what another process is working in, nor what is not ours."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from skylike.service import caller, snapshot\n"
        "def still():\n"
        "    print('under way', flush=True); sys.stdin.read()\n"
        "folder, file = os.open(sys.argv[1], os.O_RDONLY), Path(sys.argv[2])\n"
        "with caller.waits(still):\n"
        "    facts = snapshot.Facts('sky', 1, 0, 24, '')\n"
        "    snapshot.write(folder, 'other.snapshot', facts, file, file)\n"
    )
    isolated = ["-I"] if sys.flags.isolated else []
    command = [sys.executable, *isolated, "-c", code, str(tmp_path), str(made.path)]
    pipe = subprocess.PIPE
    outside = tmp_path / "data" / "kept"
    outside.mkdir()
    (outside / "lock").write_text("not ours")
    (tmp_path / ".snapshot").mkdir()
    (tmp_path / ".skylike-snapshot-folder").mkdir()
    (tmp_path / ".skylike-snapshot-link").symlink_to(outside)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n"
        [draft] = (p for p in tmp_path.glob(".skylike-snapshot-*") if p.is_file())
        made.library.snapshot("sky", tmp_path / "one.snapshot")
        assert draft.exists()
        process.kill()
    assert draft.exists()
    made.library.snapshot("sky", tmp_path / "two.snapshot")
    assert (outside / "lock").read_text() == "not ours"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        ".skylike-snapshot-folder",
        ".skylike-snapshot-link",
        ".snapshot",
        "data",
        "one.snapshot",
        "sky.snapshot",
        "two.snapshot",
    ]


def test_the_commands_write_check_and_restore(
    made: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from skylike.service.__main__ import main  # noqa: PLC0415 -- reads sys.argv

    def run(*words: object) -> dict[str, Any]:
        monkeypatch.setattr("sys.argv", ["skylike-service", *map(str, words), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return {"code": ended.value.code, **found}

    made.library.close()
    data, file = tmp_path / "data", tmp_path / "new.snapshot"
    told = run("snapshot", "sky", file, "--data", data)
    assert (told["code"], told["num_objects"], told["version"]) == (0, 58, 4)
    assert run("restore", file, "--check") == told
    told = run("restore", file, "--collection", "copy", "--data", data)
    assert (told["collection"], told["num_objects"]) == ("copy", 58)
    assert run("restore", file, "--data", data)["error"]["reason"] == "already_exists"
