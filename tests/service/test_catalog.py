"""The truth: what is written is read, and what has changed is refused."""

import dataclasses
import io
import json
import sqlite3
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skylike.service.catalog import Catalog, SkyObject, Writing
from skylike.service.catalog import rows as encoding
from skylike.service.errors import (
    AlreadyDone,
    AlreadyExists,
    BadRequest,
    Closed,
    DamagedData,
    Overloaded,
    SkylikeError,
)
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag

FULL = SkyObject(
    id="NGC 1300 ★",
    position=SkyPosition(49.920862, -19.411114),
    epoch_mjd=59000.5,
    uri="s3://archive/ngc1300.fits",
    hdu="1 (SCI)",
    box=(-3, 0, 61, 64),
    attributes={"z": 0.00526, "count": 2**63 - 1, "barred": True, "type": "SBbc\0"},
    labels=frozenset({"ring", "ΛCDM"}),
    flags=Flag.EDGE | Flag.LOW_SN,
    valid_fraction=0.75,
    thumbnail=b"\x89PNG",
)


def at_another_hdu(old: SkyObject) -> SkyObject:
    return dataclasses.replace(old, hdu="1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.sqlite3"
    Catalog.create(path, "model", 4)
    return path


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    opened = Catalog(path)
    yield opened
    opened.close()


def vectors(num: int, dimension: int = 4) -> Any:
    return np.random.default_rng(num).normal(size=(num, dimension)).astype(np.float32)


def read(catalog: Catalog, id: str) -> SkyObject:
    row = catalog.rows([id])[id]
    return catalog.objects([row], thumbnails=True)[row]


def change(path: Path, statement: str, *values: object) -> list[Any]:
    connection = sqlite3.connect(path)
    with connection:
        found = connection.execute(statement, values).fetchall()
    connection.close()
    return found


def test_everything_comes_back_after_reopening(path: Path) -> None:
    """Objects, vectors and versions survive, with their types."""
    catalog = Catalog(path)
    assert catalog.state() == ("model", 4, 0, 0, 0)
    stored = vectors(2)
    written = catalog.add([FULL, SkyObject("bare")], stored)
    assert (written.version, written.rows.tolist()) == (1, [1, 2])
    catalog.close()

    catalog = Catalog(path)
    assert (catalog.model_id, catalog.dimension) == ("model", 4)
    assert catalog.state() == ("model", 4, 1, 2, 2)
    assert read(catalog, FULL.id) == FULL
    assert read(catalog, "bare") == SkyObject("bare")
    count = read(catalog, FULL.id).attributes["count"]
    assert isinstance(count, int)
    assert catalog.vector(1).tobytes() == stored[0].tobytes()
    assert catalog.objects([1])[1].thumbnail == b""
    catalog.close()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
sky_objects = st.builds(
    SkyObject,
    id=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    position=st.none()
    | st.builds(
        SkyPosition,
        st.floats(0, 360, exclude_max=True),
        st.floats(-90, 90),
    ),
    epoch_mjd=st.none() | finite,
    uri=st.none() | texts,
    attributes=st.dictionaries(
        texts.filter(bool),
        texts | finite | st.booleans() | st.integers(-(2**63), 2**63 - 1),
        max_size=4,
    ),
    valid_fraction=st.floats(0, 1),
    thumbnail=st.binary(max_size=9),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sky_object=sky_objects)
def test_any_object_comes_back_equal(catalog: Catalog, sky_object: SkyObject) -> None:
    """Whatever can be made can be stored, and is read as it was."""
    if sky_object.id not in catalog.rows([sky_object.id]):
        catalog.add([sky_object], vectors(1))
        assert read(catalog, sky_object.id) == sky_object


def test_a_write_is_whole_or_not_at_all(catalog: Catalog) -> None:
    """An id that is taken leaves nothing behind of its batch."""
    catalog.add([SkyObject("a")], vectors(1))
    with pytest.raises(AlreadyExists, match="'a'"):
        catalog.add([SkyObject("b"), SkyObject("a")], vectors(2))
    with pytest.raises(ValueError, match="zip"):
        catalog.add([SkyObject("b"), SkyObject("c")], vectors(1))
    assert catalog.state() == ("model", 4, 1, 1, 1)
    assert catalog.rows(["a", "b", "c"]) == {"a": 1}


def test_contents_come_in_the_order_of_rows(catalog: Catalog) -> None:
    """With constant stamps, which keep their vector."""
    stored = vectors(3)
    flat = SkyObject("flat", flags=Flag.CONSTANT)
    catalog.add([SkyObject("a"), flat, SkyObject("b")], stored)
    ((rows, objects, found),) = catalog.contents(0, 3)
    assert rows.tolist() == [1, 2, 3]
    assert [one.is_searchable for one in objects] == [True, False, True]
    np.testing.assert_array_equal(found, stored)
    ((rows, _, _),) = catalog.contents(1, 2)
    assert rows.tolist() == [2]
    assert list(catalog.contents(3, 9)) == []
    np.testing.assert_array_equal(catalog.vector(2), stored[1])
    wanted = np.array([3, 1, 3])
    np.testing.assert_array_equal(catalog.vectors(wanted), stored[wanted - 1])
    with pytest.raises(DamagedData, match="row 4"):
        catalog.vectors(np.array([1, 4]))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "NGC 1301"),
        ("uri", "s3://archive/ngc1301.fits"),
        ("uri", None),
        ("body", "[null, null, null, null, 0, 1.0, {}, []]"),
        ("crc", 1),
    ],
)
def test_a_changed_object_is_refused(path: Path, column: str, value: object) -> None:
    """Each column is under the checksum."""
    catalog = Catalog(path)
    catalog.add([FULL], vectors(1))
    change(path, f"UPDATE objects SET {column} = ?", value)
    with pytest.raises(DamagedData, match="NGC 130"):
        catalog.objects([1])
    catalog.close()


