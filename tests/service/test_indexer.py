"""Indexing: every readable file becomes a row, every other one a reason."""

import contextlib
import gzip
import itertools
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skylike.service import fits, indexer, stamp
from skylike.service.encoder import Encoder
from skylike.service.errors import BadInput, BadRequest, Overloaded
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag
from skylike.service.folders import find_files
from skylike.service.indexer.manifest import Manifest
from skylike.service.library import Library
from skylike.service.prepare import Prepared, Reject, Source, prepare
from skylike.service.sources import find_images, find_sources


@pytest.fixture
def folder(tmp_path: Path, sky: SimpleNamespace) -> Path:
    """Six good files, one of them packed and one constant, and six bad ones."""
    root = tmp_path / "fits"
    (root / "deep").mkdir(parents=True)
    for i in range(4):
        (root / f"{i}.fits").write_bytes(sky.draw("round", i, OBJECT=f"M{i}"))
    (root / "deep" / "4.fits.gz").write_bytes(gzip.compress(sky.draw("ring", 4)))
    (root / "flat.fits").write_bytes(sky.to_fits(np.full((20, 20), 3.0)))
    (root / "page.fits").write_bytes(b"<html>")
    (root / "cut.fits").write_bytes(sky.draw("round", 9)[:4000])
    (root / "blank.fits").write_bytes(sky.to_fits(np.full((20, 20), np.nan)))
    (root / "bands.fits").write_bytes(sky.to_fits(np.zeros((3, 20, 20))))
    (root / "tab\tname.fits").write_bytes(sky.draw("round", 5))
    (root / os.fsdecode(b"\xe9t\xe9.fits")).write_bytes(sky.draw("round", 6)[:3000])
    (root / "notes.txt").write_text("not an image")
    return root


