"""The truth: what is written is read, and what has changed is refused."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skylike.service.catalog import Catalog, SkyObject
from skylike.service.errors import (
    AlreadyExists,
    BadRequest,
    DamagedData,
    NotReady,
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
    flags=Flag.EDGE | Flag.LOW_SN,
    valid_fraction=0.75,
    thumbnail=b"\x89PNG",
)


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


def change(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def test_everything_comes_back_after_reopening(path: Path) -> None:
    """Objects, vectors and versions survive, with their types."""
    catalog = Catalog(path)
    assert catalog.state() == (0, 0, 0)
    stored = vectors(2)
    version, rows = catalog.add([FULL, SkyObject("bare")], stored)
    assert (version, rows.tolist()) == (1, [1, 2])
    catalog.close()

    catalog = Catalog(path)
    assert (catalog.model_id, catalog.dimension) == ("model", 4)
    assert catalog.state() == (1, 2, 2)
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
    assert catalog.state() == (1, 1, 1)
    assert catalog.rows(["a", "b", "c"]) == {"a": 1}


def test_only_searchable_vectors_are_listed(catalog: Catalog) -> None:
    """Constant stamps keep their vector, outside of every search."""
    stored = vectors(3)
    flat = SkyObject("flat", flags=Flag.CONSTANT)
    catalog.add([SkyObject("a"), flat, SkyObject("b")], stored)
    ((rows, found),) = catalog.searchable(after_row=0)
    assert rows.tolist() == [1, 3]
    np.testing.assert_array_equal(found, stored[[0, 2]])
    assert list(catalog.searchable(after_row=3)) == []
    np.testing.assert_array_equal(catalog.vector(2), stored[1])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "NGC 1301"),
        ("ra_deg", 49.920863),
        ("epoch_mjd", None),
        ("uri", "s3://archive/ngc1301.fits"),
        ("box", "[0, 0, 61, 64]"),
        ("flags", 16),
        ("attributes", "{}"),
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
    catalog.save_fits({"clusters": {"means": np.zeros(3)}})
    vector = bytearray(catalog.vector(1).tobytes())
    vector[5] ^= 1
    change(path, "UPDATE vectors SET vector = ? WHERE row = 1", bytes(vector))
    change(path, "UPDATE thumbnails SET png = ? WHERE row = 1", b"\x88PNG")
    change(path, "UPDATE objects SET uri = CAST(x'61ff' AS TEXT) WHERE row = 2")
    change(path, "UPDATE fits SET arrays = substr(arrays, 2)")
    with pytest.raises(DamagedData, match="row 1"):
        catalog.vector(1)
    with pytest.raises(DamagedData, match="row 1"):
        list(catalog.searchable(0))
    with pytest.raises(DamagedData, match="thumbnail in row 1"):
        catalog.objects([1], thumbnails=True)
    with pytest.raises(DamagedData, match="other"):
        catalog.objects([2])
    with pytest.raises(DamagedData, match="fit 1 of the clusters"):
        catalog.latest_fit("clusters")
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
    change(path, "PRAGMA user_version = 2")
    with pytest.raises(DamagedData, match="schema 2") as caught:
        Catalog(path)
    assert caught.value.reason == "newer_schema"
    change(path, "PRAGMA application_id = 1")
    with pytest.raises(DamagedData, match="not a skylike catalog"):
        Catalog(path)


def test_fits_are_numbered_and_kept_together(catalog: Catalog) -> None:
    """Kinds that are saved together share a fit version; the newest is given."""
    assert catalog.latest_fit("clusters") is None
    means = np.arange(6.0).reshape(2, 3)
    ids = np.array(["é" * 3, ""])
    assert catalog.save_fits({"clusters": {"means": means, "ids": ids}}) == (1, 1)
    assert catalog.save_fits({"clusters": {"means": -means}, "anomaly": {}}) == (2, 2)
    found = catalog.latest_fit("clusters")
    assert found is not None
    assert found[0] == 2
    np.testing.assert_array_equal(found[1]["means"], -means)


def test_fits_hold_no_pickle(catalog: Catalog) -> None:
    """Arrays of Python objects can be neither written nor read."""
    with pytest.raises(ValueError, match="allow_pickle"):
        catalog.save_fits({"clusters": {"names": np.array([{}], object)}})
    assert catalog.state()[0] == 0


def test_a_closed_catalog_says_so(path: Path) -> None:
    """Rather than opening the file anew."""
    catalog = Catalog(path)
    catalog.close()
    with pytest.raises(NotReady, match="closed"):
        catalog.state()
    with pytest.raises(NotReady, match="closed"):
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