def test_a_flipped_bit_is_refused(path: Path) -> None:
    """In a vector, a thumbnail, a fit, and in text that is no longer Unicode."""
    catalog = Catalog(path)
    catalog.add([FULL, SkyObject("other")], vectors(2))
    catalog.fits.save({"clusters": {"means": np.zeros(3)}})
    vector = bytearray(catalog.vector(1).tobytes())
    vector[5] ^= 1
    change(path, "UPDATE vectors SET vector = ? WHERE row = 1", bytes(vector))
    change(path, "UPDATE thumbnails SET png = ? WHERE row = 1", b"\x88PNG")
    change(path, "UPDATE objects SET uri = CAST(x'61ff' AS TEXT) WHERE row = 2")
    change(path, "UPDATE fits SET arrays = substr(arrays, 2)")
    with pytest.raises(DamagedData, match="row 1"):
        catalog.vector(1)
    with pytest.raises(DamagedData, match="row 1"):
        list(catalog.contents(0, 2))
    with pytest.raises(DamagedData, match="thumbnail in row 1"):
        catalog.objects([1], thumbnails=True)
    with pytest.raises(DamagedData, match="other"):
        catalog.objects([2])
    with pytest.raises(DamagedData, match="fit 1 of the clusters"):
        catalog.fits.latest("clusters")
    assert catalog.objects([1])[1].id == FULL.id
    assert catalog.vector(2).shape == (4,)
    catalog.close()


def test_rows_cannot_trade_vectors(path: Path) -> None:
    """A vector is bound to its row."""
    catalog = Catalog(path)
    catalog.add([SkyObject("a"), SkyObject("b")], vectors(2))
    change(path, "UPDATE vectors SET row = -1 WHERE row = 1")
    change(path, "UPDATE vectors SET row = 1 WHERE row = 2")
    with pytest.raises(DamagedData):
        catalog.vector(1)
    with pytest.raises(DamagedData):
        catalog.vector(2)
    catalog.close()


def test_foreign_and_newer_files_are_refused(path: Path, tmp_path: Path) -> None:
    """With a message that says what is wrong."""
    with pytest.raises(DamagedData, match="missing"):
        Catalog(tmp_path / "none.sqlite3")
    noise = tmp_path / "noise.sqlite3"
    noise.write_bytes(b"not a database at all" * 100)
    with pytest.raises(DamagedData, match="not a database"):
        Catalog(noise)
    change(path, "PRAGMA user_version = 6")
    with pytest.raises(DamagedData, match="schema 6") as caught:
        Catalog(path)
    assert caught.value.reason == "newer_schema"
    change(path, "PRAGMA application_id = 1")
    with pytest.raises(DamagedData, match="not a skylike catalog"):
        Catalog(path)