def test_everything_readable_is_indexed_and_the_rest_has_its_reason(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        rejects = tmp_path / "rejects.parquet"
        with indexer.tabled(rejects) as refused:
            report = indexer.index(
                collection, encoder, find_sources([folder]), refused=refused
            )
        assert (report.indexed, report.known, len(collection)) == (6, 0, 6)
        table = pq.read_table(rejects).to_pylist()
        reasons = {Path(row["path"]).name: row["code"] for row in table}
        assert reasons == {
            "page.fits": "not_fits",
            "cut.fits": "truncated",
            "blank.fits": "all_nan",
            "bands.fits": "axis_ambiguous",
            "tab\tname.fits": "bad_id",
            "\\udce9t\\udce9.fits": "truncated",
        }
        found = collection.get("deep/4.fits.gz")
        assert found.uri == str(folder / "deep" / "4.fits.gz")
        assert found.position is not None
        assert found.thumbnail.startswith(b"\x89PNG")
        assert collection.get("2.fits").attributes["name"] == "M2"
        hits = collection.search(collection.vector("0.fits")[np.newaxis], 10)[0]
        assert hits[0].object.id == "0.fits"
        assert len(hits) == 5  # the constant one is stored and never found


def test_a_second_run_adds_only_what_is_new(
    folder: Path, model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        indexer.index(collection, encoder, find_sources([folder]))
        (folder / "new.fits").write_bytes(sky.draw("long", 77))
        report = indexer.index(collection, encoder, find_sources([folder]))
        assert (report.indexed, report.known, len(collection)) == (1, 6, 7)


def test_a_file_is_known_by_where_it_lies(
    model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    """Not by its name: another night's folder has the same names."""
    for night, kind in ("a", "round"), ("b", "ring"):
        (tmp_path / night).mkdir()
        (tmp_path / night / "x.fits").write_bytes(sky.draw(kind, 1))
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        first = indexer.index(collection, encoder, find_sources([tmp_path / "a"]))
        assert (first.indexed, first.known) == (1, 0)
        clash = indexer.index(collection, encoder, find_sources([tmp_path / "b"]))
        assert (clash.indexed, clash.known) == (0, 0)
        assert [reject.code for reject in clash.rejects] == ["already_exists"]
        both = indexer.index(
            collection, encoder, find_sources([tmp_path / "a", tmp_path / "b"])
        )
        assert (both.indexed, both.known, both.rejects) == (1, 1, ())
        assert collection.get("b/x.fits").uri == str(tmp_path / "b" / "x.fits")


def test_lists_and_tables_name_images_parts_of_them_and_what_is_known(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    names = folder / "names.txt"
    names.write_text("deep/4.fits.gz\n3.fits[0]\n")
    table = {
        "object_id": ["first", "second", "", "first", "third"],
        "uri": ["0.fits", "0.fits", "1.fits", "2.fits", "gone.fits"],
        "ra": [10.0, 11.0, np.nan, 0.0, 0.0],
        "dec": [-5.0, -5.0, 0.0, 0.0, 0.0],
        "x0": [np.nan, 4, np.nan, np.nan, np.nan],
        "y0": [np.nan, 6, np.nan, np.nan, np.nan],
        "x1": [np.nan, 40, np.nan, np.nan, np.nan],
        "y1": [np.nan, 42, np.nan, np.nan, np.nan],
        "redshift": [0.5, 0.25, np.nan, 1.0, 2.0],
        "kind": ["spiral", "disc", "", "", ""],
        "unit": ["count", "", "", "", ""],
    }
    pq.write_table(pa.table(table), folder / "catalogue.parquet")
    sources = find_sources([names, folder / "catalogue.parquet"])
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        report = indexer.index(collection, encoder, sources)
        assert [one.code for one in report.rejects] == ["duplicate_id", "file_missing"]
        ids = {"deep/4.fits.gz", "3.fits[0]", "first", "second", "1.fits"}
        assert {one.id for _, one in collection.scroll()} == ids
        first, second = collection.get("first"), collection.get("second")
        assert first.position == SkyPosition(10.0, -5.0)
        assert first.attributes["redshift"] == 0.5
        assert first.attributes["kind"] == "spiral"
        assert first.attributes["unit"] == "count"  # the table's, not the header's
        assert (first.uri, first.box) == (second.uri, None)
        assert (second.hdu, second.box) == ("0", (4, 6, 40, 42))
        assert second.attributes["name"] == "M0"
        assert not np.array_equal(
            collection.vector("first"), collection.vector("second")
        )
        again = indexer.index(collection, encoder, sources)
        assert (again.indexed, again.known, len(again.rejects)) == (0, 5, 2)
        # By name they are the files that the list and the table named already.
        files = [folder / name for name in ("0.fits", "1.fits", "3.fits")]
        plain = indexer.index(collection, encoder, find_sources(files))
        assert (plain.indexed, plain.known) == (0, 3)


def test_boxes_of_one_file_are_read_together_and_may_reach_beyond_it(
    model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    """As from the opened file; one that misses it is a reject, and no other."""
    path = tmp_path / "frame.fits.gz"
    path.write_bytes(gzip.compress(sky.draw("ring", 3)))
    boxes = [
        fits.Box(-8, -4, 24, 28),
        fits.Box(900, 0, 932, 32),
        fits.Box(4, 6, 36, 38),
    ]
    sources = [Source(str(path), f"{n}", True, box) for n, box in enumerate(boxes)]
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        report = indexer.index(collection, encoder, sources)
        assert [one.code for one in report.rejects] == ["no_overlap"]
        assert report.rejects[0].message.startswith(f"{path}: the box")
        with fits.opened(str(path)) as frame:
            for name, box in ("0", boxes[0]), ("2", boxes[2]):
                made = stamp.make(frame.read(box), encoder.spec)
                vector = encoder.embed(made.pixels[None])[0]
                np.testing.assert_allclose(collection.vector(name), vector, atol=1e-6)
        assert Flag.EDGE in collection.get("0").flags
        again = indexer.index(collection, encoder, sources)
        assert (again.indexed, again.known) == (0, 2)


def test_a_table_of_rejects_replaces_nothing_else(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    catalogue = tmp_path / "mine.parquet"
    pq.write_table(pa.table({"uri": [str(folder / "0.fits")]}), catalogue)
    for path in catalogue, folder / "0.fits":
        before = path.read_bytes()
        with pytest.raises(BadRequest, match="no table of rejects") as caught:
            indexer.require_rejects(path)
        assert caught.value.reason == "not_rejects"
        assert path.read_bytes() == before
    indexer.require_rejects(tmp_path / "new" / "rejects.parquet")
    indexer.write_rejects(tmp_path / "new" / "rejects.parquet", [])
    indexer.require_rejects(tmp_path / "new" / "rejects.parquet")


def test_too_many_rejects_end_a_run_which_can_go_on(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    sources = find_sources([folder])
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        rejects = tmp_path / "rejects.parquet"
        with (
            pytest.raises(BadInput, match="6 images were rejected") as caught,
            indexer.tabled(rejects) as refused,
        ):
            indexer.index(
                collection, encoder, sources, refused=refused, max_reject_fraction=0.4
            )
        assert caught.value.reason == "too_many_rejects"
        assert pq.read_table(rejects).num_rows == 6
        report = indexer.index(collection, encoder, sources, max_reject_fraction=0.5)
        assert (report.indexed + report.known, len(report.rejects)) == (6, 6)


def test_a_manifest_remembers_rejects_unless_the_run_is_another_or_done(
    tmp_path: Path,
) -> None:
    path = tmp_path / "indexing.jsonl"
    odd = Reject(os.fsdecode(b"\xe9.fits"), "truncated", 'it "ends"\n')
    with Manifest(path, "a") as manifest:
        manifest.finish(1023, [("x", odd)])
        manifest.finish(1024, [])
    whole = path.read_bytes()
    for torn in whole + b'{"shard": 3, "rejects": [["y', whole + b'{"shard": 3}':
        path.write_bytes(torn)
        with Manifest(path, "a") as manifest:
            known = {"x": Reject(r"\udce9.fits", odd.code, odd.message)}
            assert manifest.rejected == known
        assert path.read_bytes() == whole
    with Manifest(path, "b") as manifest:
        assert manifest.rejected == {}
        manifest.is_done = True
    assert not path.exists()


def test_what_was_mended_after_too_many_rejects_is_read_again(
    folder: Path, model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        with pytest.raises(BadInput):
            indexer.index(
                collection, encoder, find_sources([folder]), max_reject_fraction=0.45
            )
        (folder / "page.fits").write_bytes(sky.draw("round", 30))
        report = indexer.index(
            collection, encoder, find_sources([folder]), max_reject_fraction=0.45
        )
        assert len(report.rejects) == 5
        assert "page.fits" in collection.known(["page.fits"])


def test_links_are_followed_and_what_is_no_file_is_told(
    model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    nights, links = tmp_path / "nights", tmp_path / "links"
    nights.mkdir()
    links.mkdir()
    (nights / "A.FITS").write_bytes(sky.draw("round", 1))
    (nights / "b.fits.GZ").write_bytes(gzip.compress(sky.draw("round", 2)))
    (links / "night").symlink_to(nights)
    (links / "again.fits").symlink_to(nights / "A.FITS")
    (links / "up").symlink_to(links)
    (links / "circle.fits").symlink_to(links / "circle.fits")
    (links / "gone.fits").symlink_to(links / "nowhere.fits")
    os.mkfifo(links / "pipe.fits")
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        report = indexer.index(collection, encoder, find_sources([links]))
        assert (report.indexed, len(collection)) == (2, 2)
        assert collection.get("night/b.fits.GZ").uri == str(nights / "b.fits.GZ")
        codes = {Path(reject.path).name: reject.code for reject in report.rejects}
    assert codes == {
        "circle.fits": "io_error",
        "gone.fits": "file_missing",
        "pipe.fits": "io_error",
    }


def children() -> list[int]:
    """The processes that this one has started, and that run."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            state, parent, *_ = status.read_text().rpartition(")")[2].split()
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(status.parent.name))
    return found


def test_processes_that_never_start_are_not_blamed_on_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Overloaded) as caught:
        list(prepare([Source("a.fits", "a")], stamp.StampSpec(), workers=1))
    assert caught.value.reason == "no_processes"


def test_a_killed_worker_costs_nothing(
    model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    """As when the kernel takes memory back: the chunks under way are done again."""
    files = []
    for i in range(200):
        path = tmp_path / f"{i}.fits"
        path.write_bytes(sky.draw("round", i))
        files.append(Source(str(path), path.name))
    found: list[str] = []
    for chunk in prepare(files, Encoder(model).spec, workers=2):
        if not found:
            os.kill(children()[0], signal.SIGKILL)
        found += [item.object.id for item in chunk if isinstance(item, Prepared)]
    assert found == [one.id for one in files]


def test_a_file_that_kills_its_reader_is_a_reject(
    model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    """It inflates without end; whoever grows with it is killed, as by the kernel."""
    files = []
    for i in range(5):
        path = tmp_path / f"{i}.fits"
        path.write_bytes(sky.draw("round", i))
        files.append(Source(str(path), path.name))
    deadly = tmp_path / "3.fits"
    deadly.write_bytes(gzip.compress(bytes(10_000_000)) * 45)

    def kill_the_large() -> None:
        while not done.is_set():
            for child in children():
                with contextlib.suppress(OSError):  # it may have ended meanwhile
                    status = Path(f"/proc/{child}/statm").read_text().split()
                    if len(status) > 1 and int(status[1]) * 4096 > 400_000_000:
                        os.kill(child, signal.SIGKILL)
            time.sleep(0.002)

    done = threading.Event()
    killer = threading.Thread(target=kill_the_large)
    killer.start()
    try:
        chunks = prepare(files, Encoder(model).spec, workers=2)
        found = list(itertools.chain.from_iterable(chunks))
    finally:
        done.set()
        killer.join()
    assert [isinstance(item, Prepared) for item in found] == [True] * 3 + [False, True]
    assert isinstance(found[3], Reject)
    assert found[3].code == "crashed"
    assert str(deadly) in found[3].message


def test_indexed_vectors_are_those_of_a_query(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    """The bulk way and the single way make the same vector of the same file."""
    with Library(tmp_path / "data") as library:
        library.create("sky", model)
        collection = library.collection("sky")
        encoder = library.encoder_of(collection)
        indexer.index(collection, encoder, find_sources([folder]))
        alone, _ = indexer.embed_files(encoder, [str(folder / "1.fits")])
        np.testing.assert_allclose(collection.vector("1.fits"), alone[0], atol=1e-6)


def test_constant_files_are_not_used_for_calibration(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    with Library(tmp_path / "data") as library:
        encoder = library.encoder_of(library.create("sky", model))
        vectors, rejects = indexer.embed_files(encoder, find_images([folder]))
        assert vectors.shape[0] == 5
        assert [reject.code for reject in rejects].count("constant") == 1


def test_ids_are_paths_below_what_holds_all_sources(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for source in a, b:
        source.mkdir()
        (source / "x.fits").touch()
    assert [one.id for one in find_sources([a, b])] == ["a/x.fits", "b/x.fits"]
    assert [one.id for one in find_sources([a / "x.fits"])] == ["x.fits"]


def test_files_are_found_by_name_in_folders_and_always_when_named(
    tmp_path: Path,
) -> None:
    for name in "a.fits", "b.FIT", "c.fits.gz", "d.fts", "e.txt", "f.fits.fz", "g.gz":
        (tmp_path / name).touch()
    names = [Path(path).name for path in find_files([tmp_path])]
    assert names == ["a.fits", "b.FIT", "c.fits.gz", "d.fts", "f.fits.fz"]
    assert find_files([tmp_path / "e.txt"]) == [str(tmp_path / "e.txt")]


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_nothing_to_index_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput) as caught:
        find_files([tmp_path / name])
    assert caught.value.reason == "no_files"
