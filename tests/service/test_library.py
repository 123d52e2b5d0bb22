"""A data directory: one owner, whole collections, the right model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skylike.service.collection import SkyObject
from skylike.service.errors import (
    AlreadyExists,
    BadModel,
    BadRequest,
    Closed,
    DamagedData,
    InUse,
    UnknownCollection,
)
from skylike.service.library import Library


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "some" / "data"


def test_everything_is_there_after_reopening(directory: Path, model: Path) -> None:
    """Collections, their objects and their model, without the model's first file."""
    copied = shutil.copy(model, directory.parent.parent / "copy.onnx")
    with Library(directory) as library:
        assert library.names() == []
        sky = library.create("sky", Path(copied))
        assert library.collection("sky") is sky
        other = library.create("a-2_b", model)
        vector = np.eye(1, sky.dimension, dtype=np.float32)
        sky.add([SkyObject("o")], vector)
        assert library.encoder_of(sky) is library.encoder_of(other)
        model_id = sky.model_id
    Path(copied).unlink()
    with Library(directory) as library:
        assert library.names() == ["a-2_b", "sky"]
        sky = library.collection("sky")
        assert sky.get("o").id == "o"
        encoder = library.encoder_of(sky)
        assert encoder.model_id == model_id == sky.model_id
        assert encoder.dimension == sky.dimension
        assert library.encoder_of(library.collection("a-2_b")) is encoder
    assert [path.stem for path in (directory / "models").iterdir()] == [model_id]


@pytest.mark.parametrize(
    "name", ["", "Sky", "../sky", "-sky", ".new-sky", "a b", "é", "sky\n", "x" * 64]
)
def test_names_are_plain(directory: Path, model: Path, name: str) -> None:
    """What cannot name a collection is refused, and never looked up on disk."""
    with Library(directory) as library:
        with pytest.raises(BadRequest) as caught:
            library.create(name, model)
        assert caught.value.reason == "bad_name"
        with pytest.raises(UnknownCollection if name else BadRequest):
            library.collection(name)
        library.create("x" * 63, model)


def test_a_name_is_given_once(directory: Path, model: Path) -> None:
    """An existing collection is left alone."""
    with Library(directory) as library:
        library.create("sky", model)
        with pytest.raises(AlreadyExists, match="sky"):
            library.create("sky", model)
        with pytest.raises(UnknownCollection, match="there are: sky"):
            library.collection("see")
        with pytest.raises(UnknownCollection):
            library.model_path("see")


def test_no_name_means_the_only_collection_at_each_call(
    directory: Path, model: Path
) -> None:
    with Library(directory) as library:
        with pytest.raises(BadRequest, match="there are: none"):
            library.collection("")
        library.create("one", model)
        assert library.collection("").name == "one"
        assert library.model_path("") == library.model_path("one")
        library.create("two", model)
        with pytest.raises(BadRequest, match="there are: one, two") as caught:
            library.collection("")
        assert caught.value.reason == "which_collection"


def test_an_unfinished_collection_does_not_exist(
    directory: Path, model: Path, tmp_path: Path
) -> None:
    """Neither what a crash left behind, nor what a bad model began."""
    left = directory / "collections" / ".new-sky"
    left.mkdir(parents=True)
    (left / "catalog.sqlite3").write_bytes(b"half")
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a model")
    with Library(directory) as library:
        assert library.names() == []
        with pytest.raises(BadModel):
            library.create("sky", bad)
        assert library.names() == []
        library.create("sky", model)
        assert library.names() == ["sky"]
    assert not left.exists()


@pytest.mark.parametrize("harm", ["flip", "remove", "swap"])
def test_a_changed_model_is_refused(
    directory: Path, model: Path, sky: SimpleNamespace, harm: str
) -> None:
    """One flipped bit in the weights, no file, or another model under its name."""
    with Library(directory) as library:
        library.create("sky", model)
    (path,) = (directory / "models").iterdir()
    whole = path.read_bytes()
    if harm == "flip":
        middle = len(whole) // 2
        path.write_bytes(
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        )
    elif harm == "remove":
        path.unlink()
    else:
        sky.write_model(path, seed=1)
    with Library(directory) as library:
        collection = library.collection("sky")
        with pytest.raises(DamagedData, match="models"):
            library.encoder_of(collection)
        assert len(collection) == 0
    # Creating a collection with the true file puts it right.
    with Library(directory) as library:
        library.create("second", model)
    with Library(directory) as library:
        collection = library.collection("sky")
        assert library.encoder_of(collection).dimension == sky.dimension