def test_fits_are_numbered_and_kept_together(catalog: Catalog) -> None:
    """Kinds that are saved together share a fit version; the newest is given."""
    assert catalog.fits.latest("clusters") is None
    assert catalog.fits.of("clusters", 1) is None
    means = np.arange(6.0).reshape(2, 3)
    ids = np.array(["é" * 3, ""])
    assert catalog.fits.save({"clusters": {"means": means, "ids": ids}}) == (1, 1)
    assert catalog.fits.save({"clusters": {"means": -means}, "anomaly": {}}) == (2, 2)
    found = catalog.fits.latest("clusters")
    assert found is not None
    assert found[0] == 2
    np.testing.assert_array_equal(found[1]["means"], -means)


def test_of_what_is_large_only_the_last_two_fits_are_kept(catalog: Catalog) -> None:
    for number in range(4):
        parts = {"clusters": {"number": np.array(number)}}
        catalog.fits.save(parts | {"ranks": parts["clusters"]}, brief={"ranks": 2})
    kept = [catalog.fits.of("ranks", version) for version in range(1, 6)]
    assert [None if one is None else int(one["number"]) for one in kept] == [
        *(None, None, 2, 3, None),
    ]
    assert catalog.fits.of("clusters", 1) is not None


def test_a_large_fit_is_cut_and_read_whole_or_told_as_damaged(
    catalog: Catalog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In as many rows as it needs; they go together, and none may be missing."""
    monkeypatch.setattr(encoding, "_MOST_OF_FIT", 1000)
    for number in range(3):
        numbers = np.arange(number, number + 500.0)
        brief = {"anomaly": 1}
        catalog.fits.save({"anomaly": {"numbers": numbers}}, brief=brief)
    found = catalog.fits.latest("anomaly")
    assert found is not None
    assert found[0] == 3
    np.testing.assert_array_equal(found[1]["numbers"], numbers)
    assert catalog.fits.versions("anomaly") == [3]
    kept = change(path, "SELECT kind FROM fits")
    assert kept == [("anomaly",), *((f"anomaly/{i}",) for i in range(1, len(kept)))]
    assert len(kept) > 3
    catalog.fits.rewrite("anomaly", 3, {"numbers": numbers[:5]})
    assert change(path, "SELECT kind FROM fits") == kept[:1]
    catalog.fits.rewrite("anomaly", 3, {"numbers": numbers})
    assert list(catalog.scrub()) == []
    change(path, "DELETE FROM fits WHERE kind = 'anomaly/2'")
    with pytest.raises(DamagedData, match="fit 3 of the anomaly"):
        catalog.fits.latest("anomaly")


def test_fits_hold_no_pickle(catalog: Catalog) -> None:
    """Arrays of Python objects can be neither written nor read."""
    with pytest.raises(ValueError, match="allow_pickle"):
        catalog.fits.save({"clusters": {"names": np.array([{}], object)}})
    assert catalog.state().version == 0


def test_a_closed_catalog_says_so(path: Path) -> None:
    """Rather than opening the file anew."""
    catalog = Catalog(path)
    catalog.close()
    with pytest.raises(Closed, match="closed"):
        catalog.state()
    with pytest.raises(Closed, match="closed"):
        catalog.add([SkyObject("a")], vectors(1))


@pytest.mark.parametrize(
    ("reason", "values"),
    [
        ("bad_id", {"id": ""}),
        ("bad_id", {"id": "é" * 257}),
        ("bad_id", {"id": "a\nb"}),
        ("bad_id", {"id": "a\x9f"}),
        ("bad_id", {"id": "\ud800"}),
        ("bad_position", {"position": SkyPosition(360, 0)}),
        ("bad_position", {"position": SkyPosition(-1e-9, 0)}),
        ("bad_position", {"position": SkyPosition(0, 90.1)}),
        ("bad_position", {"position": SkyPosition(0, float("nan"))}),
        ("bad_object", {"epoch_mjd": float("inf")}),
        ("bad_object", {"valid_fraction": float("nan")}),
        ("bad_object", {"box": (0, 0, 2**31, 1)}),
        ("bad_object", {"uri": "\udcff"}),
        ("bad_object", {"attributes": {"": 1}}),
        ("bad_object", {"attributes": {"n": 2**63}}),
        ("bad_object", {"attributes": {"x": float("nan")}}),
        ("bad_object", {"attributes": {"x": None}}),
        ("bad_object", {"attributes": {"x": "\ud800"}}),
    ],
)
def test_objects_that_break_a_rule_cannot_be_made(
    reason: str, values: dict[str, Any]
) -> None:
    """Each rule has its reason code."""
    with pytest.raises(SkylikeError) as caught:
        SkyObject(**({"id": "a"} | values))
    assert isinstance(caught.value, BadRequest)
    assert caught.value.reason == reason


def test_a_replaced_object_gets_a_row_of_its_own(catalog: Catalog) -> None:
    """And the old one is gone with all that was its, as the journal says."""
    first = vectors(3)
    catalog.add([FULL, SkyObject("b"), SkyObject("c")], first)
    new = dataclasses.replace(FULL, uri="s3://new", thumbnail=b"")
    written = catalog.add([SkyObject("d"), new], vectors(2), replace=True)
    assert (written.version, written.rows.tolist()) == (2, [4, 5])
    assert written.gone.tolist() == [1]
    assert catalog.state() == ("model", 4, 2, 4, 5)
    assert catalog.rows([FULL.id]) == {FULL.id: 5}
    assert read(catalog, FULL.id) == new
    np.testing.assert_array_equal(catalog.vector(5), vectors(2)[1])
    with pytest.raises(DamagedData):
        catalog.vector(1)
    gone, revised = catalog.journal()
    assert (gone.tolist(), revised.tolist()) == ([1], [])


def test_rows_are_never_given_twice(path: Path) -> None:
    """Not even the highest, nor after reopening."""
    catalog = Catalog(path)
    catalog.add([SkyObject("a"), SkyObject("b")], vectors(2))
    gone = catalog.delete(["b", "nobody"])
    assert (gone.version, gone.gone.tolist()) == (2, [2])
    assert catalog.delete(["b"]).gone.tolist() == []
    catalog.close()
    catalog = Catalog(path)
    assert catalog.add([SkyObject("b")], vectors(1)).rows.tolist() == [3]
    assert catalog.state() == ("model", 4, 3, 2, 3)
    catalog.close()


def test_a_revised_object_keeps_its_row_vector_and_thumbnail(catalog: Catalog) -> None:
    """All of a revision happens, or nothing."""
    catalog.add([FULL, SkyObject("b")], vectors(2))

    def label(old: SkyObject) -> SkyObject:
        return dataclasses.replace(old, labels=old.labels | {"odd"})

    written, revised = catalog.revise([FULL.id, "nobody"], label)
    assert (written.version, written.rows.tolist()) == (2, [1])
    assert [one.labels for one in revised] == [FULL.labels | {"odd"}]
    assert read(catalog, FULL.id) == label(FULL)
    np.testing.assert_array_equal(catalog.vector(1), vectors(2)[0])

    def fail_at_b(old: SkyObject) -> SkyObject:
        return dataclasses.replace(old, valid_fraction=2 if old.id == "b" else 0.5)

    with pytest.raises(BadRequest, match="valid_fraction 2"):
        catalog.revise([FULL.id, "b"], fail_at_b)
    assert read(catalog, FULL.id) == label(FULL)
    assert catalog.state().version == 2
    gone, changed = catalog.journal()
    assert (gone.tolist(), changed.tolist()) == ([], [1])


def test_the_journal_keeps_what_came_after_a_version(catalog: Catalog) -> None:
    """What segments were told of later is not forgotten with what they know."""
    catalog.add([SkyObject(name) for name in "abc"], vectors(3))
    catalog.revise(["a", "b"], at_another_hdu)
    catalog.delete(["b"])
    catalog.clear_journal([1, 2], version=2)
    gone, changed = catalog.journal()
    assert (gone.tolist(), changed.tolist()) == ([2], [])
    catalog.clear_journal([2], version=3)
    assert [len(rows) for rows in catalog.journal()] == [0, 0]


@pytest.mark.parametrize(
    ("table", "column"),
    [("collection", "last_row"), ("collection", "dimension"), ("journal", "is_gone")],
)
def test_changed_accounts_are_refused(path: Path, table: str, column: str) -> None:
    catalog = Catalog(path)
    catalog.add([SkyObject("a")], vectors(1))
    catalog.revise(["a"], at_another_hdu)
    change(path, f"UPDATE {table} SET {column} = {column} + 1")
    with pytest.raises(DamagedData):
        (catalog.journal, catalog.state)[table == "collection"]()
    catalog.close()


VERSION_1 = """
CREATE TABLE collection (
    only INTEGER PRIMARY KEY CHECK (only = 1), model_id TEXT NOT NULL,
    dimension INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE TABLE objects (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ra_deg REAL, dec_deg REAL,
    epoch_mjd REAL, uri TEXT, hdu TEXT, box TEXT, flags INTEGER NOT NULL,
    valid_fraction REAL NOT NULL, attributes TEXT NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE INDEX objects_by_uri ON objects (uri) WHERE uri IS NOT NULL;
CREATE TABLE vectors (
    row INTEGER PRIMARY KEY REFERENCES objects, searchable INTEGER NOT NULL,
    vector BLOB NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE thumbnails (
    row INTEGER PRIMARY KEY REFERENCES objects, png BLOB NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE fits (
    version INTEGER NOT NULL, kind TEXT NOT NULL, arrays BLOB NOT NULL,
    crc INTEGER NOT NULL, PRIMARY KEY (kind, version)
) STRICT;
PRAGMA application_id = 0x736B796C; PRAGMA user_version = 1;
INSERT INTO collection VALUES (1, 'model', 4, 7);
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A catalog as the first schema had it, with one object."""
    path = tmp_path / "old.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode = WAL;" + VERSION_1)
    values = (3, "a", 10.0, -5.5, None, "f.fits", None, None, 0, 1.0, '{"z": 0.5}')
    crc = zlib.crc32(json.dumps(values).encode())
    vector = np.arange(4, dtype="<f4").tobytes()
    with connection:
        marks = ", ".join("?" * 12)
        connection.execute(f"INSERT INTO objects VALUES ({marks})", (*values, crc))
        connection.execute(
            "INSERT INTO vectors VALUES (3, 1, ?, ?)",
            (vector, zlib.crc32(vector, zlib.crc32(struct.pack("<q?", 3, True)))),
        )
        stream = io.BytesIO()
        np.savez_compressed(stream, k=np.array(5))
        blob = stream.getvalue()
        connection.execute(
            "INSERT INTO fits VALUES (2, 'anomaly', ?, ?)", (blob, zlib.crc32(blob))
        )
    connection.close()
    return path


def test_an_old_catalog_is_brought_up_to_date(old: Path) -> None:
    """With everything that was in it; and is one of today's from then on."""
    for version, hdu in ((7, None), (8, "1")):
        catalog = Catalog(old)
        assert catalog.state() == ("model", 4, version, 1, 3)
        assert read(catalog, "a") == SkyObject(
            "a",
            SkyPosition(10.0, -5.5),
            uri="f.fits",
            hdu=hdu,
            attributes={"z": 0.5},
        )
        assert catalog.rows_from(["f.fits"]) == [3]
        np.testing.assert_array_equal(catalog.vector(3), np.arange(4, dtype="f4"))
        assert catalog.fits.latest("anomaly") == (2, {"k": np.array(5)})
        catalog.revise(["a"], at_another_hdu)
        catalog.close()
    catalog = Catalog(old)
    assert catalog.delete(["a"]).gone.tolist() == [3]
    catalog.close()


def test_requests_of_an_older_catalog_are_known_by_their_names(tmp_path: Path) -> None:
    """Whatever they asked, which nobody noted then; unless they are damaged."""
    path = tmp_path / "old.sqlite3"
    Catalog.create(path, "model", 4)
    catalog = Catalog(path)
    catalog.add([SkyObject("a")], vectors(1))
    catalog.close()
    values = (1, "night-1", 7, 3)
    crc = zlib.crc32(json.dumps(values).encode())
    for table in ("requests", "ratings", "rated"):
        change(path, f"DROP TABLE {table}")
    change(
        path,
        "CREATE TABLE requests (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
        "version INTEGER NOT NULL, num_objects INTEGER NOT NULL, crc INTEGER NOT NULL) "
        "STRICT",
    )
    change(path, f"INSERT INTO requests VALUES (1, 'night-1', 7, 4, {crc})")
    change(path, "PRAGMA user_version = 3")
    for _ in range(2):
        with pytest.raises(DamagedData, match="request in row 1"):
            Catalog(path)
    change(path, "UPDATE requests SET num_objects = 3")
    for _ in range(2):
        catalog = Catalog(path)
        with pytest.raises(AlreadyDone) as caught:
            catalog.delete(["a"], Writing("night-1", digest="whatever"))
        assert (caught.value.version, caught.value.num_objects) == (7, 3)
        assert not [one for one in catalog.scrub() if "request" in one.message]
        catalog.close()


def test_a_damaged_old_catalog_stays_as_it_is(old: Path) -> None:
    change(old, "UPDATE objects SET ra_deg = 11")
    for _ in range(2):
        with pytest.raises(DamagedData, match="object 'a'"):
            Catalog(old)
    change(old, "UPDATE objects SET ra_deg = 10.0")
    catalog = Catalog(old)
    assert read(catalog, "a").attributes == {"z": 0.5}
    catalog.close()


@pytest.mark.parametrize("statement", ["kind = 'anomalz'", "version = 3"])
def test_a_fit_that_is_called_otherwise_is_damage(
    catalog: Catalog, path: Path, statement: str
) -> None:
    catalog.fits.save({"anomaly": {"k": np.array(5)}})
    change(path, f"UPDATE fits SET {statement}")
    [flaw] = catalog.scrub()
    assert "fit" in flaw.message


def test_the_log_stays_short_whoever_reads(catalog: Catalog, path: Path) -> None:
    """A reader held open stops writing before the log has 256 MB, and nothing else."""
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM objects").fetchone()
    log = path.with_name(path.name + "-wal")
    picture = bytes(8 << 20)

    def write_on() -> None:
        for number in range(100):
            catalog.add([SkyObject(f"{number}", thumbnail=picture)], vectors(1))

    with pytest.raises(Overloaded, match="cannot be folded") as caught:
        write_on()
    assert caught.value.reason == "log_full"
    assert 128 << 20 < log.stat().st_size < 256 << 20
    stored = catalog.state().num_objects
    assert len(catalog.rows([f"{number}" for number in range(100)])) == stored
    reader.close()
    catalog.add([SkyObject("after")], vectors(1))
    assert log.stat().st_size < 1 << 20
    assert catalog.state().num_objects == stored + 1


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from skylike.service.catalog import Catalog, SkyObject
from skylike.service.errors import StorageFailed
catalog = Catalog(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
number = 0
try:
    while True:
        picture = bytes(100_000)
        objects = [SkyObject(f"{number}-{i}", thumbnail=picture) for i in range(3)]
        catalog.add(objects, np.ones((3, 4), np.float32))
        number += 1
        assert number < 100
except StorageFailed as error:
    print(number, error.reason, catalog.state().num_objects)
"""


def test_a_write_that_does_not_fit_leaves_nothing_behind(path: Path) -> None:
    """Here for want of file size; what was stored before stays readable."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    number, reason, stored = done.stdout.split()
    assert reason in ("no_space", "storage_failed")
    assert 0 < int(number) < 100
    assert int(stored) == 3 * int(number)
    catalog = Catalog(path)
    ids = [f"{n}-{i}" for n in range(int(number) + 1) for i in range(3)]
    assert len(catalog.rows(ids)) == int(stored)
    catalog.close()