def test_only_one_may_have_it_open(directory: Path) -> None:
    """Neither another process nor this one again; after closing, anyone."""
    code = (
        "import sys; from pathlib import Path\n"
        "from skylike.service.library import Library\n"
        "library = Library(Path(sys.argv[1]))\n"
        "sys.stdout.write('open' + chr(10)); sys.stdout.flush(); sys.stdin.read()\n"
        "library.close()\n"
    )
    command = [sys.executable, "-I", "-c", code, str(directory)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(InUse, match=f"process {process.pid}") as caught:
            Library(directory)
        assert str(directory) in str(caught.value)
        process.communicate("")
    with Library(directory), pytest.raises(InUse, match="in use"):
        Library(directory)
    Library(directory).close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["collections"],
        ["info", "sky"],
        ["verify", "--repair"],
        ["snapshot", "sky", "{folder}/new.snapshot"],
        ["alias", "list"],
        ["delete", "sky", "--yes"],
        ["serve", "--address", "127.0.0.1:0"],
    ],
)
def test_commands_are_refused_what_another_process_has_open(
    words: list[str], directory: Path, model: Path
) -> None:
    """Those that only read too: at once, naming the directory, the process, the remedy."""
    said = [word.format(folder=directory.parent) for word in words]
    command = [
        sys.executable,
        "-Im",
        "skylike.service",
        *said,
        "--data",
        str(directory),
    ]
    with Library(directory) as library:
        library.create("sky", model)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"{directory} is in use by process {os.getpid()}" in done.stderr
        assert "Stop that process" in done.stderr
        assert "[in_use]" in done.stderr
        assert library.names() == ["sky"]
    assert [path.name for path in directory.parent.iterdir()] == ["data"]


def test_a_closed_library_says_so(directory: Path, model: Path) -> None:
    """And has closed its collections."""
    library = Library(directory)
    collection = library.create("sky", model)
    library.close()
    library.close()
    with pytest.raises(Closed, match="closed"):
        library.collection("sky")
    with pytest.raises(Closed, match="closed"):
        library.create("other", model)
    with pytest.raises(Closed, match="closed"):
        collection.get("o")


def test_an_alias_stands_for_its_collection(directory: Path, model: Path) -> None:
    """It switches, goes back, survives reopening, and is no collection itself."""
    with Library(directory) as library:
        for name in ("one", "two"):
            library.create(name, model)
        library.point_alias("live", "one")
        assert library.collection("live").name == "one"
        library.point_alias("live", "two")
        assert library.collection("live").name == "two"
        assert library.names() == ["one", "two"]
    with Library(directory) as library:
        assert library.aliases() == {"live": "two"}
        assert library.rollback_alias("live") == "one"
        assert library.collection("live").name == "one"
        with pytest.raises(BadRequest) as caught:
            library.rollback_alias("live")
        assert caught.value.reason == "no_earlier_target"
        library.drop_alias("live")
        for ask in (library.collection, library.drop_alias, library.rollback_alias):
            with pytest.raises(UnknownCollection, match="live"):
                ask("live")


def test_names_of_aliases_and_collections_do_not_clash(
    directory: Path, model: Path
) -> None:
    with Library(directory) as library:
        library.create("one", model)
        library.point_alias("live", "one")
        with pytest.raises(AlreadyExists, match="alias 'live'"):
            library.create("live", model)
        with pytest.raises(AlreadyExists, match="collection 'one'"):
            library.point_alias("one", "one")
        with pytest.raises(UnknownCollection, match="'live'"):
            library.point_alias("other", "live")
        with pytest.raises(BadRequest, match="cannot name"):
            library.point_alias("../live", "one")


def test_what_a_crash_left_unfinished_is_cleared_away(
    directory: Path, model: Path
) -> None:
    with Library(directory) as library:
        library.create("one", model)
    for name in (".new-two", ".gone-three", ".restored-four"):
        (directory / "collections" / name).mkdir()
        (directory / "collections" / name / "catalog.sqlite3").write_bytes(b"half")
    with Library(directory) as library:
        assert library.names() == ["one"]
    assert [path.name for path in (directory / "collections").iterdir()] == ["one"]


def test_damaged_aliases_are_told(directory: Path, model: Path) -> None:
    with Library(directory) as library:
        library.create("one", model)
        library.point_alias("live", "one")
    path = directory / "aliases.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"one", b"two"))
    for _ in range(2):  # the lock is free again after the first
        with pytest.raises(DamagedData, match="fails its checksum"):
            Library(directory)
    path.write_bytes(whole)
    Library(directory).close()


def test_a_deleted_collection_is_gone(directory: Path, model: Path) -> None:
    """Unless an alias points to it; the name is free again."""
    with Library(directory) as library:
        one = library.create("one", model)
        library.create("two", model)
        for name in ("one", "two"):
            library.point_alias("live", name)
        with pytest.raises(BadRequest) as caught:
            library.delete("two")
        assert caught.value.reason == "has_alias"
        library.delete("one")
        with pytest.raises(Closed, match="closed"):
            one.get("o")
        assert library.names() == ["two"]
        with pytest.raises(BadRequest, match="only"):
            library.rollback_alias("live")
        for name in ("one", "live"):
            with pytest.raises(UnknownCollection):
                library.delete(name)
        assert len(library.create("one", model)) == 0
    assert not list((directory / "collections").glob(".*"))


def test_the_only_collection_is_known_without_a_look_at_the_disk(
    directory: Path, model: Path
) -> None:
    """Others wait while somebody asks for its name, and a disk may take long."""
    with Library(directory) as library:
        library.create("one", model)
    looked: list[object] = []
    is_asking = False

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if is_asking and event in ("os.listdir", "os.scandir"):
            looked.append(arguments)

    sys.addaudithook(look)
    with Library(directory) as library:
        library.create("two", model)
        library.delete("two")
        for _ in range(2):
            is_asking = True
            assert library.collection("").name == "one"
            is_asking = False
    assert looked == []
